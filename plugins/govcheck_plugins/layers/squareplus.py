"""squareplus."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.expr import Expr, num, sqrt
from govcheck.plugin import Activation, Scalar, Values, require_positive, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual

FOUR: Final = num(4)


@dataclass(frozen=True)
class Squareplus(Activation):
    """squareplus: phi(x) = (x + sqrt(x^2 + b))/2.

    ``phi' = (1 + x/sqrt(x^2 + b))/2`` rises from 0 to 1, ``sup|phi''| = 1/(2 sqrt b)`` at 0
    and ``sup|phi'''| = 24/(25 sqrt(5) b)`` where ``x^2 = b/4``.
    """

    name: ClassVar[str] = "squareplus"
    analytic: ClassVar[bool | None] = True

    b: Expr = FOUR

    def check(self) -> None:
        require_positive("squareplus", b=self.b)

    def constants(self) -> Scalar:
        return scalar(
            at_zero=Fraction(1, 2) * sqrt(self.b),
            slope=(0, 1),
            curvature=1 / (2 * sqrt(self.b)),
            third=Fraction(24, 25) / (sqrt(5) * self.b),
        )

    def slope_floor(self, radius: Expr) -> Expr:
        # phi'(-r) without its cancellation
        root = sqrt(radius**2 + self.b)
        return self.b / (2 * root * (root + radius))

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return (x + (x * x + values(self.b)).sqrt()) / 2

    def dual(self, values: Values) -> Dual:
        import numpy as np

        from govcheck.kernels.series import Series

        # |z^2/(b + z^2)| <= 1 + b/|b + z^2| <= 7/3 for |Im z| <= sqrt(b)/2,
        # and (1 + sqrt(7/3))/2 < 1.27
        b = values(self.b)
        return Series(
            lambda x: (x + np.sqrt(x * x + b)) / 2,
            lambda x: (1 + x / np.sqrt(x * x + b)) / 2,
            strip=(np.sqrt(b) / 2, 1.27),
        )
