"""sigmoid."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import Expr, function, sqrt
from govcheck.plugin import Activation, Scalar, Values, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Sigmoid(Activation):
    """sigmoid: phi(x) = 1/(1 + exp(-x)).

    ``sup phi' = 1/4`` at 0, ``sup|phi''| = sqrt(3)/18`` at ``log(2 + sqrt 3)``,
    ``sup|phi'''| = 1/8`` at 0; phi' is even and falls with ``|x|``.
    """

    name: ClassVar[str] = "sigmoid"
    analytic: ClassVar[bool | None] = True
    certificate_function: ClassVar[str] = "sigmoid"

    def constants(self) -> Scalar:
        return scalar(
            at_zero=Fraction(1, 2),
            slope=(0, Fraction(1, 4)),
            curvature=Fraction(1, 18) * sqrt(3),
            value=1,
            third=Fraction(1, 8),
        )

    def slope_floor(self, radius: Expr) -> Expr:
        decay = function("exp", -radius)
        return decay / (1 + decay) ** 2

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x.sigmoid()

    def dual(self, values: Values) -> Dual:
        from math import pi

        from scipy.special import expit

        from govcheck.kernels.series import Series

        # phi' = (1 - tanh^2(z/2))/4 and |tanh(z/2)| <= 1 for |Im z| <= pi/2
        return Series(expit, lambda x: expit(x) * expit(-x), strip=(pi / 2, 0.5))
