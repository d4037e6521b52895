"""Convolutions with zero padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from govcheck.bounds.answer import Unknown, v_add, v_best, v_mul, v_rss
from govcheck.bounds.expr import ONE, ZERO, Expr, absolute, minimum, mul, num, sqrt
from govcheck.plugin import (
    At,
    Example,
    Layer,
    MatrixForm,
    Parameter,
    Ref,
    Shape,
    Value,
    Values,
    bound,
)
from govcheck_plugins.layers._conv_places import Line, channels, check_numbers, count
from govcheck_plugins.layers._parameterisation import KINDS, Parameterisation, Spectral

if TYPE_CHECKING:
    from flint import arb
    from numpy.typing import NDArray
    from torch import nn

    from govcheck.certify.operations import Operation
    from govcheck.kernels.state import Context, KernelState

CONV: Final = Ref("govcheck theory", "layer constants, section 3 (convolution)")
CALCULUS: Final = Ref("govcheck theory", "bound calculus, section 4, on patches")
LEMMA: Final = Ref("govcheck theory", "layer constants, section 2 (lemma on u/sqrt(c+|u|^2))")


class _Operator(Spectral):
    """``a w/n(w)``, n the norm of the circular convolution on the ring without aliases."""

    def derivative(self, at: At) -> Value:
        return Unknown.because(
            "the derivative of w/n(w), n the norm of a convolution, jumps where n is attained "
            "twice and is unbounded near w = 0",
            kind="not smooth",
        )

    def applied(self, at: At) -> Value:
        return self.derivative(at)

    def curvature(self, at: At) -> Value:
        return self.derivative(at)

    def least(self, at: At) -> Expr:
        return ZERO


@dataclass(frozen=True)
class Conv(Layer):
    """conv: ``s T(P(w)) x + b`` on samples ``[c, l]`` or ``[c, h, w]``, zeros outside.

    ``y[o] = sum_t P(w)_t x[stride o + dilation t - padding]`` as in torch, with square
    kernels in 2-D; padding ``same`` keeps the size (stride 1). ``weight`` chooses P on
    kernels written as matrices, one row for each output channel: ``plain``, ``weight_norm``
    (rows ``w/sqrt(eps + |w|^2)``), ``torch_weight_norm`` (rows ``g v/|v|``), ``spectral``
    (``W/|W|_2``, what torch's spectral_norm converges to: *not* the norm of the
    convolution, which is up to sqrt(taps) times larger), ``operator`` (w over a proven
    bound of the norm of the convolution, so that it is at most 1) or ``standardised`` (rows
    ``u/sqrt(eps + |u|^2)``, u = w minus its mean). ``factor`` multiplies spectral and operator
    by one trained number, standardised by one for each row.

    T(w) X is the matrix w times the matrix U of patches, one column for each output pixel
    and sample. A pixel is in at most ``uses = ceil(kernel/stride)`` patches along each
    dimension (all of ``kernel`` at stride 1), so ``|U|_F <= sqrt(uses) |X|_F`` and
    ``|T(w)| <= sqrt(uses) |w|_2``; U consists of one block of rows of X for each output
    pixel, so ``|U|_2 <= sqrt(pixels) |X|_2``. Holds for every parameter set; the set
    decides the norms of w. Around given weights the norm of T is computed from the kernel.
    """

    name: ClassVar[str] = "conv"
    kernel_pixels: ClassVar[int] = 1

    out: Expr
    kernel: Expr
    stride: int = 1
    padding: Expr | Literal["same"] = ZERO
    dilation: int = 1
    groups: int = 1
    weight: Literal[
        "plain", "weight_norm", "torch_weight_norm", "spectral", "operator", "standardised"
    ] = "plain"
    bias: bool = True
    scale: Expr = ONE
    eps: Expr = ONE
    factor: bool = False

    def check(self) -> None:
        check_numbers(self.kernel, self.stride, self.padding, self.dilation, self.groups)
        if self.eps.is_number and self.eps.number <= 0:
            raise ValueError("eps must be positive")
        if self.factor and self.weight not in ("spectral", "operator", "standardised"):
            raise ValueError(
                f"weight {self.weight} takes no factor; spectral, operator, standardised do")

    @classmethod
    def examples(cls) -> Sequence[Example]:
        two, three, scale = num(2), num(3), num(-3) / 2
        layers = (
            cls(two, two, weight="operator", factor=True, scale=scale),
            cls(two, three, padding="same", groups=2, bias=False),
            cls(two, three, 2, ONE, weight="weight_norm", eps=num(1) / 4),
        )
        standardised = cls(
            two, three, weight="standardised", eps=num(1) / 4, scale=scale, factor=True)
        return (
            *super().examples(), *(Example(layer, (2, 4)) for layer in layers),
            Example(standardised, (1, 4)),
        )

    def _lines(self, shape: Shape) -> list[Line]:
        return [
            Line(n, self.kernel, self.stride, self.padding, self.dilation) for n in shape[1:]
        ]

    def shape(self, shape: Shape) -> Shape:
        channels(shape, self.groups, self.out)
        return (self.out, *(line.out() for line in self._lines(shape)))

    def _p(self, shape: Shape) -> Parameterisation:
        columns = mul(channels(shape, self.groups, self.out), *[self.kernel for _ in shape[1:]])
        kind = _Operator if self.weight == "operator" else KINDS[self.weight]
        return kind(self.out, columns, self.eps, self.factor)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        inputs = channels(shape, self.groups, self.out)
        whole = (self.out, inputs, *[self.kernel for _ in shape[1:]])
        found = [
            replace(p, shape=whole) if p.name == "weight" else p
            for p in self._p(shape).parameters()
        ]
        return (*found, Parameter("bias", (self.out,))) if self.bias else tuple(found)

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.conv import ConvMap

        return ConvMap(
            shape,
            int(values(self.out)),
            int(values(self.kernel)),
            self.stride,
            self._padding(values),
            self.dilation,
            self.groups,
            self.weight,
            bias=self.bias,
            scale=values(self.scale),
            eps=values(self.eps),
            factor=self.factor,
        )

    def kernel_step(self, state: KernelState, ctx: Context) -> KernelState | Unknown:
        from govcheck.kernels.conv import Patches

        if self.weight != "plain":
            return Unknown.because(f"conv with weight {self.weight} declares no kernel step")

        def make() -> Patches:
            grid = tuple(int(ctx.values(n)) for n in ctx.shape[1:])
            kernel = (int(ctx.values(self.kernel)),) * len(grid)
            padding = self._padding(ctx.values)
            if padding == "same":
                return Patches.same(grid, kernel, self.dilation)
            rim = (padding,) * len(grid)
            return Patches(grid, kernel, self.stride, self.dilation, rim, rim)

        patches = ctx.remember(("patches", self, *ctx.shape[1:]), make)
        fan = mul(ctx.shape[0] / self.groups, *[self.kernel for _ in ctx.shape[1:]])
        return state.linear(
            ctx,
            self.out,
            scale=self.scale,
            bias=self.bias,
            fan=fan,
            patch=patches.summed,
            groups=self.groups,
        )

    def certificate_operations(
        self, shape: tuple[int, ...], values: Values
    ) -> tuple[Operation, ...] | Unknown:
        from govcheck.certify.conv_geometry import axes
        from govcheck.certify.operations import linear, window

        kinds = {"plain": "none", "weight_norm": "rows"}
        if self.weight not in kinds or self.groups != 1:
            return Unknown.because(
                f"certificates know no conv with weight {self.weight} and {self.groups} groups"
            )
        taps = [int(values(self.kernel))] * (len(shape) - 1)
        along = axes(taps, shape[1:], self.stride, self._padding(values), self.dilation)
        read = window(
            taps,
            [a.stride for a in along],
            [n for a in along for n in (a.before, a.after)],
            [a.dilation for a in along],
        )
        eps = None if self.weight == "plain" else values(self.eps)
        kind = kinds[self.weight]
        return (
            linear(scale=values(self.scale), bias=self.bias, normalise=kind, eps=eps, window=read),
        )

    def _padding(self, values: Values) -> int | Literal["same"]:
        return "same" if self.padding == "same" else int(values(self.padding))

    def matrix_form(self, shape: Shape) -> MatrixForm | None:
        if self.weight != "plain":
            return None
        uses = sqrt(count(self._lines(shape)))
        kind = "spectral" if uses is ONE else "operator"
        size = (mul(*self.shape(shape)), mul(*shape))
        return MatrixForm(self.scale, size, "weight", kind, uses)

    def matrix(
        self, array: NDArray[Any] | None, shape: tuple[int, ...], values: Values
    ) -> NDArray[Any]:
        from govcheck.certify.conv_matrix import conv_matrix

        assert array is not None
        return conv_matrix(
            array, shape[1:], self.stride, self._padding(values), self.dilation, self.groups
        )

    def parameter_norm(
        self,
        parameter: str,
        kind: str,
        array: NDArray[Any],
        shape: tuple[int, ...],
        values: Values,
    ) -> arb:
        """``operator``: the norm of the convolution with this kernel, from above.

        ``residual``: ``sigma_min(I + T)/sqrt(taps)``, from below.
        """
        from govcheck.bounds.evaluate import ball
        from govcheck.certify.conv_norms import conv_norm_upper, residual_sigma_lower

        if parameter == "weight" and kind == "operator":
            padding = self._padding(values)
            found = conv_norm_upper(
                array, shape[1:], self.stride, padding, self.dilation, self.groups
            )
            return ball(found.upper)
        if parameter == "weight" and kind == "residual":
            taps = array[0, 0].size
            least = residual_sigma_lower(array, shape[1:], self.dilation, self.groups)
            return ball(least) / ball(taps).sqrt()
        return super().parameter_norm(parameter, kind, array, shape, values)

    def _s(self) -> Expr:
        return absolute(self.scale)

    def _uses(self, at: At) -> Expr:
        return sqrt(count(self._lines(at.shape)))

    def _pixels(self, at: At) -> Expr:
        return mul(*self.shape(at.shape)[1:])

    def _patches(self, at: At) -> At:
        """The batch of all patches."""
        far = v_mul(self._uses(at), at.frobenius)
        # there are as many output pixels as uses of a pixel, or more
        better = at.spectral is not at.frobenius
        near = v_mul(sqrt(self._pixels(at)), at.spectral)
        return replace(
            at,
            samples=mul(self._pixels(at), at.samples),
            frobenius=far,
            spectral=v_best([far, near], "upper") if better else far,
            largest=at.sample,
            injective=ZERO,
            injective_ones=ZERO,
        )

    def _gain(self, at: At) -> Value:
        """Supremum of ``|T(P(w))|``."""
        p, uses = self._p(at.shape), self._uses(at)
        if uses is ONE or self.weight == "operator":
            return p.norm(at)
        if self.weight == "plain":
            return at.norm("weight", "operator", uses)
        rows = v_mul(uses, p.norm(at))
        if self.weight == "weight_norm":
            # T(P(w)) is T(w) with its output channels divided by sqrt(eps + |w_i|^2)
            own = at.norm("weight", "operator", uses)
            r = at.norm("weight", "frobenius")
            if isinstance(own, Expr) and isinstance(r, Expr) and own is not mul(uses, r):
                assert isinstance(rows, Expr)
                return minimum(rows, own / sqrt(self.eps))
        return rows

    def _offset(self, at: At, samples: Expr) -> Value:
        if not self.bias:
            return ZERO
        return v_mul(at.norm("bias", "frobenius"), sqrt(mul(self._pixels(at), samples)))

    @bound("J", "upper", CONV, tight="approached by flat kernels on large images")
    def jacobian(self, at: At) -> Value:
        """``J = s T`` on each sample."""
        return v_mul(self._s(), self._gain(at))

    @bound("J_rows", "upper", CONV, tight="an output that reads no padding", uses=("rows",))
    def jacobian_rows(self, at: At) -> Value:
        """A row of T holds the entries of a row of P(w), each at most once."""
        return v_mul(self._s(), self._p(at.shape).row(at))

    @bound("out", "upper", CONV, tight="X along the top singular vector of T, b = 0")
    def output(self, at: At) -> Value:
        """``|s| |T| |X|_F + |b| sqrt(pixels N)``."""
        linear = v_mul(self._s(), self._gain(at), at.frobenius)
        return v_add(linear, self._offset(at, at.samples))

    @bound("out_spec", "upper", CONV, uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """``|s| |T| |X|_2`` and a matrix of rank one, of norm ``|b| sqrt(pixels N)``."""
        linear = v_mul(self._s(), self._gain(at), at.spectral)
        return v_add(linear, self._offset(at, at.samples))

    @bound("out_max", "upper", CONV, uses=("rows",))
    def output_sample(self, at: At) -> Value:
        """``|s| |T| |x| + |b| sqrt(pixels)`` for one sample."""
        return v_add(v_mul(self._s(), self._gain(at), at.sample), self._offset(at, ONE))

    @bound("D", "upper", CONV, tight="approached by flat kernels on large images")
    def parameter_derivative(self, at: At) -> Value:
        """``[s DP(.) U, 1]`` with ``|1| = sqrt(pixels N)``."""
        patches = self._patches(at)
        weight = v_mul(self._s(), self._p(at.shape).applied(patches))
        return v_rss(weight, sqrt(patches.samples)) if self.bias else weight

    @bound("D_rows", "upper", CONV, tight="w = 0, a patch that holds all", uses=("rows",))
    def parameter_derivative_rows(self, at: At) -> Value:
        """``|s DP[h] u| <= |s| |DP| |h| |u|`` for one patch u of one sample."""
        weight = v_mul(self._s(), self._p(at.shape).derivative(at), at.sample)
        return v_rss(weight, ONE) if self.bias else weight

    @bound("xx", "upper", CONV, tight="exact: linear in X")
    def second_derivative(self, at: At) -> Value:
        """The map is affine in X."""
        return ZERO

    @bound("xt", "upper", CONV, tight="approached by flat kernels on large images")
    def mixed_derivative(self, at: At) -> Value:
        """``|s T(DP[h]) K|_F <= |s| sqrt(uses) |DP| |h| |K|_F``."""
        return v_mul(self._s(), self._uses(at), self._p(at.shape).derivative(at))

    @bound("tt", "upper", LEMMA)
    def parameter_second_derivative(self, at: At) -> Value:
        """``|s D2P[h, h] U|_F``; 0 for plain kernels."""
        return v_mul(self._s(), self._p(at.shape).curvature(self._patches(at)))

    @bound("sigma_J", "lower", CALCULUS)
    def least_singular_value(self, at: At) -> Value:
        """That of P(w) where outputs read disjoint patches without padding, otherwise 0.

        With overlaps and zeros outside nothing is to be had from the kernel: the kernel of a
        shift has a symbol of modulus 1, and the shift drops a pixel.
        """
        if self.groups == 1 and all(line.disjoint for line in self._lines(at.shape)):
            return mul(self._s(), self._p(at.shape).least(at))
        return ZERO

    @bound("sigma_D", "lower", CONV)
    def parameter_regularity(self, at: At) -> Value:
        """0: more patches than entries of a row of w leave directions without effect."""
        return ZERO

    @bound("out_inj", "lower", CONV)
    def output_injective(self, at: At) -> Value:
        """0, see `least_singular_value`."""
        return ZERO

    @bound("sigma_skip", "lower", CONV)
    def residual_least_singular_value(self, at: At) -> Value:
        """``sigma_min(I + T) >= 1 + min lambda_min(Herm K^)`` at the given weights.

        T changes by at most ``sqrt(taps)`` times the change of a plain kernel; `floor`
        counts in units of that.
        """
        keeps = self.padding == "same" and self.out is at.shape[0] and self.kernel.is_number
        if self.weight != "plain" or self.scale is not ONE or not keeps:
            return ZERO
        taps = self.kernel.number ** (len(at.shape) - 1)
        if taps % 2 == 0:
            return ZERO
        return mul(sqrt(num(taps)), at.floor("weight", "residual"))
