"""hardsigmoid."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import ZERO, Expr, num
from govcheck.plugin import Activation, Scalar, Values, kink, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Hardsigmoid(Activation):
    """hardsigmoid: phi(x) = min(max(x + 3, 0), 6)/6.

    The slope is 1/6 on (-3, 3) and 0 outside.
    """

    name: ClassVar[str] = "hardsigmoid"
    analytic: ClassVar[bool | None] = False

    def constants(self) -> Scalar:
        return scalar(
            at_zero=Fraction(1, 2),
            slope=(0, Fraction(1, 6)),
            curvature=kink("hardsigmoid", "-3 and 3"),
            value=1,
        )

    def slope_floor(self, radius: Expr) -> Expr:
        inside = radius.is_number and radius.number < 3
        return num(Fraction(1, 6)) if inside else ZERO

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return (x + 3).clamp(0, 6) / 6

    def dual(self, values: Values) -> Dual:
        import numpy as np

        from govcheck.kernels.series import Series

        return Series(
            lambda x: np.clip(x + 3, 0, 6) / 6, lambda x: (np.abs(x) < 3) / 6, kinks=(-3.0, 3.0)
        )
