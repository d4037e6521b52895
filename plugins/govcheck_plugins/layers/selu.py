"""selu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.expr import Expr, enclosed, function, minimum
from govcheck.plugin import Activation, Scalar, Values, kink, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual

LAMBDA: Final = enclosed(
    "lambda_selu", "1.0507009873554804934193349852946", "1.0507009873554804934193349852947"
)
ALPHA: Final = enclosed(
    "alpha_selu", "1.6732632423543772848170429916717", "1.6732632423543772848170429916718"
)


@dataclass(frozen=True)
class Selu(Activation):
    """selu: phi(x) = lambda x for x > 0, lambda alpha (exp(x) - 1) otherwise.

    lambda = 1.0507009873554804934... and alpha = 1.6732632423543772848... make the standard
    normal distribution a fixed point. ``phi'(0-) = lambda alpha`` is the largest slope and
    ``phi'(0+) = lambda``, so phi' jumps.
    """

    name: ClassVar[str] = "selu"
    analytic: ClassVar[bool | None] = False

    def constants(self) -> Scalar:
        return scalar(slope=(0, LAMBDA * ALPHA), curvature=kink("selu"))

    def slope_floor(self, radius: Expr) -> Expr:
        return LAMBDA * minimum(1, ALPHA * function("exp", -radius))

    def apply(self, x: Tensor, values: Values) -> Tensor:
        # the branch that is not taken must not overflow, or its gradient would be nan
        below = x.where(~(x > 0), 0.0).expm1()
        return values(LAMBDA) * x.where(x > 0, values(ALPHA) * below)

    def dual(self, values: Values) -> Dual:
        import numpy as np

        from govcheck.kernels.series import Series

        scale, alpha = values(LAMBDA), values(ALPHA)
        return Series(
            lambda x: scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
            lambda x: scale * np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))),
            kinks=(0.0,),
        )
