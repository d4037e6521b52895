"""Torch modules of gates."""

from __future__ import annotations

from torch import Tensor, nn


class BilinearGate(nn.Module):
    """``(u, v) -> u * v`` entrywise, u and v the halves of the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch ``(N, ..., 2 k)``; the result is ``(N, ..., k)``."""
        u, v = x.chunk(2, dim=-1)
        return u * v
