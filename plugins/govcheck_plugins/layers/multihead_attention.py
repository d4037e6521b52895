"""Self-attention with several heads, as torch has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import Unknown, merge_unknown
from govcheck.bounds.expr import ZERO, Expr, mul, sqrt
from govcheck.plugin import At, Parameter, Shape, Values
from govcheck_plugins.layers._attention import AttentionLayer, Norms, input_norms

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class MultiheadAttention(AttentionLayer):
    """multihead_attention: X -> [softmax(Q_h K_h^T / sqrt(head)) V_h]_h W_o^T + 1 b_o^T.

    The rows of a sample X are its tokens; ``Q = X W_q^T + 1 b_q^T`` and so on, cut into
    ``heads`` blocks of ``head`` columns each. All four matrices and, with ``bias``, their
    biases are trained. All bounds hold on bounded inputs only; where the parameter set
    leaves a matrix or a bias unbounded there are none.
    """

    name: ClassVar[str] = "multihead_attention"

    heads: Expr
    head: Expr
    bias: bool = True

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        d, inner = shape[1], mul(self.heads, self.head)
        found = tuple(Parameter(name, (inner, d)) for name in ("query", "key", "value"))
        found = (*found, Parameter("output", (d, inner)))
        if not self.bias:
            return found
        sizes = {"query": inner, "key": inner, "value": inner, "output": d}
        return found + tuple(Parameter(f"{name}_bias", (n,)) for name, n in sizes.items())

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.attention import MultiheadAttention as Module

        heads, head = int(values(self.heads)), int(values(self.head))
        return Module(shape[1], heads, head, bias=self.bias)

    def norms(self, at: At) -> Norms | Unknown:
        inputs = input_norms(at)
        if isinstance(inputs, Unknown):
            return inputs
        matrices = [at.norm(name) for name in ("query", "key", "value", "output")]
        biases = [
            at.norm(f"{name}_bias", "frobenius") if self.bias else ZERO
            for name in ("query", "value", "output")
        ]
        unknown = merge_unknown((*matrices, *biases))
        if unknown:
            return unknown
        query, key, value, output = (m for m in matrices if isinstance(m, Expr))
        query_bias, value_bias, output_bias = (b for b in biases if isinstance(b, Expr))
        return Norms(
            tokens=at.shape[0],
            samples=at.samples,
            scale=1 / sqrt(self.head),
            sample=inputs[0],
            batch=inputs[1],
            query=query,
            key=key,
            value=value,
            output=output,
            query_bias=query_bias,
            value_bias=value_bias,
            output_bias=output_bias,
            key_trained=True,
            output_trained=True,
            bias_trained=self.bias,
        )
