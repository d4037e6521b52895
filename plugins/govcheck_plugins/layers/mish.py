"""mish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.expr import enclosed
from govcheck.plugin import Activation, Scalar, Values, scalar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from govcheck.kernels.dual import Dual

TOP: Final = enclosed("s_mish", "1.08849816125172786122", "1.08849816125172786123")
LOW: Final = enclosed("l_mish", "-0.11252612238946255641", "-0.11252612238946255640")
CURVATURE: Final = enclosed("c_mish", "0.64420463723697242951", "0.64420463723697242952")
THIRD: Final = enclosed("t_mish", "0.58841204486901967881", "0.58841204486901967882")


@dataclass(frozen=True)
class Mish(Activation):
    """mish: phi(x) = x tanh(log(1 + exp x)).

    No closed forms are known. ``sup phi' > 1`` is attained near 1.49 and ``inf phi' < 0`` near
    -2.26: the slope leaves [0, 1]. ``sup|phi''|`` is attained near -0.088 and ``sup|phi'''|``
    near 0.716.
    """

    name: ClassVar[str] = "mish"
    analytic: ClassVar[bool | None] = True

    def constants(self) -> Scalar:
        return scalar(slope=(LOW, TOP), growth=1, curvature=CURVATURE, third=THIRD)

    def apply(self, x: Tensor, values: Values) -> Tensor:
        from torch.nn.functional import logsigmoid

        return x * (-logsigmoid(-x)).tanh()

    def dual(self, values: Values) -> Dual:
        from math import pi

        import numpy as np
        from scipy.special import expit

        from govcheck.kernels.series import Series

        def slope(x: NDArray[np.float64]) -> NDArray[np.float64]:
            t = np.tanh(np.logaddexp(0, x))
            return np.asarray(t + x * (1 - t * t) * expit(x))

        # with w = exp z, Re w >= 0: t = 1 - 2/((w + 1)^2 + 1), |(w + 1)^2 + 1| >= max(1, |w|^2),
        # so |t| <= 3 and |t'| <= 8 exp(-|x|), and (|x| + pi/2) exp(-|x|) <= pi/2
        return Series(lambda x: x * np.tanh(np.logaddexp(0, x)), slope, strip=(pi / 2, 16.0))
