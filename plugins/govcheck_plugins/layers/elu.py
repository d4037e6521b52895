"""elu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import ONE, Expr, absolute, function, maximum, minimum
from govcheck.plugin import Activation, Scalar, Unknown, Values, kink, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Elu(Activation):
    """elu: phi(x) = x for x > 0, alpha (exp(x) - 1) otherwise.

    ``phi'(0-) = alpha`` and ``phi'(0+) = 1``: only for alpha = 1 is phi' continuous, and then
    Lipschitz with constant 1, the limit of ``|phi''|`` at 0-, where phi'' jumps.
    """

    name: ClassVar[str] = "elu"
    analytic: ClassVar[bool | None] = False

    alpha: Expr = ONE

    def constants(self) -> Scalar:
        smooth = self.alpha is ONE
        where = "0" if self.alpha.is_number else "0 unless alpha = 1"
        return scalar(
            slope=(minimum(0, self.alpha), maximum(1, self.alpha)),
            steepest=maximum(1, absolute(self.alpha)),
            curvature=1 if smooth else kink(f"elu with alpha = {self.alpha!r}", where),
            third=Unknown.because("the second derivative of elu jumps at 0"),
        )

    def slope_floor(self, radius: Expr) -> Expr:
        left = absolute(self.alpha) * function("exp", -radius)
        return left if self.alpha is ONE else minimum(1, left)

    def apply(self, x: Tensor, values: Values) -> Tensor:
        # the branch that is not taken must not overflow, or its gradient would be nan
        below = x.where(~(x > 0), 0.0).expm1()
        return x.where(x > 0, values(self.alpha) * below)

    def dual(self, values: Values) -> Dual:
        import numpy as np

        from govcheck.kernels.series import Series

        alpha = values(self.alpha)
        return Series(
            lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
            lambda x: np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))),
            kinks=(0.0,),
        )
