"""softplus."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import ONE, Expr, absolute, function, sqrt
from govcheck.plugin import Activation, Scalar, Values, require_positive, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.certify.operations import Operation
    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Softplus(Activation):
    """softplus: phi(x) = log(1 + exp(beta x))/beta.

    ``phi'`` is the sigmoid of ``beta x``, so the sector is (0, 1), ``sup|phi''| = beta/4`` at 0
    and ``sup|phi'''| = beta^2 sqrt(3)/18``.
    """

    name: ClassVar[str] = "softplus"
    analytic: ClassVar[bool | None] = True

    beta: Expr = ONE

    def check(self) -> None:
        require_positive("softplus", beta=self.beta)

    def constants(self) -> Scalar:
        return scalar(
            at_zero=function("log", 2) / self.beta,
            slope=(0, 1),
            curvature=Fraction(1, 4) * absolute(self.beta),
            third=Fraction(1, 18) * sqrt(3) * self.beta**2,
        )

    def slope_floor(self, radius: Expr) -> Expr:
        decay = function("exp", -(absolute(self.beta) * radius))
        return decay / (1 + decay)

    def apply(self, x: Tensor, values: Values) -> Tensor:
        from torch.nn.functional import logsigmoid

        # unlike torch's softplus, this has no threshold above which it turns into x
        beta = values(self.beta)
        return -logsigmoid(-beta * x) / beta

    def certificate_operations(
        self, shape: tuple[int, ...], values: Values
    ) -> tuple[Operation, ...]:
        from govcheck.certify.operations import activation, scale

        beta = values(self.beta)
        if beta == 1:
            return (activation("softplus"),)
        return (scale(beta), activation("softplus"), scale(1 / beta))

    def dual(self, values: Values) -> Dual:
        from math import pi

        import numpy as np
        from scipy.special import expit

        from govcheck.kernels.series import Series

        # the logarithm has a small absolute error, which is all that an expectation needs;
        # |1 + exp(-w)| >= 1 for |Im w| <= pi/2, so that phi' is at most 1 there
        beta = values(self.beta)
        return Series(
            lambda x: np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(beta * x))) / beta,
            lambda x: expit(beta * x),
            strip=(pi / (2 * beta), 1.0),
        )
