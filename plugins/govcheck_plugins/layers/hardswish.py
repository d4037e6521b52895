"""hardswish."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from govcheck.plugin import Activation, Scalar, Values, kink, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Hardswish(Activation):
    """hardswish: phi(x) = x min(max(x + 3, 0), 6)/6.

    ``phi' = (2x + 3)/6`` on (-3, 3), so the slope runs from -1/2 at -3+ to 3/2 at 3-, outside
    [0, 1], and jumps to 0 and 1 there.
    """

    name: ClassVar[str] = "hardswish"
    analytic: ClassVar[bool | None] = False

    def constants(self) -> Scalar:
        return scalar(
            slope=(Fraction(-1, 2), Fraction(3, 2)),
            growth=1,
            curvature=kink("hardswish", "-3 and 3"),
        )

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x * (x + 3).clamp(0, 6) / 6

    def dual(self, values: Values) -> Dual:
        import numpy as np

        from govcheck.kernels.series import Series

        return Series(
            lambda x: x * np.clip(x + 3, 0, 6) / 6,
            lambda x: np.where(np.abs(x) < 3, (2 * x + 3) / 6, x > 0),
            kinks=(-3.0, 3.0),
        )
