"""A convolution written out as a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govcheck.certify.conv_geometry import Padding, axes
from govcheck.certify.rounding import Matrix


def conv_matrix(
    kernel: NDArray[Any],
    sizes: Sequence[int],
    stride: int = 1,
    padding: Padding = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Matrix:
    """The matrix of a convolution on samples in row-major order, entries of the kernel as they are.

    Args:
        kernel: ``[out, in/groups, ...taps]``, correlated with the sample as in torch.
        sizes: spatial sizes of a sample.
        stride, padding, dilation: for all spatial dimensions.
        groups: blocks of channels.
    """
    lines = axes(kernel.shape[2:], sizes, stride, padding, dilation)
    outs = [line.out for line in lines]
    rows, columns = kernel.shape[0], kernel.shape[1] * groups
    result = np.zeros((rows, *outs, columns, *sizes))
    per_out, per_in = rows // groups, kernel.shape[1]
    for place in product(*map(range, outs)):
        for tap in product(*map(range, kernel.shape[2:])):
            read = tuple(
                line.stride * o + line.dilation * t - line.before
                for line, o, t in zip(lines, place, tap, strict=True)
            )
            if any(not 0 <= i < n for i, n in zip(read, sizes, strict=True)):
                continue
            for g in range(groups):
                out = slice(g * per_out, (g + 1) * per_out)
                into = slice(g * per_in, (g + 1) * per_in)
                at: tuple[slice | int, ...] = (out, *place, into, *read)
                of: tuple[slice | int, ...] = (out, slice(None), *tap)
                result[at] += kernel[of]
    return result.reshape(rows * int(np.prod(outs)), columns * int(np.prod(sizes)))
