"""gelu_tanh."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.expr import PI, enclosed, sqrt
from govcheck.plugin import Activation, Scalar, Values, scalar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from govcheck.kernels.dual import Dual

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
    analytic: ClassVar[bool | None] = True

    def constants(self) -> Scalar:
        return scalar(slope=(1 - TOP, TOP), growth=1, curvature=sqrt(2 / PI), third=THIRD)

    def apply(self, x: Tensor, values: Values) -> Tensor:
        # (1 + tanh z)/2 is the sigmoid of 2z, which does not cancel in the left tail
        return x * (2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)).sigmoid()

    def dual(self, values: Values) -> Dual:
        import numpy as np
        from scipy.special import expit

        from govcheck.kernels.series import Series

        c = 2 * math.sqrt(2 / math.pi)

        def slope(x: NDArray[np.float64]) -> NDArray[np.float64]:
            w = c * (x + 0.044715 * x**3)
            return np.asarray(expit(w) + x * expit(w) * expit(-w) * c * (1 + 0.134145 * x * x))

        # for |Im z| <= 1/2: where |x| <= 2.5 the argument w of the sigmoid has |Im w| <= pi/2, so
        # that |s| <= 1, |s'| <= 1/2 and |phi'| < 5; beyond, Re w > 4.9 and s' is tiny
        return Series(lambda x: x * expit(c * (x + 0.044715 * x**3)), slope, strip=(0.5, 6.0))
