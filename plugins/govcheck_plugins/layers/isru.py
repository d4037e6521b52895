"""Inverse square root unit."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import Expr, sqrt
from govcheck.plugin import Activation, Scalar, Values, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Isru(Activation):
    """isru: phi(x) = x/sqrt(1 + x^2).

    ``phi' = (1 + x^2)^(-3/2)`` is even and falls with ``|x|``; ``sup|phi''|`` is
    ``48/(25 sqrt 5)`` at ``1/2``, ``sup|phi'''| = 3`` at 0.
    """

    name: ClassVar[str] = "isru"
    analytic: ClassVar[bool | None] = True

    def constants(self) -> Scalar:
        return scalar(slope=(0, 1), curvature=Fraction(48, 25) / sqrt(5), value=1, third=3)

    def slope_floor(self, radius: Expr) -> Expr:
        return (1 + radius**2) ** Fraction(-3, 2)

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x * (1 + x * x).rsqrt()

    def dual(self, values: Values) -> Dual:
        import numpy as np

        from govcheck.kernels.series import Series

        # |1 + z^2| >= 3/4 for |Im z| <= 1/2, and (4/3)^(3/2) < 1.54
        return Series(
            lambda x: x / np.sqrt(1 + x * x), lambda x: (1 + x * x) ** -1.5, strip=(0.5, 1.54)
        )
