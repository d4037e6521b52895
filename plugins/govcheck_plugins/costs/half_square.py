"""Half the mean square error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from govcheck.bounds.expr import Expr
from govcheck_plugins.costs._quadratic import HALF, Quadratic


@dataclass(frozen=True)
class HalfSquare(Quadratic):
    """``gamma(Z) = (1/2N) sum_i |z_i - y_i|**2``, the mean over samples."""

    name: ClassVar[str] = "half_square"

    def weight(self, samples: Expr) -> Expr:
        return HALF / samples
