"""Inverse square root unit."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import Expr, sqrt
from govcheck.plugin import Activation, Scalar, Values, scalar

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Isru(Activation):
    """isru: phi(x) = x/sqrt(1 + x^2).

    ``phi' = (1 + x^2)^(-3/2)`` is even and falls with ``|x|``; ``sup|phi''|`` is
    ``48/(25 sqrt 5)`` at ``1/2``, ``sup|phi'''| = 3`` at 0.
    """

    name: ClassVar[str] = "isru"

    def constants(self) -> Scalar:
        return scalar(slope=(0, 1), curvature=Fraction(48, 25) / sqrt(5), value=1, third=3)

    def slope_floor(self, radius: Expr) -> Expr:
        return (1 + radius**2) ** Fraction(-3, 2)

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x * (1 + x * x).rsqrt()
