"""Half the square error, summed over samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from govcheck.bounds.expr import Expr, as_expr
from govcheck_plugins.costs._quadratic import HALF, Quadratic


@dataclass(frozen=True)
class SummedSquare(Quadratic):
    """``gamma(Z) = (1/2) sum_i |z_i - y_i|**2``, not averaged (Du et al., 2019)."""

    name: ClassVar[str] = "summed_square"

    def weight(self, samples: Expr) -> Expr:
        return as_expr(HALF)
