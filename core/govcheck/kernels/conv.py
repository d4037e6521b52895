"""Sums over the patches of a convolution, on arrays that run over pixels or pairs of pixels.

For a convolution with random weights the moments at output pixels l and r are sums over the
offsets t of the kernel of the moments at input pixels l + t and r + t; a term counts only if
both lie inside the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Final

import numpy as np

from govcheck.kernels.dual import Array

DENSE: Final = 144
"""Up to this many pixels a product with the matrix is faster than adding shifted images."""


@dataclass(frozen=True)
class Patches:
    """Where a convolution looks.

    Args:
        grid: number of input pixels in each dimension.
        kernel: offsets in each dimension.
        stride, dilation: of the convolution.
        before: rows of zeros before the image, in each dimension.
        after: and after it.
    """

    grid: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: int = 1
    dilation: int = 1
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    @classmethod
    def same(cls, grid: tuple[int, ...], kernel: tuple[int, ...], dilation: int = 1) -> Patches:
        """Stride 1 with zeros such that the output has the size of the input, as in torch."""
        total = tuple(dilation * (k - 1) for k in kernel)
        before = tuple(t // 2 for t in total)
        after = tuple(t - b for t, b in zip(total, before, strict=True))
        return cls(grid, kernel, 1, dilation, before, after)

    @property
    def output(self) -> tuple[int, ...]:
        """Number of output pixels in each dimension."""
        zeros = (0,) * len(self.grid)
        before, after = self.before or zeros, self.after or zeros
        return tuple(
            (n + b + a - self.dilation * (k - 1) - 1) // self.stride + 1
            for n, k, b, a in zip(self.grid, self.kernel, before, after, strict=True)
        )

    def summed(self, a: Array, pixels: int) -> Array:
        """Sum over the patches.

        Args:
            a: last `pixels` axes run over the pixels of the image, laid out in a row.
            pixels: 1 (equal pixels) or 2 (all pairs).
        """
        if pixels == 1 and prod(self.grid) <= DENSE:
            product: Array = a @ _matrix(self)
            return product
        return self._by_offsets(a, pixels)

    def _by_offsets(self, a: Array, pixels: int) -> Array:
        lead = a.shape[: a.ndim - pixels]
        dims, zeros = len(self.grid), (0,) * len(self.grid)
        total = a.reshape(*lead, *self.grid * pixels)
        # an offset is the sum of offsets along each dimension, taken one after the other
        for d, (k, out, before) in enumerate(
            zip(self.kernel, self.output, self.before or zeros, strict=True)
        ):
            axes = [len(lead) + d + i * dims for i in range(pixels)]
            total = self._along(total, axes, k, out, before)
        return total.reshape(*lead, *(prod(self.output),) * pixels)

    def _along(self, a: Array, axes: list[int], kernel: int, out: int, before: int) -> Array:
        """Sum over the offsets along one dimension, which all of these axes run over."""
        n, s = a.shape[axes[0]], self.stride
        shape = [out if i in axes else size for i, size in enumerate(a.shape)]
        total = np.zeros(shape)
        for t in range(kernel):
            shift = self.dilation * t - before
            first = max(0, -(shift // s))
            last = min(out - 1, (n - 1 - shift) // s)
            if first > last:
                continue
            to, of = [slice(None)] * a.ndim, [slice(None)] * a.ndim
            for axis in axes:
                to[axis] = slice(first, last + 1)
                of[axis] = slice(s * first + shift, s * last + shift + 1, s)
            total[tuple(to)] += a[tuple(of)]
        return total


@lru_cache(maxsize=32)
def _matrix(patches: Patches) -> Array:
    """Which input pixels are in the patches of which outputs: inputs x outputs."""
    return patches._by_offsets(np.eye(prod(patches.grid)), 1)
