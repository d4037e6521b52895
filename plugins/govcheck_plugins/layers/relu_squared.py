"""relu_squared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import Expr
from govcheck.plugin import Activation, Scalar, Unknown, Value, Values, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class ReluSquared(Activation):
    """relu_squared: phi(x) = max(x, 0)^2.

    ``phi' = 2 max(x, 0)`` is Lipschitz with constant 2 but unbounded: on entries of size at most
    r it is at most 2r, and ``phi(x) <= r |x|``.
    """

    name: ClassVar[str] = "relu_squared"
    analytic: ClassVar[bool | None] = False

    def constants(self) -> Scalar:
        steep = Unknown.because("relu_squared has unbounded slope where its input is unbounded")
        jump = Unknown.because("the second derivative of relu_squared jumps at 0")
        return scalar(slope=(0, steep), curvature=2, third=jump)

    def slope_ceiling(self, radius: Expr) -> Value:
        return 2 * radius

    def growth(self, radius: Expr) -> Value:
        return radius

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x.relu().square()

    def dual(self, values: Values) -> Dual:
        from govcheck.kernels.closed import ReluSquared as Kernel

        return Kernel()
