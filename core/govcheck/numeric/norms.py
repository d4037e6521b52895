"""Normalisation in torch, in operations that differentiate to any order.

``torch.nn.functional.batch_norm`` is not used: some compositions of its derivatives, such as
a forward derivative of a gradient, are wrong without an error.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from govcheck.numeric.distributed import batch_mean


def normalised(x: Tensor, dims: tuple[int, ...], eps: float, *, centre: bool) -> Tensor:
    """``x / sqrt(eps + mean x^2)`` over dimensions, after subtracting the mean if `centre`."""
    if centre:
        x = x - batch_mean(x, dims)
    return x / torch.sqrt(eps + batch_mean(x * x, dims))


class _Scaled(nn.Module):
    """A trained scale, at first 1, and a trained bias, at first 0."""

    def __init__(
        self, scale: tuple[int, ...] | None, broadcast: tuple[int, ...] | None, *, bias: bool
    ) -> None:
        super().__init__()
        self.broadcast = broadcast
        self.scale = self.bias = None
        if scale is not None:
            self.scale = nn.Parameter(torch.ones(scale, dtype=torch.float64))
            if bias:
                self.bias = nn.Parameter(torch.zeros(scale, dtype=torch.float64))

    def scaled(self, x: Tensor) -> Tensor:
        """Times the scale, plus the bias."""
        if self.scale is not None:
            x = x * self.scale.reshape(self.broadcast or ())
        return x if self.bias is None else x + self.bias.reshape(self.broadcast or ())


class Normalise(_Scaled):
    """Groups of entries normalised by their own statistics.

    Args:
        dims: dimensions of a batch that a group runs over.
        eps: added to the (biased) variance.
        scale: shape of scale and bias; None for neither.
        broadcast: their shape against a sample.
        centre: subtract the mean; without it there is no bias.
        groups: split each sample into so many equal parts, in order, before.
    """

    def __init__(
        self,
        dims: tuple[int, ...],
        eps: float,
        *,
        scale: tuple[int, ...] | None,
        broadcast: tuple[int, ...] | None,
        centre: bool = True,
        groups: int | None = None,
    ) -> None:
        super().__init__(scale, broadcast, bias=centre)
        self.dims, self.eps, self.centre, self.groups = dims, eps, centre, groups

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch ``(N, *sample)``."""
        parts = x if self.groups is None else x.reshape(x.shape[0], self.groups, -1)
        n = normalised(parts, self.dims, self.eps, centre=self.centre)
        return self.scaled(n.reshape(x.shape))


class FixedNorm(_Scaled):
    """Channels normalised by given statistics.

    Args:
        mean: of every channel.
        variances: of the first and the last channel, evenly spaced in between.
        eps: added to the variances.
        affine: whether scale and bias exist.
        broadcast: shape of a number for each channel against a sample.
    """

    def __init__(
        self,
        mean: float,
        variances: tuple[float, float],
        eps: float,
        *,
        affine: bool,
        broadcast: tuple[int, ...],
    ) -> None:
        channels = broadcast[0]
        super().__init__((channels,) if affine else None, broadcast, bias=True)
        self.register_buffer("mean", torch.full(broadcast, mean, dtype=torch.float64))
        running = torch.linspace(*variances, channels, dtype=torch.float64)
        self.register_buffer("root", torch.sqrt(eps + running).reshape(broadcast))

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a batch ``(N, *sample)``."""
        return self.scaled((x - self.get_buffer("mean")) / self.get_buffer("root"))
