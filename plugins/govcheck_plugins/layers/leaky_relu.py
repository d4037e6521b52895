"""leaky_relu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import ONE, Expr, absolute, maximum, minimum
from govcheck.plugin import Activation, Scalar, Values, kink, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class LeakyRelu(Activation):
    """leaky_relu: phi(x) = x for x > 0, slope x otherwise.

    ``|phi'|`` is 1 or ``|slope|``; the slope may be negative. With slope = 1 it is the identity.
    """

    name: ClassVar[str] = "leaky_relu"
    analytic: ClassVar[bool | None] = None

    slope: Expr

    def constants(self) -> Scalar:
        smooth = self.slope is ONE
        size = absolute(self.slope)
        return scalar(
            slope=(minimum(self.slope, 1), maximum(self.slope, 1)),
            steepest=maximum(size, 1),
            flattest=minimum(size, 1),
            curvature=0 if smooth else kink("leaky_relu"),
            third=0 if smooth else kink("leaky_relu"),
        )

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x.where(x > 0, values(self.slope) * x)

    def dual(self, values: Values) -> Dual:
        from govcheck.kernels.closed import PiecewiseLinear

        return PiecewiseLinear(values(self.slope))
