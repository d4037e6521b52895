"""Mean square error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from govcheck.bounds.expr import Expr
from govcheck_plugins.costs._quadratic import Quadratic


@dataclass(frozen=True)
class Square(Quadratic):
    """``gamma(Z) = (1/N) sum_i |z_i - y_i|**2``, the mean over samples."""

    name: ClassVar[str] = "square"

    def weight(self, samples: Expr) -> Expr:
        return 1 / samples
