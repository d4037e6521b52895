"""Torch modules of the layers for tokens and channels of a sample."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TakeToken(nn.Module):
    """One token of each sequence.

    Args:
        index: which, from 0.
    """

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch ``(N, tokens, features)``."""
        return x[:, self.index]


class ClassToken(nn.Module):
    """Trained tokens in front of each sequence.

    Args:
        tokens: how many.
        features: of each.
    """

    def __init__(self, tokens: int, features: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(tokens, features, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch ``(N, tokens, features)``."""
        return torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1)


class ChannelScale(nn.Module):
    """Samples times trained factors.

    Args:
        sizes: shape of the factors against a sample, 1 but for the channels.
        initial: what each is at first.
    """

    def __init__(self, sizes: tuple[int, ...], initial: float) -> None:
        super().__init__()
        self.sizes = sizes
        count = torch.Size(sizes).numel()
        self.scale = nn.Parameter(torch.full((count,), initial, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch ``(N, *sample)``."""
        return x * self.scale.reshape(self.sizes)
