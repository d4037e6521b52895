"""tanh."""

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
class Tanh(Activation):
    """tanh: phi(x) = tanh x.

    ``sup phi' = 1`` at 0, ``sup|phi''| = 4/(3 sqrt 3)`` where ``tanh x = 1/sqrt 3``,
    ``sup|phi'''| = 2`` at 0; phi' is even and falls with ``|x|``.
    """

    name: ClassVar[str] = "tanh"
    analytic: ClassVar[bool | None] = True
    certificate_function: ClassVar[str] = "tanh"

    def constants(self) -> Scalar:
        return scalar(slope=(0, 1), curvature=Fraction(4, 3) / sqrt(3), value=1, third=2)

    def slope_floor(self, radius: Expr) -> Expr:
        # 1/cosh(r)^2, written so that a huge radius gives 0 rather than overflow
        decay = function("exp", -2 * radius)
        return 4 * decay / (1 + decay) ** 2

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x.tanh()

    def dual(self, values: Values) -> Dual:
        from math import pi

        import numpy as np

        from govcheck.kernels.series import Series

        # |tanh| <= 1 for |Im z| <= pi/4, and phi' = 1 - tanh^2
        return Series(np.tanh, lambda x: 1 - np.tanh(x) ** 2, strip=(pi / 4, 2.0))
