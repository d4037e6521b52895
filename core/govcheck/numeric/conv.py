"""Torch modules of the convolution layer."""

from __future__ import annotations

from math import prod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from govcheck.certify.conv_geometry import Axis, axes


def largest_singular_value(a: Tensor) -> Tensor:
    """Operator norm of a matrix, with exact derivatives up to the second order.

    The derivatives of a decomposition divide by differences of all singular values, also of
    those that do not matter. Here the top singular vector is a constant plus its first-order
    change, so that its Rayleigh quotient is exact to the third order. Where the largest
    singular value is multiple there is no derivative; what comes out is one of a branch.
    """
    gram = a @ a.mH if a.shape[0] <= a.shape[1] else a.mH @ a
    with torch.no_grad():
        values, vectors = torch.linalg.eigh(gram)
        gaps = values[-1] - values[:-1]
        safe = gaps > 1e-9 * values[-1]
        inverse = torch.where(safe, 1 / torch.where(safe, gaps, 1.0), 0.0)
        rest, top = vectors[:, :-1], vectors[:, -1]
        resolvent = (rest * inverse) @ rest.mH
    turned = top + resolvent @ (gram @ top)
    square = (turned.conj() @ gram @ turned).real / (turned.conj() @ turned).real
    norm: Tensor = square.sqrt()
    return norm


def ring_norm(kernel: Tensor, along: tuple[Axis, ...]) -> Tensor:
    """Operator norm of the circular convolution on the ring without aliases.

    Args:
        kernel: groups x outputs x inputs x taps.
        along: the axes, with sizes.
    """
    symbol = kernel.to(torch.complex128)
    for axis in along:
        m = axis.alias_free
        ring = torch.arange(m, device=kernel.device)
        taps = axis.dilation * torch.arange(axis.kernel, device=kernel.device)
        angles = (torch.outer(ring, taps) % m).to(torch.float64) * (2 * torch.pi / m)
        phases = torch.polar(torch.ones_like(angles), angles)
        # the frequencies that the stride identifies, next to the inputs
        phases = phases.reshape(axis.stride, m // axis.stride, axis.kernel)
        symbol = torch.tensordot(symbol, phases, dims=([3], [2]))
        symbol = symbol.movedim(-2, 3).flatten(2, 3)
    blocks = symbol.movedim((1, 2), (-2, -1)).flatten(0, -3)
    with torch.no_grad():
        which = torch.linalg.matrix_norm(blocks, 2).argmax()
    largest = largest_singular_value(blocks[which])
    result: Tensor = largest / prod(a.stride for a in along) ** 0.5
    return result.to(kernel.dtype)


class ConvMap(nn.Module):
    """``x -> s T(P(w)) x + b`` on batches ``(N, c, *sizes)``.

    Args:
        shape: of one sample.
        outputs: channels out.
        kernel: taps along each axis.
        stride: step along each axis.
        padding: zeros at both ends, or ``same``.
        dilation: distance of taps.
        groups: number of groups of channels.
        weight: ``plain``, ``weight_norm``, ``torch_weight_norm``, ``spectral``, ``operator``
            or ``standardised``.
        bias: whether b exists.
        scale: s.
        eps: the constant below the root of ``weight_norm``.
        factor: whether a trained number multiplies P, for ``standardised`` one for each row.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        kernel: int,
        stride: int,
        padding: int | Literal["same"],
        dilation: int,
        groups: int,
        weight: str,
        *,
        bias: bool,
        scale: float,
        eps: float,
        factor: bool,
    ) -> None:
        super().__init__()
        sizes = shape[1:]
        taps = [kernel] * len(sizes)
        self.along = axes(taps, sizes, stride, padding, dilation)
        self.groups, self.kind, self.scale, self.eps = groups, weight, scale, eps
        one_factor = factor and weight != "standardised"
        self.factor = nn.Parameter(torch.ones((), dtype=torch.float64)) if one_factor else None
        self.gain = None
        if weight == "torch_weight_norm" or (factor and weight == "standardised"):
            self.gain = nn.Parameter(torch.ones(outputs, dtype=torch.float64))
        # 0 has no direction and no norm to divide by
        has_zero = weight in ("plain", "weight_norm", "standardised")
        first = torch.zeros if has_zero else torch.ones
        self.weight = nn.Parameter(
            first(outputs, shape[0] // groups, *taps, dtype=torch.float64)
        )
        self.bias = nn.Parameter(torch.zeros(outputs, dtype=torch.float64)) if bias else None

    def kernel(self) -> Tensor:
        """``P(w)``, shaped as w."""
        w: Tensor = self.weight
        rows = w.flatten(1)
        match self.kind:
            case "weight_norm":
                rows = rows / torch.sqrt(self.eps + (rows * rows).sum(1, keepdim=True))
            case "standardised":
                rows = rows - rows.mean(1, keepdim=True)
                rows = rows / torch.sqrt(self.eps + (rows * rows).sum(1, keepdim=True))
                rows = rows if self.gain is None else self.gain.unsqueeze(1) * rows
            case "torch_weight_norm":
                assert self.gain is not None
                rows = (self.gain / torch.linalg.vector_norm(rows, dim=1)).unsqueeze(1) * rows
            case "spectral":
                rows = rows / largest_singular_value(rows)
            case "operator":
                grouped = w.reshape(self.groups, -1, *w.shape[1:])
                rows = rows / ring_norm(grouped, self.along)
        result = rows.reshape(w.shape)
        return result if self.factor is None else self.factor * result

    def forward(self, x: Tensor) -> Tensor:
        """Apply the map to a batch."""
        ends = [e for a in reversed(self.along) for e in (a.before, a.after)]
        padded = functional.pad(x, ends)
        stride = [a.stride for a in self.along]
        dilation = [a.dilation for a in self.along]
        convolve = functional.conv1d if len(self.along) == 1 else functional.conv2d
        kernel = self.scale * self.kernel()
        result: Tensor = convolve(
            padded, kernel, self.bias, stride, 0, dilation, self.groups
        )
        return result
