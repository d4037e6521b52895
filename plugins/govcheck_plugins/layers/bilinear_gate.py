"""Product of the two halves of the features."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Unknown, merge_unknown, v_mul
from govcheck.bounds.expr import ONE, minimum
from govcheck.plugin import At, Layer, Ref, Shape, ShapeError, Value, Values, bound

if TYPE_CHECKING:
    from torch import nn

BILINEAR: Final = Ref("elementary", "product rule for u * v")
SCHUR: Final = Ref("elementary", "|U * V|_2 <= |U|_2 |V|_2 (Schur product)")


@dataclass(frozen=True)
class BilinearGate(Layer):
    """bilinear_gate: (u, v) -> u * v entrywise, u and v the halves of the last axis.

    After ``parallel`` affine branches joined by ``concat`` it is
    ``(W_1 X + b_1) * (W_2 X + b_2)``. The derivative is bounded on bounded inputs only.
    """

    name: ClassVar[str] = "bilinear_gate"

    def shape(self, shape: Shape) -> Shape:
        if not shape:
            raise ShapeError("bilinear_gate needs features to halve")
        last = shape[-1]
        if last.is_number and last.number % 2:
            raise ShapeError(f"bilinear_gate needs an even number of features, not {last!r}")
        return (*shape[:-1], Fraction(1, 2) * last)

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.gates import BilinearGate as Module

        return Module()

    def _pair(self, at: At) -> Value:
        """Bound of the norm of each pair (u_i, v_i), which is part of a sample."""
        found = at.frobenius if isinstance(at.sample, Unknown) else at.sample
        if not isinstance(found, Unknown):
            return found
        reason = "a product of two features is not Lipschitz on unbounded inputs"
        why = Unknown.because(reason, kind="unbounded")
        return merge_unknown((why, found)) or why

    @bound("J", "upper", BILINEAR, tight="one sample with one pair of features")
    def jacobian(self, at: At) -> Value:
        """``J J^T`` is diagonal with entries ``u_i^2 + v_i^2``."""
        return self._pair(at)

    @bound("out", "upper", BILINEAR, tight="one sample with one pair u = v")
    def output(self, at: At) -> Value:
        """``|u_i v_i| <= (u_i^2 + v_i^2)/2``, and one of these factors is bounded."""
        return v_mul(Fraction(1, 2), self._pair(at), at.frobenius)

    @bound("out_max", "upper", BILINEAR, tight="one pair u = v")
    def output_of_a_sample(self, at: At) -> Value:
        """The same for one sample."""
        return v_mul(Fraction(1, 2), self._pair(at), self._pair(at))

    @bound("out_spec", "upper", SCHUR, uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """U and V are parts of X, so that ``|U|_2, |V|_2 <= |X|_2``."""
        product, whole = v_mul(at.spectral, at.spectral), self.output(at)
        if isinstance(product, Unknown) or isinstance(whole, Unknown):
            return whole if isinstance(product, Unknown) else product
        return minimum(product, whole)

    @bound("xx", "upper", BILINEAR, tight="exact: h = k with h_u = h_v in one pair")
    def second_derivative(self, at: At) -> Value:
        """``|h_u k_v + h_v k_u| <= |h_i| |k_i|`` in each pair."""
        return ONE
