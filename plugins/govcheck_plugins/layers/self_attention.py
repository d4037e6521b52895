"""Self-attention with one head, by the products of its matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import Unknown, merge_unknown
from govcheck.bounds.expr import ONE, Expr, absolute, num, sqrt
from govcheck.plugin import At, Parameter, Shape, Values
from govcheck_plugins.layers._attention import AttentionLayer, Norms, input_norms

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class SelfAttention(AttentionLayer):
    """self_attention: X -> softmax(s X A X^T) X V^T, the rows of a sample X being its tokens.

    ``out`` is the number of features of an output token, ``scale`` is s (1/sqrt(d) when
    omitted). A and V are trained. All bounds hold on bounded inputs only; where the
    parameter set leaves A or V unbounded there are none.
    """

    name: ClassVar[str] = "self_attention"

    out: Expr
    scale: Expr | None = None

    def shape(self, shape: Shape) -> Shape:
        return (super().shape(shape)[0], self.out)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        d = shape[1]
        return Parameter("score", (d, d)), Parameter("value", (self.out, d))

    def _scale(self, features: Expr) -> Expr:
        return 1 / sqrt(features) if self.scale is None else self.scale

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.attention import SelfAttention as Module

        scale = values(self._scale(num(shape[1])))
        return Module(shape[1], int(values(self.out)), scale)

    def norms(self, at: At) -> Norms | Unknown:
        inputs = input_norms(at)
        if isinstance(inputs, Unknown):
            return inputs
        score, value = at.norm("score"), at.norm("value")
        if isinstance(score, Unknown) or isinstance(value, Unknown):
            return merge_unknown((score, value)) or Unknown(())
        return Norms(
            tokens=at.shape[0],
            samples=at.samples,
            scale=absolute(self._scale(at.shape[1])),
            sample=inputs[0],
            batch=inputs[1],
            query=score,
            key=ONE,
            value=value,
            output=ONE,
        )
