"""silu."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.expr import enclosed
from govcheck.plugin import Activation, Scalar, Values, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual

Y: Final = enclosed("y_silu", "1.19967864025773383391", "1.19967864025773383392")
THIRD: Final = enclosed("t_silu", "0.30818151579647912041", "0.30818151579647912042")


@dataclass(frozen=True)
class Silu(Activation):
    """silu: phi(x) = x sigmoid(x).

    ``sup phi' = (1 + y)/2`` at ``x = 2y`` with ``y tanh y = 1``, and ``inf phi' = 1 - sup phi'``:
    the slope leaves [0, 1]. ``sup|phi''| = 1/2`` at 0; ``sup|phi'''|`` near ±1.03.
    """

    name: ClassVar[str] = "silu"
    analytic: ClassVar[bool | None] = True

    def constants(self) -> Scalar:
        return scalar(
            slope=((1 - Y) / 2, (1 + Y) / 2), growth=1, curvature=Fraction(1, 2), third=THIRD
        )

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x * x.sigmoid()

    def dual(self, values: Values) -> Dual:
        from math import pi

        from scipy.special import expit

        from govcheck.kernels.series import Series

        # for |Im z| <= pi/2 the sigmoid s is at most 1 and |z s'(z)| <= (|x| + pi/2)/(2 cosh x) < 1
        return Series(
            lambda x: x * expit(x),
            lambda x: expit(x) * (1 + x * expit(-x)),
            strip=(pi / 2, 2.0),
        )
