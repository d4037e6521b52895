"""softsign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import Expr
from govcheck.plugin import Activation, Scalar, Unknown, Values, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Softsign(Activation):
    """softsign: phi(x) = x/(1 + |x|).

    ``phi' = 1/(1 + |x|)^2`` is even, falls with ``|x|`` and is Lipschitz with constant 2, the
    limit of ``|phi''|`` at 0. There phi'' jumps; elsewhere ``|phi'''| < 6``.
    """

    name: ClassVar[str] = "softsign"
    analytic: ClassVar[bool | None] = False

    def constants(self) -> Scalar:
        jump = Unknown.because("the second derivative of softsign jumps at 0")
        return scalar(slope=(0, 1), curvature=2, value=1, third=jump)

    def slope_floor(self, radius: Expr) -> Expr:
        return 1 / (1 + radius) ** 2

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x / (1 + x.abs())

    def dual(self, values: Values) -> Dual:
        import numpy as np

        from govcheck.kernels.series import Series

        return Series(
            lambda x: x / (1 + np.abs(x)), lambda x: (1 + np.abs(x)) ** -2, kinks=(0.0,)
        )
