"""gelu."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import PI, E, function, sqrt
from govcheck.plugin import Activation, Scalar, Values, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Gelu(Activation):
    """gelu: phi(x) = x Phi(x), Phi the normal distribution function.

    ``sup phi' = (1 + erf 1)/2 + 1/(e sqrt pi)`` at ``sqrt 2`` and ``inf phi' = 1 - sup phi'``:
    the slope leaves [0, 1]. ``sup|phi''| = sqrt(2/pi)`` at 0; ``|phi'''| = |4x - x^3| n(x)``
    with n the normal density is largest where ``x^2 = (7 - sqrt 33)/2``.
    """

    name: ClassVar[str] = "gelu"
    analytic: ClassVar[bool | None] = True
    certificate_function: ClassVar[str] = "gelu"

    def constants(self) -> Scalar:
        top = (1 + function("erf", 1)) / 2 + 1 / (E * sqrt(PI))
        place = (7 - sqrt(33)) / 2
        density = function("exp", -place / 2) / sqrt(2 * PI)
        return scalar(
            slope=(1 - top, top),
            growth=1,
            curvature=sqrt(2 / PI),
            third=sqrt(place) * (4 - place) * density,
        )

    def apply(self, x: Tensor, values: Values) -> Tensor:
        # erfc keeps the left tail accurate, where 1 + erf cancels
        return x * (-x / math.sqrt(2)).erfc() / 2

    def dual(self, values: Values) -> Dual:
        from govcheck.kernels.closed import Gelu as Kernel

        return Kernel()
