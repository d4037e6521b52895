"""tanhshrink."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import sqrt
from govcheck.plugin import Activation, Scalar, Values, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Tanhshrink(Activation):
    """tanhshrink: phi(x) = x - tanh x.

    ``phi' = tanh(x)^2`` is 0 at 0 and tends to 1; phi'' and phi''' are those of tanh but for
    the sign: ``sup|phi''| = 4/(3 sqrt 3)``, ``sup|phi'''| = 2`` at 0.
    """

    name: ClassVar[str] = "tanhshrink"
    analytic: ClassVar[bool | None] = True

    def constants(self) -> Scalar:
        return scalar(slope=(0, 1), curvature=Fraction(4, 3) / sqrt(3), third=2)

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x - x.tanh()

    def dual(self, values: Values) -> Dual:
        from math import pi

        import numpy as np

        from govcheck.kernels.series import Series

        # |tanh| <= 1 for |Im z| <= pi/4
        return Series(lambda x: x - np.tanh(x), lambda x: np.tanh(x) ** 2, strip=(pi / 4, 1.0))
