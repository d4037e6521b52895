"""Sine of a given frequency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import ONE, Expr, absolute
from govcheck.plugin import Activation, Scalar, Values, require_positive, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.kernels.dual import Dual


@dataclass(frozen=True)
class Sin(Activation):
    """sin: phi(x) = sin(frequency x).

    The k-th derivative has supremum ``frequency^k``, attained in every period.
    """

    name: ClassVar[str] = "sin"
    analytic: ClassVar[bool | None] = True

    frequency: Expr = ONE

    def check(self) -> None:
        require_positive("sin", frequency=self.frequency)

    def constants(self) -> Scalar:
        w = absolute(self.frequency)
        return scalar(slope=(-w, w), curvature=w**2, value=1, third=w**3)

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return (values(self.frequency) * x).sin()

    def dual(self, values: Values) -> Dual:
        from govcheck.kernels.closed import Sine

        return Sine(values(self.frequency))
