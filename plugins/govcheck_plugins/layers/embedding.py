"""Look up rows of a trained table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Unknown, v_mul
from govcheck.bounds.expr import ONE, ZERO, Expr, minimum, sqrt
from govcheck.plugin import At, Layer, Parameter, Ref, Shape, ShapeError, Value, Values, bound

if TYPE_CHECKING:
    from torch import nn

TABLE: Final = Ref("elementary", "the map X -> X E on rows of X")


@dataclass(frozen=True)
class Embedding(Layer):
    """embedding: X -> X E for samples X of shape [tokens, vocabulary] with one-hot rows.

    ``out`` is the length of a row of the trained table E. Token ids are one-hot rows here,
    since the calculus differentiates in X. The bounds hold for all X: with N samples of t
    tokens ``|X|_F = sqrt(t N)``.
    """

    name: ClassVar[str] = "embedding"

    out: Expr

    def shape(self, shape: Shape) -> Shape:
        if len(shape) != 2:
            dims = ", ".join(map(repr, shape))
            raise ShapeError(
                f"embedding takes one-hot samples of shape [tokens, vocabulary], not [{dims}]"
            )
        return (shape[0], self.out)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return (Parameter("table", (shape[1], self.out)),)

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.embedding import Embedding as Module

        return Module(shape[1], int(values(self.out)))

    @bound("J", "upper", TABLE, tight="exact")
    def jacobian(self, at: At) -> Value:
        """``h -> h E`` for each sample."""
        return at.norm("table")

    @bound("out", "upper", TABLE, tight="all tokens along the top singular vector of E")
    def output(self, at: At) -> Value:
        """``|X E|_F <= |X|_F |E|_2``."""
        return v_mul(at.norm("table"), at.frobenius)

    @bound("out_spec", "upper", TABLE, uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """As a matrix with one column for each sample, X is multiplied by copies of E^T."""
        return v_mul(at.norm("table"), at.spectral)

    @bound("out_max", "upper", TABLE, tight="as out")
    def output_of_a_sample(self, at: At) -> Value:
        """The same for one sample."""
        return v_mul(at.norm("table"), at.sample)

    @bound("D", "upper", TABLE, tight="one-hot tokens that are all the same")
    def parameter_derivative(self, at: At) -> Value:
        """``D = T (x) 1``, T the matrix with all tokens of all samples as rows.

        For one-hot tokens ``|T|_2`` is the root of the largest count of a token, at most
        ``|X|_F``. The rows of T at one position are a part of X, so that
        ``|T|_2 <= sqrt(t) |X|_2``.
        """
        if isinstance(at.spectral, Unknown):
            return at.frobenius
        by_position = sqrt(at.shape[0]) * at.spectral
        if isinstance(at.frobenius, Unknown):
            return by_position
        return minimum(at.frobenius, by_position)

    @bound("sigma_D", "lower", TABLE, tight="exact for one token")
    def parameter_regularity(self, at: At) -> Value:
        """With one token in a sample T is ``X^T``."""
        return at.injective if at.shape[0] is ONE else ZERO

    @bound("xx", "upper", TABLE, tight="exact: linear in X")
    def second_derivative(self, at: At) -> Value:
        """Linear in X."""
        return ZERO

    @bound("xt", "upper", TABLE, tight="rank-one directions")
    def mixed_derivative(self, at: At) -> Value:
        """``|h K|_F <= |h|_F |K|_2``."""
        return ONE

    @bound("tt", "upper", TABLE, tight="exact: linear in E")
    def parameter_second_derivative(self, at: At) -> Value:
        """Linear in E."""
        return ZERO
