"""A trained factor for each channel, as the layer scale of CaiT and ConvNeXt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from govcheck.bounds.answer import Value, v_best, v_mul
from govcheck.bounds.expr import ONE, ZERO, Expr, mul, num, sqrt
from govcheck.plugin import At, Example, Layer, Parameter, Ref, Shape, ShapeError, Values, bound

if TYPE_CHECKING:
    from torch import nn

PRODUCT: Final = Ref("elementary", "product rule for diag(a) X")


@dataclass(frozen=True)
class ChannelScale(Layer):
    """channel_scale: entries times a trained ``a_c``, c their channel, ``initial`` at first.

    ``axis: first`` has channels first, as images ``[c, ...]``, ``axis: last`` features of tokens
    last. As a matrix with one column for each sample, X is multiplied by a diagonal matrix.
    """

    name: ClassVar[str] = "channel_scale"

    axis: Literal["first", "last"] = "first"
    initial: Expr = ONE

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (
            Example(cls(), (3,), 2), Example(cls("first", num(1) / 2), (2, 3)),
            Example(cls("last"), (2, 3)),
        )

    def shape(self, shape: Shape) -> Shape:
        if not shape:
            raise ShapeError("there are no channels to scale")
        return shape

    def _channels(self, shape: Shape) -> Expr:
        return shape[0 if self.axis == "first" else -1]

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return (Parameter("scale", (self._channels(shape),), self.initial),)

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.tokens import ChannelScale as Module

        place = 0 if self.axis == "first" else len(shape) - 1
        sizes = tuple(n if i == place else 1 for i, n in enumerate(shape))
        return Module(sizes, values(self.initial))

    @bound("J", "upper", PRODUCT, tight="exact: X in the channel of the largest factor")
    def jacobian(self, at: At) -> Value:
        """``max|a|``."""
        return at.norm("scale", "max")

    @bound("sigma_J", "lower", PRODUCT, tight="exact at the smallest factor")
    def least_singular_value(self, at: At) -> Value:
        """``min|a|``."""
        return at.floor("scale", "abs_min")

    @bound("out", "upper", PRODUCT, tight="X in the channel of the largest factor")
    def output(self, at: At) -> Value:
        """``max|a| |X|_F``."""
        return v_mul(self.jacobian(at), at.frobenius)

    @bound("out_spec", "upper", PRODUCT, tight="as out", uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """``|diag(a) X|_2 <= max|a| |X|_2``."""
        return v_mul(self.jacobian(at), at.spectral)

    @bound("out_max", "upper", PRODUCT, tight="as out", uses=("rows",))
    def output_sample(self, at: At) -> Value:
        """``max|a| |x|``."""
        return v_mul(self.jacobian(at), at.sample)

    @bound("out_inj", "lower", PRODUCT)
    def output_injective(self, at: At) -> Value:
        """``min|a| min|X v|``."""
        return mul(at.floor("scale", "abs_min"), at.injective)

    @bound("D", "upper", PRODUCT, tight="X in one channel")
    def parameter_derivative(self, at: At) -> Value:
        """``max_c |X_c|_F``, X_c the rows of X in channel c, so many as a channel has entries."""
        rows = at.features / self._channels(at.shape)
        return v_best([at.frobenius, v_mul(sqrt(rows), at.spectral)], "upper")

    @bound("xx", "upper", PRODUCT, tight="exact: linear in X")
    def second_derivative(self, at: At) -> Value:
        """Linear in X."""
        return ZERO

    @bound("xt", "upper", PRODUCT, tight="exact: one channel")
    def mixed_derivative(self, at: At) -> Value:
        """``|diag(k) H| <= |k| |H|_F``."""
        return ONE

    @bound("tt", "upper", PRODUCT, tight="exact: linear in a")
    def parameter_second_derivative(self, at: At) -> Value:
        """Linear in a."""
        return ZERO
