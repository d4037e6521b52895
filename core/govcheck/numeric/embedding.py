"""Torch modules of embeddings, on batches with one sample for each first index."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Embedding(nn.Module):
    """``X -> X E``: rows of the table E for one-hot rows of X.

    Args:
        vocabulary: number of rows of E.
        outputs: length of a row.
    """

    def __init__(self, vocabulary: int, outputs: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(vocabulary, outputs, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch of shape ``(N, tokens, vocabulary)``."""
        return x @ self.table


class PositionalEmbedding(nn.Module):
    """``X -> X + P`` with P trained.

    Args:
        shape: of a sample and of P.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(shape, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch of shape ``(N, *shape)``."""
        return x + self.position
