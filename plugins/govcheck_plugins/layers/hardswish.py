"""hardswish."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from govcheck.plugin import Activation, Scalar, Values, kink, scalar

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Hardswish(Activation):
    """hardswish: phi(x) = x min(max(x + 3, 0), 6)/6.

    ``phi' = (2x + 3)/6`` on (-3, 3), so the slope runs from -1/2 at -3+ to 3/2 at 3-, outside
    [0, 1], and jumps to 0 and 1 there.
    """

    name: ClassVar[str] = "hardswish"

    def constants(self) -> Scalar:
        return scalar(
            slope=(Fraction(-1, 2), Fraction(3, 2)),
            growth=1,
            curvature=kink("hardswish", "-3 and 3"),
        )

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x * (x + 3).clamp(0, 6) / 6
