"""Linear maps without parameters that act on each sample alike."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from govcheck.bounds.answer import Ref, Value, v_mul
from govcheck.bounds.expr import ZERO, Expr
from govcheck.plugin import At, Layer, Shape, bound

POOLING: Final = Ref("govcheck theory", "layer constants, section 4 (pooling)")


class SampleLinear(Layer):
    """``X -> A X``, X with one column for each sample, A fixed; on every input."""

    @abstractmethod
    def gain(self, shape: Shape) -> Expr:
        """Upper bound of ``|A|_2``."""

    @abstractmethod
    def surjectivity(self, shape: Shape) -> Expr:
        """Lower bound of ``min |A^T v|`` over unit v."""

    @bound("J", "upper", POOLING, tight="the gain is attained, or approached by many windows")
    def jacobian(self, at: At) -> Value:
        """``J`` is A on each sample."""
        return self.gain(at.shape)

    @bound("sigma_J", "lower", POOLING)
    def least_singular_value(self, at: At) -> Value:
        """``J`` is A on each sample."""
        return self.surjectivity(at.shape)

    @bound("out", "upper", POOLING, tight="X along the top singular vector of A")
    def output(self, at: At) -> Value:
        """``|A X|_F <= |A|_2 |X|_F``."""
        return v_mul(self.gain(at.shape), at.frobenius)

    @bound("out_spec", "upper", POOLING, tight="as out", uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """``|A X|_2 <= |A|_2 |X|_2``."""
        return v_mul(self.gain(at.shape), at.spectral)

    @bound("out_max", "upper", POOLING, tight="as out", uses=("rows",))
    def output_sample(self, at: At) -> Value:
        """``|A x| <= |A|_2 |x|`` for a sample x."""
        return v_mul(self.gain(at.shape), at.sample)

    @bound("xx", "upper", POOLING, tight="exact: linear")
    def second_derivative(self, at: At) -> Value:
        """Linear."""
        return ZERO
