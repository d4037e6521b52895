"""Maps that move entries, add zeros or drop entries, in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class ZeroPad(nn.Module):
    """Zeros on each side of the last `dims` dimensions, and `channels` more channels of them."""

    def __init__(self, dims: int, padding: int, channels: int) -> None:
        super().__init__()
        self.widths = [padding] * (2 * dims) + [0, channels]

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch ``(N, channels, *sizes)``."""
        return pad(x, self.widths)


class Reshape(nn.Module):
    """Samples in another shape."""

    def __init__(self, to: tuple[int, ...]) -> None:
        super().__init__()
        self.to_shape = to

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch."""
        return x.reshape(x.shape[0], *self.to_shape)


class Patches(nn.Module):
    """``(N, channels, *sizes)`` to ``(N, patches, channels * patch^dims)``."""

    def __init__(self, dims: int, patch: int) -> None:
        super().__init__()
        self.dims, self.patch = dims, patch

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch."""
        for d in range(2, 2 + self.dims):
            x = x.unfold(d, self.patch, self.patch)
        # channels behind the grid of patches, then grid and cells flat
        x = x.movedim(1, 1 + self.dims)
        return x.flatten(1 + self.dims).flatten(1, self.dims)


class Transpose(nn.Module):
    """``(N, t, d)`` to ``(N, d, t)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch."""
        return x.transpose(1, 2)


class FixedDropout(nn.Module):
    """Entries times 0 or ``1/(1 - rate)``, by a mask drawn for each shape from a seed."""

    def __init__(self, rate: float, seed: int) -> None:
        super().__init__()
        self.rate, self.seed = rate, seed

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch."""
        if self.rate == 0:
            return x
        generator = torch.Generator().manual_seed(self.seed)
        kept = torch.rand(x.shape, generator=generator) >= self.rate
        return x * kept.to(x) / (1 - self.rate)
