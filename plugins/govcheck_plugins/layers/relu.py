"""relu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.plugin import Activation, Scalar, Values, kink, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Relu(Activation):
    """relu: phi(x) = max(x, 0).

    The slope is 0 on the left and 1 on the right.
    """

    name: ClassVar[str] = "relu"
    analytic: ClassVar[bool | None] = False

    def constants(self) -> Scalar:
        return scalar(slope=(0, 1), curvature=kink("relu"))

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x.relu()

    def dual(self, values: Values) -> Dual:
        from govcheck.kernels.closed import PiecewiseLinear

        return PiecewiseLinear()
