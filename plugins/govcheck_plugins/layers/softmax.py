"""Softmax along the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import v_add, v_mul
from govcheck.bounds.expr import ONE, Expr, sqrt
from govcheck.plugin import At, Layer, Ref, Shape, ShapeError, Value, Values, bound
from govcheck.plugin.activation import require_positive

if TYPE_CHECKING:
    from torch import nn

TABLE: Final = Ref("govcheck theory", "layer constants, section 4, softmax")


@dataclass(frozen=True)
class Softmax(Layer):
    """softmax: X -> softmax(X / temperature) along the last axis, for all inputs.

    With p the result and t the temperature, the derivatives of one row are moments under p:
    ``<Dp h, w> = Cov_p(h, w)/t`` and ``<D2p[h, h], h> = E_p[(h - E_p h)^3]/t^2``, symmetric
    and hence largest on the diagonal. The entries of a unit vector h range over at most
    sqrt2, a variable with range r has variance at most r^2/4 and third central moment at
    most r^3/(6 sqrt3).
    """

    name: ClassVar[str] = "softmax"

    temperature: Expr = ONE

    def check(self) -> None:
        require_positive(self.name, temperature=self.temperature)

    def shape(self, shape: Shape) -> Shape:
        if not shape:
            raise ShapeError("softmax needs an axis; a sample is a single number here")
        return shape

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.attention import Softmax as Module

        return Module(values(self.temperature))

    def _rows(self, at: At) -> Expr:
        return at.entries / at.shape[-1]

    @bound("J", "upper", TABLE, tight="probabilities 1/2, 1/2")
    def jacobian(self, at: At) -> Value:
        """The covariance under p, at most (sqrt2)^2/4 = 1/2."""
        return Fraction(1, 2) / self.temperature

    @bound("xx", "upper", TABLE, tight="two classes, p (1 - p) = 1/6")
    def second_derivative(self, at: At) -> Value:
        """The third central moment under p, at most (sqrt2)^3/(6 sqrt3) = sqrt6/9."""
        return Fraction(1, 9) * sqrt(6) / self.temperature**2

    @bound("out", "upper", TABLE, tight="one probability near 1 in each row", uses=("boundedness",))
    def output_by_range(self, at: At) -> Value:
        """Each row is a probability vector, of norm at most 1."""
        return sqrt(self._rows(at))

    @bound("out_max", "upper", TABLE, tight="as out", uses=("boundedness",))
    def output_of_a_sample(self, at: At) -> Value:
        """The same for one sample."""
        return sqrt(at.features / at.shape[-1])

    @bound("out", "upper", TABLE)
    def output_by_growth(self, at: At) -> Value:
        """The uniform rows of ``softmax(0)``, and the Lipschitz constant."""
        at_zero = sqrt(self._rows(at) / at.shape[-1])
        grown = v_mul(Fraction(1, 2) / self.temperature, at.frobenius)
        return v_add(at_zero, grown)
