"""A smooth absolute value."""

from dataclasses import dataclass
from typing import Any, ClassVar

from govcheck.bounds.expr import ONE, Expr, num, sqrt
from govcheck.plugin import Activation, Scalar, Values, require_positive, scalar


@dataclass(frozen=True)
class SmoothAbs(Activation):
    """smooth_abs: phi(x) = sqrt(eps + x^2) - sqrt(eps).

    ``|phi'| < 1``, ``phi'' <= 1/sqrt(eps)``, and ``|phi'''|`` is largest at sqrt(eps)/2.
    """

    name: ClassVar[str] = "smooth_abs"
    eps: Expr = ONE

    def check(self) -> None:
        require_positive(self.name, eps=self.eps)

    def constants(self) -> Scalar:
        third = num(48) * sqrt(5) / (125 * self.eps)
        return scalar(slope=(-1, 1), curvature=1 / sqrt(self.eps), third=third)

    def apply(self, x: Any, values: Values) -> Any:
        return (values(self.eps) + x * x).sqrt() - values(self.eps) ** 0.5
