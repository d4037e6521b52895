"""erf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import PI, E, Expr, function, sqrt
from govcheck.plugin import Activation, Scalar, Values, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Erf(Activation):
    """erf: phi(x) = erf x.

    ``phi' = 2/sqrt(pi) exp(-x^2)`` is even and falls with ``|x|``; ``sup|phi''|`` is
    ``sqrt(8/(pi e))`` at ``1/sqrt 2``, ``sup|phi'''| = 4/sqrt(pi)`` at 0.
    """

    name: ClassVar[str] = "erf"
    analytic: ClassVar[bool | None] = True
    certificate_function: ClassVar[str] = "erf"

    def constants(self) -> Scalar:
        top = 2 / sqrt(PI)
        return scalar(slope=(0, top), curvature=sqrt(8 / (PI * E)), value=1, third=2 * top)

    def slope_floor(self, radius: Expr) -> Expr:
        return 2 / sqrt(PI) * function("exp", -(radius**2))

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x.erf()

    def dual(self, values: Values) -> Dual:
        from govcheck.kernels.closed import Erf as Kernel

        return Kernel()
