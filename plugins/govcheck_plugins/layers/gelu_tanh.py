"""gelu_tanh."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.expr import PI, enclosed, sqrt
from govcheck.plugin import Activation, Scalar, Values, scalar

if TYPE_CHECKING:
    from torch import Tensor

TOP: Final = enclosed("s_gelu_tanh", "1.12899306865877176545", "1.12899306865877176546")
THIRD: Final = enclosed("t_gelu_tanh", "0.77669145039854045199", "0.77669145039854045200")


@dataclass(frozen=True)
class GeluTanh(Activation):
    """gelu_tanh: phi(x) = x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))/2.

    The usual approximation of gelu, a different function with other constants. ``sup phi'``
    is attained near 1.42, and ``inf phi' = 1 - sup phi'``: the slope leaves [0, 1].
    ``sup|phi''| = sqrt(2/pi)`` at 0, ``sup|phi'''|`` is attained near ±0.788.
    """

    name: ClassVar[str] = "gelu_tanh"

    def constants(self) -> Scalar:
        return scalar(slope=(1 - TOP, TOP), growth=1, curvature=sqrt(2 / PI), third=THIRD)

    def apply(self, x: Tensor, values: Values) -> Tensor:
        # (1 + tanh z)/2 is the sigmoid of 2z, which does not cancel in the left tail
        return x * (2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)).sigmoid()
