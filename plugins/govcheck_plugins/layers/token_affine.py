"""An affine map of each token of a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from govcheck.bounds.answer import v_add, v_best, v_mul
from govcheck.bounds.expr import ONE, ZERO, Expr, mul, num, sqrt
from govcheck.plugin import (
    At,
    Example,
    Layer,
    MatrixForm,
    Parameter,
    Shape,
    ShapeError,
    Value,
    Values,
    bound,
)
from govcheck_plugins.layers._normalised import product
from govcheck_plugins.layers.affine import CALCULUS, LEMMA, Affine

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn


@dataclass(frozen=True)
class TokenAffine(Layer):
    """token_affine: ``x -> s P(w) x + b`` on the last dimension of ``[..., d]``.

    It is `affine` on the batch of all t N tokens, as the d x (t N) matrix Y whose columns are
    the tokens of X: ``|Y|_F = |X|_F`` and, as Y consists of t blocks of rows of X,
    ``|Y|_2 <= min(|X|_F, sqrt(t) |X|_2)``. Keys as in `affine`.
    """

    name: ClassVar[str] = "token_affine"

    out: Expr
    weight: Literal[
        "plain", "weight_norm", "entrywise", "orthogonal", "torch_weight_norm", "spectral"
    ] = "plain"
    bias: bool = True
    scale: Expr = ONE
    eps: Expr = ONE
    factor: bool = False

    def _affine(self) -> Affine:
        return Affine(self.out, self.weight, self.bias, self.scale, self.eps, self.factor)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        spectral = cls(num(2), "spectral", False, num(-3) / 2, factor=True)
        return (*super().examples(), Example(spectral, (2, 3)))

    def check(self) -> None:
        self._affine().check()

    def shape(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise ShapeError("token_affine takes samples [tokens, features]; use affine")
        return (*shape[:-1], self.out)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return self._affine().parameters(shape[-1:])

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        return self._affine().module(shape[-1:], values)

    def matrix_form(self, shape: Shape) -> MatrixForm | None:
        form = self._affine().matrix_form(shape[-1:])
        return None if form is None else replace(form, copies=shape[:-1])

    def matrix(
        self, array: NDArray[Any] | None, shape: tuple[int, ...], values: Values
    ) -> NDArray[Any]:
        return self._affine().matrix(array, shape[-1:], values)

    def _tokens(self, at: At) -> At:
        """The batch of all tokens."""
        tokens = product(*at.shape[:-1])
        spectral = v_best([at.frobenius, v_mul(sqrt(tokens), at.spectral)], "upper")
        return replace(
            at,
            shape=at.shape[-1:],
            samples=mul(tokens, at.samples),
            spectral=spectral,
            largest=at.sample,
            injective=ZERO,
            injective_ones=ZERO,
        )

    @bound("J", "upper", CALCULUS, tight="equal rows (entries) of w attain it on a ball")
    def jacobian(self, at: At) -> Value:
        """``s P(w)`` on each token."""
        return self._affine().jacobian(self._tokens(at))

    @bound("out", "upper", CALCULUS, tight="tokens along the top singular vector of P(w)")
    def output(self, at: At) -> Value:
        """``|s| |P(w)|_2 |X|_F + |b| sqrt(t N)``."""
        return self._affine().output(self._tokens(at))

    @bound("out_spec", "upper", CALCULUS, uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """``|(Id x s P(w)) X|_2`` and a matrix of rank one, of norm ``|b| sqrt(t N)``."""
        linear = v_mul(self.jacobian(at), at.spectral)
        return v_add(linear, self._affine().offset(at, self._tokens(at).samples))

    @bound("out_max", "upper", CALCULUS, uses=("rows",))
    def output_sample(self, at: At) -> Value:
        """``|s| |P(w)|_2 |x| + |b| sqrt t`` for a sample x."""
        linear = v_mul(self.jacobian(at), at.sample)
        return v_add(linear, self._affine().offset(at, product(*at.shape[:-1])))

    @bound("J_rows", "upper", CALCULUS, tight="exact for one row", uses=("rows",))
    def jacobian_rows(self, at: At) -> Value:
        """Rows of J are those of ``s P(w)``."""
        return self._affine().jacobian_rows(self._tokens(at))

    @bound("D_rows", "upper", CALCULUS, tight="w = 0, the longest token", uses=("rows",))
    def parameter_derivative_rows(self, at: At) -> Value:
        """That of `affine`; a token is no longer than its sample."""
        return self._affine().parameter_derivative_rows(self._tokens(at))

    @bound("D", "upper", CALCULUS, tight="w = 0, all tokens along one vector")
    def parameter_derivative(self, at: At) -> Value:
        """``[s DP(.) Y, 1]``."""
        return self._affine().parameter_derivative(self._tokens(at))

    @bound("xx", "upper", CALCULUS, tight="exact: linear in X")
    def second_derivative(self, at: At) -> Value:
        """The map is affine in X."""
        return ZERO

    @bound("xt", "upper", CALCULUS, tight="w = 0, rank-one directions")
    def mixed_derivative(self, at: At) -> Value:
        """``|s DP[h] K|_F <= |s| |DP| |h| |K|_F``."""
        return self._affine().mixed_derivative(self._tokens(at))

    @bound("tt", "upper", LEMMA, tight="|w| = sqrt(eps)/2, direction w, tokens along w")
    def parameter_second_derivative(self, at: At) -> Value:
        """``|s| (kappa/eps) |Y|_2``."""
        return self._affine().parameter_second_derivative(self._tokens(at))

    @bound("sigma_J", "lower", CALCULUS)
    def least_singular_value(self, at: At) -> Value:
        """That of ``s P(w)``."""
        return self._affine().least_singular_value(self._tokens(at))
