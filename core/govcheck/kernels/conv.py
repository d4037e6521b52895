"""Sums over the patches of a convolution, on arrays that run over pixels or pairs of pixels.

For a convolution with random weights the moments at output pixels l and r are sums over the
offsets t of the kernel of the moments at input pixels l + t and r + t; a term counts only if
both lie inside the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from govcheck.kernels.dual import Array


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

    def windows(self) -> Iterator[tuple[slice, ...]]:
        """For each offset, the pixels of the padded image that it pairs with the outputs."""
        for offset in product(*(range(k) for k in self.kernel)):
            yield tuple(
                slice(self.dilation * t, self.dilation * t + self.stride * (n - 1) + 1, self.stride)
                for t, n in zip(offset, self.output, strict=True)
            )

    def summed(self, a: Array, pixels: int) -> Array:
        """Sum over the patches.

        Args:
            a: last `pixels` axes run over the pixels of the image, laid out in a row.
            pixels: 1 (equal pixels) or 2 (all pairs).
        """
        lead = a.shape[: a.ndim - pixels]
        zeros = (0,) * len(self.grid)
        rim = list(zip(self.before or zeros, self.after or zeros, strict=True)) * pixels
        image = np.pad(a.reshape(*lead, *self.grid * pixels), [(0, 0)] * len(lead) + rim)
        total = np.zeros((*lead, *self.output * pixels))
        for window in self.windows():
            places: tuple[Any, ...] = (..., *window * pixels)
            total += image[places]
        return total.reshape(*lead, *(prod(self.output),) * pixels)
