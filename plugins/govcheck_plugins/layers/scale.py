"""Multiply by a number, fixed or trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from govcheck.bounds.answer import v_mul
from govcheck.bounds.expr import ONE, ZERO, Expr, absolute, mul, num
from govcheck.bounds.walk import symbols_of
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

if TYPE_CHECKING:
    from flint import arb
    from numpy.typing import NDArray
    from torch import nn

    from govcheck.certify.operations import Operation
    from govcheck.kernels.state import Context, KernelState

PRODUCT: Final = Ref("elementary", "product rule for a X")


@dataclass(frozen=True)
class Scale(Layer):
    """scale: X -> s a X, with a = 1 unless ``trainable``; a trained a is ``initial`` at first.

    ``{factor: alpha/(H*sqrt(m)), trainable: true}`` is the residual scale of NF-ResNets;
    with ``initial: 0`` it is that of ReZero and SkipInit.
    """

    name: ClassVar[str] = "scale"

    factor: Expr = ONE
    trainable: bool = False
    initial: Expr = ONE

    @classmethod
    def examples(cls) -> Sequence[Example]:
        found = super().examples()
        if cls is not Scale:
            return found
        return (*found, *(Example(cls(num(-3) / 2, trained), (3,)) for trained in (False, True)))

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return (Parameter("factor", (), self.initial),) if self.trainable else ()

    def matrix_form(self, shape: Shape) -> MatrixForm | None:
        return None if self.trainable else MatrixForm(self.factor)

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.affine import ScaleMap

        first = values(self.initial) if self.trainable else None
        return ScaleMap(values(self.factor), first)

    def kernel_step(self, state: KernelState, ctx: Context) -> KernelState:
        if not self.trainable:
            return state.scaled(ctx, self.factor)
        return state.scaled(ctx, self.factor, trained="factor", initial=self.initial)

    def certificate_operations(
        self, shape: tuple[int, ...], values: Values
    ) -> tuple[Operation, ...]:
        from govcheck.certify.operations import scale

        return (scale(values(self.factor), "factor" if self.trainable else None),)

    def parameter_norm(
        self,
        parameter: str,
        kind: str,
        array: NDArray[Any],
        shape: tuple[int, ...],
        values: Values,
    ) -> arb:
        """``residual``: ``|1 + s a|/|s|``; s is free of symbols."""
        if parameter == "factor" and kind == "residual":
            from govcheck.bounds.evaluate import ball, evaluate

            s = evaluate(self.factor, {})
            return abs(1 + s * ball(float(array.item()))) / abs(s) if s != 0 else abs(s) * 0
        return super().parameter_norm(parameter, kind, array, shape, values)

    def _size(self, at: At) -> Value:
        a = at.norm("factor", "max") if self.trainable else ONE
        return v_mul(absolute(self.factor), a)

    def _floor(self, at: At) -> Expr:
        a = at.floor("factor", "abs_min") if self.trainable else ONE
        return mul(absolute(self.factor), a)

    @bound("J", "upper", PRODUCT, tight="exact at the largest |a|")
    def jacobian(self, at: At) -> Value:
        """``J = s a Id``."""
        return self._size(at)

    @bound("sigma_J", "lower", PRODUCT, tight="exact at the smallest |a|")
    def least_singular_value(self, at: At) -> Value:
        """``J = s a Id``."""
        return self._floor(at)

    @bound("sigma_skip", "lower", PRODUCT, tight="exact at the given factor")
    def residual_least_singular_value(self, at: At) -> Value:
        """``|1 + s a|``; a trained a changes it by at most ``|s|`` times its own change."""
        if not self.trainable:
            return absolute(1 + self.factor)
        if self.factor is ZERO or symbols_of(self.factor):
            return ZERO
        return mul(absolute(self.factor), at.floor("factor", "residual"))

    @bound("out", "upper", PRODUCT, tight="exact at the largest |a|")
    def output(self, at: At) -> Value:
        """``|s a| |X|_F``."""
        return v_mul(self._size(at), at.frobenius)

    @bound("out_spec", "upper", PRODUCT, tight="exact at the largest |a|", uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """``|s a| |X|_2``."""
        return v_mul(self._size(at), at.spectral)

    @bound("out_inj", "lower", PRODUCT, tight="exact at the smallest |a|")
    def output_injective(self, at: At) -> Value:
        """``|s a| min |X v|``."""
        return mul(self._floor(at), at.injective)

    @bound("D", "upper", PRODUCT, tight="exact")
    def parameter_derivative(self, at: At) -> Value:
        """``D = s X`` as one column."""
        return v_mul(absolute(self.factor), at.frobenius) if self.trainable else ZERO

    @bound("xx", "upper", PRODUCT, tight="exact: linear in X")
    def second_derivative(self, at: At) -> Value:
        """Linear in X."""
        return ZERO

    @bound("xt", "upper", PRODUCT, tight="exact")
    def mixed_derivative(self, at: At) -> Value:
        """``s h K``."""
        return absolute(self.factor) if self.trainable else ZERO

    @bound("tt", "upper", PRODUCT, tight="exact: linear in a")
    def parameter_second_derivative(self, at: At) -> Value:
        """Linear in a."""
        return ZERO
