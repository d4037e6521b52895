"""Add a trained array to each sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import v_add, v_mul
from govcheck.bounds.expr import ONE, ZERO, sqrt
from govcheck.plugin import At, Layer, Parameter, Ref, Shape, Value, Values, bound

if TYPE_CHECKING:
    from torch import nn

SHIFT: Final = Ref("elementary", "the map X -> X + P")


@dataclass(frozen=True)
class PositionalEmbedding(Layer):
    """positional_embedding: X -> X + P for each sample X, P trained, for all inputs."""

    name: ClassVar[str] = "positional_embedding"

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return (Parameter("position", shape),)

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.embedding import PositionalEmbedding as Module

        return Module(shape)

    def _offset(self, at: At) -> Value:
        """Norm of P in every sample, Frobenius as well as operator norm: it has rank one."""
        return v_mul(at.norm("position", "frobenius"), sqrt(at.samples))

    @bound("J", "upper", SHIFT, tight="exact")
    def jacobian(self, at: At) -> Value:
        """The identity."""
        return ONE

    @bound("sigma_J", "lower", SHIFT, tight="exact")
    def least_singular_value(self, at: At) -> Value:
        """The identity."""
        return ONE

    @bound("out", "upper", SHIFT, tight="all samples along P")
    def output(self, at: At) -> Value:
        """``|X|_F + sqrt(N) |P|_F``."""
        return v_add(at.frobenius, self._offset(at))

    @bound("out_spec", "upper", SHIFT, tight="all samples along P", uses=("spectral",))
    def output_spectral(self, at: At) -> Value:
        """``|X|_2 + sqrt(N) |P|_F``."""
        return v_add(at.spectral, self._offset(at))

    @bound("out_max", "upper", SHIFT, tight="a sample along P")
    def output_of_a_sample(self, at: At) -> Value:
        """``|x| + |P|_F`` for each sample x."""
        return v_add(at.sample, at.norm("position", "frobenius"))

    @bound("D_rows", "upper", SHIFT, tight="exact")
    def parameter_derivative_rows(self, at: At) -> Value:
        """Each entry moves with one entry of P."""
        return ONE

    @bound("D", "upper", SHIFT, tight="exact")
    def parameter_derivative(self, at: At) -> Value:
        """The identity once for each sample."""
        return sqrt(at.samples)

    @bound("sigma_D", "lower", SHIFT, tight="exact")
    def parameter_regularity(self, at: At) -> Value:
        """Several samples move together; one sample moves freely."""
        return ONE if at.samples is ONE else ZERO

    @bound("xx", "upper", SHIFT, tight="exact: affine in X")
    def second_derivative(self, at: At) -> Value:
        """Affine in X."""
        return ZERO

    @bound("xt", "upper", SHIFT, tight="exact")
    def mixed_derivative(self, at: At) -> Value:
        """A sum has no mixed derivative."""
        return ZERO

    @bound("tt", "upper", SHIFT, tight="exact: affine in P")
    def parameter_second_derivative(self, at: At) -> Value:
        """Affine in P."""
        return ZERO
