"""logsigmoid."""

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
class LogSigmoid(Activation):
    """logsigmoid: phi(x) = -log(1 + exp(-x)).

    ``phi'`` is the sigmoid of ``-x``, so the sector is (0, 1), ``sup|phi''| = 1/4`` at 0 and
    ``sup|phi'''| = sqrt(3)/18``.
    """

    name: ClassVar[str] = "logsigmoid"
    analytic: ClassVar[bool | None] = True

    def constants(self) -> Scalar:
        return scalar(
            at_zero=-function("log", 2),
            slope=(0, 1),
            curvature=Fraction(1, 4),
            third=Fraction(1, 18) * sqrt(3),
        )

    def slope_floor(self, radius: Expr) -> Expr:
        decay = function("exp", -radius)
        return decay / (1 + decay)

    def apply(self, x: Tensor, values: Values) -> Tensor:
        from torch.nn.functional import logsigmoid

        return logsigmoid(x)

    def dual(self, values: Values) -> Dual:
        from math import pi

        from scipy.special import expit, log_expit

        from govcheck.kernels.series import Series

        # |1 + exp(z)| >= 1 for |Im z| <= pi/2, so that phi' is at most 1 there
        return Series(log_expit, lambda x: expit(-x), strip=(pi / 2, 1.0))
