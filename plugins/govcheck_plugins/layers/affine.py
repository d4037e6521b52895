"""Affine layers, with the weight parameterised plainly or so that it stays bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from govcheck.bounds.answer import v_add, v_mul, v_rss
from govcheck.bounds.expr import ONE, ZERO, Expr, absolute, minimum, mul, num, sqrt
from govcheck.bounds.walk import symbols_of
from govcheck.plugin import (
    At,
    Example,
    Layer,
    MatrixForm,
    Parameter,
    Ref,
    Shape,
    ShapeError,
    Unknown,
    Value,
    Values,
    bound,
    same_dimension,
)
from govcheck_plugins.layers._parameterisation import KINDS, Parameterisation

if TYPE_CHECKING:
    from flint import arb
    from numpy.typing import NDArray
    from torch import nn

    from govcheck.certify.operations import Operation
    from govcheck.kernels.state import Context, KernelState

CALCULUS: Final = Ref("govcheck theory", "bound calculus, section 4")
LEMMA: Final = Ref("govcheck theory", "layer constants, section 2 (lemma on u/sqrt(c+|u|^2))")


@dataclass(frozen=True)
class Affine(Layer):
    """affine: X -> s P(w) X + b 1^T, on vectors.

    ``weight`` chooses P: ``plain`` (the matrix itself), ``weight_norm`` (rows
    ``w/sqrt(eps + |w|^2)``), ``entrywise`` (``w/sqrt(eps + w^2)``, [M] eq 26), ``orthogonal``
    (a fixed matrix with orthonormal rows or columns times one trained factor),
    ``torch_weight_norm`` (rows ``g v/|v|``, torch's, g = 1 at first) or ``spectral``
    (``W/|W|_2``, the true operator norm, with ``factor`` times one trained factor). The last
    two jump at 0: their D is bounded on sets around given weights that leave 0 out.
    ``scale`` is s; ``bias`` adds a trained b. Columns of X are samples.
    """

    name: ClassVar[str] = "affine"

    out: Expr
    weight: Literal[
        "plain", "weight_norm", "entrywise", "orthogonal", "torch_weight_norm", "spectral"
    ] = "plain"
    bias: bool = True
    scale: Expr = ONE
    eps: Expr = ONE
    factor: bool = False

    def check(self) -> None:
        if self.eps.is_number and self.eps.number <= 0:
            raise ValueError("eps must be positive")
        if self.factor and self.weight != "spectral":
            raise ValueError(f"weight {self.weight} takes no factor; spectral does")

    @classmethod
    def examples(cls) -> Sequence[Example]:
        three, scale = num(3), num(-3) / 2
        layers = (
            cls(three, "spectral", False, scale, factor=True),
            cls(three, "orthogonal", True, scale),
            cls(three, "weight_norm", False, scale, num(1) / 2),
            cls(three, bias=False, scale=scale),
        )
        return (*super().examples(), *(Example(layer, (3,), 3) for layer in layers))

    def shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            dims = ", ".join(map(repr, shape))
            raise ShapeError(f"affine takes vectors, not samples of shape [{dims}]; flatten first")
        return (self.out,)

    def _matrix(self, columns: Expr) -> Parameterisation:
        return KINDS[self.weight](self.out, columns, self.eps, self.factor)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        found = self._matrix(mul(*shape)).parameters()
        return (*found, Parameter("bias", (self.out,))) if self.bias else found

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.affine import AffineMap

        return AffineMap(
            shape[0],
            int(values(self.out)),
            self.weight,
            bias=self.bias,
            scale=values(self.scale),
            eps=values(self.eps),
            factor=self.factor,
        )

    def kernel_step(self, state: KernelState, ctx: Context) -> KernelState | Unknown:
        fan, divisor = mul(*ctx.shape), ONE
        if self.weight == "weight_norm" and ctx.limits.leading(fan).powers:
            # |w|^2 tends to the sum of its variances; the part of the derivative along w is
            # one of many directions
            divisor = sqrt(self.eps + ctx.deviation(fan) ** 2 * fan)
        elif self.weight != "plain":
            return Unknown.because(f"affine with weight {self.weight} declares no kernel step")
        return state.linear(
            ctx, self.out, scale=self.scale, bias=self.bias, fan=fan, divisor=divisor
        )

    def certificate_operations(
        self, shape: tuple[int, ...], values: Values
    ) -> tuple[Operation, ...] | Unknown:
        from govcheck.certify.operations import linear

        kinds = {"plain": "none", "weight_norm": "rows", "entrywise": "entries"}
        if self.weight not in kinds:
            return Unknown.because(f"certificates know no affine with weight {self.weight}")
        eps = None if self.weight == "plain" else values(self.eps)
        kind = kinds[self.weight]
        return (linear(scale=values(self.scale), bias=self.bias, normalise=kind, eps=eps),)

    def matrix_form(self, shape: Shape) -> MatrixForm | None:
        if self.weight != "plain":
            return None
        return MatrixForm(self.scale, (self.out, mul(*shape)), "weight")

    def matrix(
        self, array: NDArray[Any] | None, shape: tuple[int, ...], values: Values
    ) -> NDArray[Any]:
        assert array is not None
        return array

    def parameter_norm(
        self,
        parameter: str,
        kind: str,
        array: NDArray[Any],
        shape: tuple[int, ...],
        values: Values,
    ) -> arb:
        """``residual``: ``sigma_min(I + s w)/|s|``, from below; s is free of symbols."""
        if parameter == "weight" and kind == "residual":
            from govcheck.bounds.evaluate import evaluate
            from govcheck.certify.residual import sigma_min_of_residual

            s = evaluate(self.scale, {})
            return sigma_min_of_residual(array, s) / abs(s) if s != 0 else abs(s) * 0
        return super().parameter_norm(parameter, kind, array, shape, values)

    def _s(self) -> Expr:
        return absolute(self.scale)

    def _p(self, at: At) -> Parameterisation:
        return self._matrix(at.features)

    def offset(self, at: At, samples: Expr) -> Value:
        """Supremum of ``|b 1^T|_F`` for so many samples."""
        return v_mul(at.norm("bias", "frobenius"), sqrt(samples)) if self.bias else ZERO

    @bound("J", "upper", CALCULUS, tight="equal rows (entries) of w attain it on a ball")
    def jacobian(self, at: At) -> Value:
        """``J = s P(w)`` applied to each sample."""
        return v_mul(self._s(), self._p(at).norm(at))

    @bound("out", "upper", CALCULUS, tight="X along the top singular vector of P(w)")
    def output(self, at: At) -> Value:
        """``|s P(w) X + b 1^T|_F <= |s| |P(w)|_2 |X|_F + |b| sqrt N``."""
        return v_add(v_mul(self.jacobian(at), at.frobenius), self.offset(at, at.samples))

    @bound("out_spec", "upper", CALCULUS, uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """The same with operator norms; ``b 1^T`` has norm ``|b| sqrt N``."""
        return v_add(v_mul(self.jacobian(at), at.spectral), self.offset(at, at.samples))

    @bound("out_max", "upper", CALCULUS, uses=("rows",))
    def output_sample(self, at: At) -> Value:
        """``|s P(w) x + b| <= |s| |P(w)|_2 |x| + |b|`` for one sample."""
        return v_add(v_mul(self.jacobian(at), at.sample), self.offset(at, ONE))

    @bound("J_rows", "upper", CALCULUS, tight="exact for one row", uses=("rows",))
    def jacobian_rows(self, at: At) -> Value:
        """Rows of ``s P(w)``."""
        return v_mul(self._s(), self._p(at).row(at))

    @bound("D_rows", "upper", CALCULUS, tight="w = 0, the longest sample", uses=("rows",))
    def parameter_derivative_rows(self, at: At) -> Value:
        """``|s DP[h] x| <= |s| |DP| |h| |x|`` for one sample; each b enters one row."""
        weight = v_mul(self._s(), self._p(at).derivative(at), at.sample)
        return v_rss(weight, ONE) if self.bias else weight

    @bound("out_inj", "lower", CALCULUS)
    def output_injective(self, at: At) -> Value:
        """A multiple of a matrix with orthonormal columns keeps ``|X v|`` up to the factor."""
        if self.bias:
            return ZERO
        return mul(self._s(), self._p(at).injective(at), at.injective)

    @bound("D", "upper", CALCULUS, tight="w = 0, direction along the top singular vector of X")
    def parameter_derivative(self, at: At) -> Value:
        """``D = [s DP(.) X, 1]``; a fixed matrix times a factor has ``D = s Q X``."""
        weight = v_mul(self._s(), self._p(at).applied(at))
        return v_rss(weight, sqrt(at.samples)) if self.bias else weight

    @bound("xx", "upper", CALCULUS, tight="exact: linear in X")
    def second_derivative(self, at: At) -> Value:
        """The map is affine in X."""
        return ZERO

    @bound("xt", "upper", CALCULUS, tight="w = 0, rank-one directions")
    def mixed_derivative(self, at: At) -> Value:
        """``|s DP[h] K|_F <= |s| |DP| |h| |K|_F``."""
        return v_mul(self._s(), self._p(at).derivative(at))

    @bound("tt", "upper", LEMMA, tight="|w| = sqrt(eps)/2, direction w, X along w")
    def parameter_second_derivative(self, at: At) -> Value:
        """``|s D2P[h,h] X|_F``: 0, or with eps ``|s| (kappa/eps) |X|_2``, kappa = 48 sqrt5/125."""
        return v_mul(self._s(), self._p(at).curvature(at))

    @bound("sigma_J", "lower", CALCULUS)
    def least_singular_value(self, at: At) -> Value:
        """Surjectivity modulus of ``s P(w)`` over the parameter set."""
        return mul(self._s(), self._p(at).least(at))

    @bound("sigma_skip", "lower", CALCULUS, tight="exact at the given weights")
    def residual_least_singular_value(self, at: At) -> Value:
        """``sigma_min(I + s w) >= sigma_min(I + s w_0) - |s| |w - w_0|`` for plain square w."""
        square = self.weight == "plain" and same_dimension(self.out, at.features)
        if not square or self.scale is ZERO or symbols_of(self.scale):
            return ZERO
        return mul(self._s(), at.floor("weight", "residual"))

    @bound("sigma_D", "lower", Ref("M", "Prop 4.7"), tight="exact for plain weights, no bias")
    def parameter_regularity(self, at: At) -> Value:
        """``sigma(DP) sigma(X^T)``; further columns of D can only help."""
        return mul(self._s(), at.injective, self._p(at).regular(at))

    @bound("sigma_D", "lower", CALCULUS, tight="exact for plain weights with s = 1")
    def parameter_regularity_with_bias(self, at: At) -> Value:
        """With a bias D contains the columns of ``[X^T 1]``."""
        if not self.bias:
            return ZERO
        return mul(minimum(mul(self._s(), self._p(at).regular(at)), 1), at.injective_ones)

    def _printed(self, at: At, corrected: Value, value: Value) -> Value:
        """[M] prints constants for bias-free weight normalisation only."""
        applies = self.weight == "weight_norm" and not self.bias
        return v_mul(self._s(), value) if applies else corrected

    @bound("out", "upper", Ref("M", "proof of Thm 4.4", ("E10",)), reading="as_printed")
    def printed_output(self, at: At) -> Value:
        """``sup |X|_F``; too small: equal rows give ``sqrt(d1) |X|_2``."""
        return self._printed(at, self.output(at), at.frobenius)

    @bound("J", "upper", Ref("M", "eq (40), first term", ("E4",)), reading="as_printed")
    def printed_jacobian(self, at: At) -> Value:
        """``sqrt(N/eps)``."""
        return self._printed(at, self.jacobian(at), sqrt(at.samples / self.eps))

    @bound("D", "upper", Ref("M", "eq (40), second term", ("E6",)), reading="as_printed")
    def printed_parameter_derivative(self, at: At) -> Value:
        """``sqrt(d1^2 |X|_F^2 (d0+1)/eps)``."""
        value = v_mul(self.out, sqrt((at.features + 1) / self.eps), at.frobenius)
        return self._printed(at, self.parameter_derivative(at), value)

    @bound("xt", "upper", Ref("M", "proof of Thm 4.4, JDaff", ("E6",)), reading="as_printed")
    def printed_mixed(self, at: At) -> Value:
        """``sqrt(d0 d1^2 N (d0+1)/eps)``, the larger of the two printed."""
        d0 = at.features
        value = self.out * sqrt(d0 * at.samples * (d0 + 1) / self.eps)
        return self._printed(at, self.mixed_derivative(at), value)

    @bound("tt", "upper", Ref("M", "eq (42)", ("E5",)), reading="as_printed")
    def printed_second(self, at: At) -> Value:
        """``sqrt(5 d0 d1^2 |X|_F^2 / eps^3)``."""
        value = v_mul(self.out, sqrt(num(5) * at.features / self.eps**3), at.frobenius)
        return self._printed(at, self.parameter_second_derivative(at), value)
