"""Pooling in torch, for any number of spatial dimensions."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn.functional import pad


class Pool(nn.Module):
    """Reduce each window to one number.

    Args:
        dims: number of spatial dimensions, the last ones.
        kernel: size of a window along each.
        stride: distance of windows.
        kind: ``mean``, ``max``, or ``orthogonal``, the sum over the root of the window's size.
        padding: on each side, for ``max`` only; never the largest.
    """

    def __init__(self, dims: int, kernel: int, stride: int, kind: str, padding: int = 0) -> None:
        super().__init__()
        self.dims, self.kernel, self.stride = dims, kernel, stride
        self.kind, self.padding = kind, padding

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch ``(N, channels, *sizes)``."""
        if self.padding:
            x = pad(x, [self.padding] * (2 * self.dims), value=-math.inf)
        for d in range(2, 2 + self.dims):
            x = x.unfold(d, self.kernel, self.stride)
        cells = tuple(range(-self.dims, 0))
        if self.kind == "max":
            return x.amax(cells)
        if self.kind == "mean":
            return x.mean(cells)
        return x.sum(cells) / math.sqrt(self.kernel**self.dims)


class GlobalMean(nn.Module):
    """``(N, channels, *sizes)`` to ``(N, channels)``, the mean over positions."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch."""
        return x.flatten(2).mean(2)
