"""Torch modules of softmax and attention, on batches with one sample for each first index."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class Softmax(nn.Module):
    """``x -> softmax(x / t)`` along the last axis.

    Args:
        temperature: t.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch of any shape; the shape stays."""
        return torch.softmax(x / self.temperature, dim=-1)


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """``softmax(scale Q K^T) V`` for each index before the last two axes (tokens, features)."""
    return torch.softmax(scale * (query @ key.transpose(-1, -2)), dim=-1) @ value


def _zeros(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(*shape, dtype=torch.float64))


class SelfAttention(nn.Module):
    """``X -> softmax(s X A X^T) X V^T``, the rows of X being tokens.

    Args:
        features: of a token.
        outputs: features of an output token.
        scale: s.
    """

    def __init__(self, features: int, outputs: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.score = _zeros(features, features)
        self.value = _zeros(outputs, features)

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch of shape ``(N, tokens, features)``."""
        return attend(x @ self.score, x, linear(x, self.value), self.scale)


class MultiheadAttention(nn.Module):
    """``torch.nn.MultiheadAttention`` of X with itself, with the three projections apart.

    Args:
        features: of a token.
        heads: number of heads.
        head: features of a token in one head.
        bias: whether the four projections have biases.
    """

    def __init__(self, features: int, heads: int, head: int, *, bias: bool) -> None:
        super().__init__()
        self.heads, self.scale = heads, head**-0.5
        inner = heads * head
        self.query, self.key = _zeros(inner, features), _zeros(inner, features)
        self.value, self.output = _zeros(inner, features), _zeros(features, inner)
        self.query_bias = _zeros(inner) if bias else None
        self.key_bias = _zeros(inner) if bias else None
        self.value_bias = _zeros(inner) if bias else None
        self.output_bias = _zeros(features) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch of shape ``(N, tokens, features)``."""
        query = self._split(linear(x, self.query, self.query_bias))
        key = self._split(linear(x, self.key, self.key_bias))
        value = self._split(linear(x, self.value, self.value_bias))
        mixed = attend(query, key, value, self.scale)
        return linear(mixed.transpose(1, 2).flatten(2), self.output, self.output_bias)

    def _split(self, x: Tensor) -> Tensor:
        """``(N, tokens, heads * head)`` as ``(N, heads, tokens, head)``."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
