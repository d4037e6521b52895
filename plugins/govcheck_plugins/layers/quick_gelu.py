"""quick_gelu."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.plugin import Activation, Scalar, Values, scalar
from govcheck_plugins.layers.silu import THIRD, Y

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual

A: Final = Fraction("1.702")


@dataclass(frozen=True)
class QuickGelu(Activation):
    """quick_gelu: phi(x) = x sigmoid(a x) with a = 1.702.

    This is ``silu(a x)/a``: the slope is that of silu and leaves [0, 1], ``sup|phi''| = a/2``
    at 0, ``sup|phi'''|`` is ``a^2`` times that of silu.
    """

    name: ClassVar[str] = "quick_gelu"
    analytic: ClassVar[bool | None] = True

    def constants(self) -> Scalar:
        return scalar(
            slope=((1 - Y) / 2, (1 + Y) / 2), growth=1, curvature=A / 2, third=A**2 * THIRD
        )

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x * (float(A) * x).sigmoid()

    def dual(self, values: Values) -> Dual:
        from math import pi

        from scipy.special import expit

        from govcheck.kernels.series import Series

        # silu(a z)/a, and the derivative of silu is below 2 for |Im z| <= pi/2
        a = float(A)
        return Series(
            lambda x: x * expit(a * x),
            lambda x: expit(a * x) * (1 + a * x * expit(-a * x)),
            strip=(pi / (2 * a), 2.0),
        )
