"""arctan."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import PI, Expr, sqrt
from govcheck.plugin import Activation, Scalar, Values, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Arctan(Activation):
    """arctan: phi(x) = arctan x.

    ``phi' = 1/(1 + x^2)`` is even and falls with ``|x|``; ``sup|phi''| = 3 sqrt(3)/8`` at
    ``1/sqrt 3``, ``sup|phi'''| = 2`` at 0.
    """

    name: ClassVar[str] = "arctan"
    analytic: ClassVar[bool | None] = True

    def constants(self) -> Scalar:
        return scalar(
            slope=(0, 1), curvature=Fraction(3, 8) * sqrt(3), value=Fraction(1, 2) * PI, third=2
        )

    def slope_floor(self, radius: Expr) -> Expr:
        return 1 / (1 + radius**2)

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x.atan()

    def dual(self, values: Values) -> Dual:
        import numpy as np

        from govcheck.kernels.series import Series

        # |1 + z^2| = |z - i||z + i| >= 3/4 for |Im z| <= 1/2
        return Series(np.arctan, lambda x: 1 / (1 + x * x), strip=(0.5, 4 / 3))
