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
    basis: Tensor = q[:rows, :columns].contiguous()
    return basis


class AffineMap(nn.Module):
    """``x -> s P(w) x + b`` for each row x of the batch.

    Args:
        inputs: number of features of x.
        outputs: number of features of the result.
        weight: ``plain``, ``weight_norm``, ``entrywise``, ``orthogonal``,
            ``torch_weight_norm`` or ``spectral``.
        bias: whether b exists.
        scale: s.
        eps: the constant below the root of the normalised parameterisations.
        factor: whether ``spectral`` has a trained factor.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        weight: str,
        *,
        bias: bool,
        scale: float,
        eps: float,
        factor: bool = False,
    ) -> None:
        super().__init__()
        self.kind, self.scale, self.eps = weight, scale, eps
        has_factor = factor or weight == "orthogonal"
        self.factor = nn.Parameter(torch.ones((), dtype=torch.float64)) if has_factor else None
        if weight == "torch_weight_norm":
            self.gain = nn.Parameter(torch.ones(outputs, dtype=torch.float64))
        if weight == "orthogonal":
            self.register_buffer("basis", orthonormal(outputs, inputs))
        else:
            # 0 has no direction and no top singular vector
            first = torch.zeros if weight not in ("torch_weight_norm", "spectral") else torch.ones
            self.weight = nn.Parameter(first(outputs, inputs, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(outputs, dtype=torch.float64)) if bias else None

    def matrix(self) -> Tensor:
        """``P(w)``."""
        plain = self._normalised()
        return plain if self.factor is None else self.factor * plain

    def _normalised(self) -> Tensor:
        if self.kind == "orthogonal":
            return self.get_buffer("basis")
        w: Tensor = self.weight
        match self.kind:
            case "weight_norm":
                w = w / torch.sqrt(self.eps + (w * w).sum(1, keepdim=True))
            case "entrywise":
                w = w / torch.sqrt(self.eps + w * w)
            case "torch_weight_norm":
                w = (self.gain / torch.linalg.vector_norm(w, dim=1)).unsqueeze(1) * w
            case "spectral":
                w = w / torch.linalg.matrix_norm(w, 2)
        return w

    def forward(self, x: Tensor) -> Tensor:
        """Apply the map to a batch of shape ``(N, inputs)``."""
        return linear(x, self.scale * self.matrix(), self.bias)


class ScaleMap(nn.Module):
    """``x -> s a x`` with a trained or equal to 1.

    Args:
        scale: s.
        initial: what a trained a is at first; None for a = 1, not trained.
    """

    def __init__(self, scale: float, initial: float | None) -> None:
        super().__init__()
        self.scale = scale
        first = None if initial is None else torch.tensor(initial, dtype=torch.float64)
        self.factor = None if first is None else nn.Parameter(first)

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch of any shape."""
        return self.scale * x if self.factor is None else self.scale * self.factor * x
