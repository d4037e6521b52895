"""gaussian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import E, function, sqrt
from govcheck.plugin import Activation, Scalar, Values, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Gaussian(Activation):
    """gaussian: phi(x) = exp(-x^2).

    ``sup|phi'| = sqrt(2/e)`` at ``1/sqrt 2``, ``sup|phi''| = 2`` at 0, and
    ``|phi'''| = |12x - 8x^3| exp(-x^2)`` is largest where ``x^2 = (3 - sqrt 6)/2``.
    """

    name: ClassVar[str] = "gaussian"
    analytic: ClassVar[bool | None] = True

    def constants(self) -> Scalar:
        steep = sqrt(2 / E)
        place = (3 - sqrt(6)) / 2
        third = 4 * sqrt(6) * sqrt(place) * function("exp", -place)
        return scalar(at_zero=1, slope=(-steep, steep), curvature=2, value=1, third=third)

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return (-x * x).exp()

    def dual(self, values: Values) -> Dual:
        from govcheck.kernels.closed import Gaussian as Kernel

        return Kernel()
