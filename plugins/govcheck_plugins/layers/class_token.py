"""Trained tokens in front of each sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Value, v_mul, v_rss
from govcheck.bounds.expr import ONE, ZERO, num, sqrt
from govcheck.plugin import At, Layer, Parameter, Ref, Shape, ShapeError, Values, bound

if TYPE_CHECKING:
    from torch import nn

STACK: Final = Ref("elementary", "the map X -> [P; X]")


@dataclass(frozen=True)
class ClassToken(Layer):
    """class_token: ``tokens`` trained tokens P in front of each sample, ``X -> [P; X]``.

    As a matrix with one column for each sample, X gets further rows ``vec(P) 1^T``.
    """

    name: ClassVar[str] = "class_token"

    tokens: int = 1

    def check(self) -> None:
        if self.tokens < 1:
            raise ValueError(f"tokens must be at least 1, not {self.tokens}")

    def shape(self, shape: Shape) -> Shape:
        if len(shape) != 2:
            raise ShapeError("class_token takes samples [tokens, features]")
        return (shape[0] + self.tokens, shape[1])

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return (Parameter("token", (num(self.tokens), shape[1])),)

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.tokens import ClassToken as Module

        return Module(self.tokens, shape[1])

    def _offset(self, at: At) -> Value:
        """Norm of ``vec(P) 1^T``, which has rank one."""
        return v_mul(at.norm("token", "frobenius"), sqrt(at.samples))

    @bound("J", "upper", STACK, tight="exact")
    def jacobian(self, at: At) -> Value:
        """An isometric embedding."""
        return ONE

    @bound("sigma_J", "lower", STACK, tight="exact")
    def least_singular_value(self, at: At) -> Value:
        """0: the new tokens do not depend on X."""
        return ZERO

    @bound("out", "upper", STACK, tight="exact")
    def output(self, at: At) -> Value:
        """``sqrt(|X|_F^2 + N |P|_F^2)``."""
        return v_rss(at.frobenius, self._offset(at))

    @bound("out_spec", "upper", STACK, uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """``|[A; B]|_2^2 <= |A|_2^2 + |B|_2^2``."""
        return v_rss(at.spectral, self._offset(at))

    @bound("out_max", "upper", STACK, tight="exact", uses=("rows",))
    def output_sample(self, at: At) -> Value:
        """``sqrt(|x|^2 + |P|_F^2)``."""
        return v_rss(at.sample, at.norm("token", "frobenius"))

    @bound("out_inj", "lower", STACK)
    def output_injective(self, at: At) -> Value:
        """Further rows make no product ``X v`` shorter."""
        return at.injective

    @bound("D", "upper", STACK, tight="exact")
    def parameter_derivative(self, at: At) -> Value:
        """The identity once for each sample."""
        return sqrt(at.samples)

    @bound("xx", "upper", STACK, tight="exact: affine in X")
    def second_derivative(self, at: At) -> Value:
        """Affine in X."""
        return ZERO

    @bound("xt", "upper", STACK, tight="exact")
    def mixed_derivative(self, at: At) -> Value:
        """X and P are in different entries."""
        return ZERO

    @bound("tt", "upper", STACK, tight="exact: affine in P")
    def parameter_second_derivative(self, at: At) -> Value:
        """Affine in P."""
        return ZERO
