"""Torch modules of the affine and scale layers, on batches with one sample for each row."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


def orthonormal(rows: int, columns: int) -> Tensor:
    """A fixed matrix with orthonormal rows (or columns, if there are fewer)."""
    generator = torch.Generator().manual_seed(0)
    size = max(rows, columns)
    square = torch.randn(size, size, generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(square)
    q = q * torch.sign(torch.diagonal(r))
    return q[:rows, :columns].contiguous()


class AffineMap(nn.Module):
    """``x -> s P(w) x + b`` for each row x of the batch.

    Args:
        inputs: number of features of x.
        outputs: number of features of the result.
        weight: ``plain``, ``weight_norm``, ``entrywise`` or ``orthogonal``.
        bias: whether b exists.
        scale: s.
        eps: the constant below the root of the normalised parameterisations.
    """

    def __init__(
        self, inputs: int, outputs: int, weight: str, *, bias: bool, scale: float, eps: float
    ) -> None:
        super().__init__()
        self.kind, self.scale, self.eps = weight, scale, eps
        if weight == "orthogonal":
            self.factor = nn.Parameter(torch.ones((), dtype=torch.float64))
            self.register_buffer("basis", orthonormal(outputs, inputs))
        else:
            w = torch.zeros(outputs, inputs, dtype=torch.float64)
            self.weight = nn.Parameter(w)
        self.bias = nn.Parameter(torch.zeros(outputs, dtype=torch.float64)) if bias else None

    def matrix(self) -> Tensor:
        """``P(w)``."""
        if self.kind == "orthogonal":
            basis = self.get_buffer("basis")
            return self.factor * basis
        w: Tensor = self.weight
        if self.kind == "weight_norm":
            return w / torch.sqrt(self.eps + (w * w).sum(1, keepdim=True))
        if self.kind == "entrywise":
            return w / torch.sqrt(self.eps + w * w)
        return w

    def forward(self, x: Tensor) -> Tensor:
        """Apply the map to a batch of shape ``(N, inputs)``."""
        return linear(x, self.scale * self.matrix(), self.bias)


class ScaleMap(nn.Module):
    """``x -> s a x`` with a trained or equal to 1."""

    def __init__(self, scale: float, *, trainable: bool) -> None:
        super().__init__()
        self.scale = scale
        one = torch.ones((), dtype=torch.float64)
        self.factor = nn.Parameter(one) if trainable else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch of any shape."""
        return self.scale * x if self.factor is None else self.scale * self.factor * x
