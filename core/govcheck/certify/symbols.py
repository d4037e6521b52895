"""The symbol of a convolution on a grid of frequencies, with proven errors.

The symbol of a kernel is ``K^(w) = sum_t K_t exp(i <w, d t>)``. On a ring of m pixels, m a
multiple of the stride s, the discrete Fourier transform splits the strided convolution
into the blocks

    [K^(w + 2 pi a/s)]_{0 <= a < s} / sqrt(s),    w = 2 pi j/m,  0 <= j < m/s,

along one axis, and into their products along several: the outputs see the frequencies
w + 2 pi a/s as one. Blocks at -w are conjugate to those at w and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from flint import arb
from numpy.typing import NDArray

from govcheck.certify.conv_geometry import Axis
from govcheck.certify.hermitian import Stack, gram_stack, largest_frobenius, least_eigenvalue
from govcheck.certify.rounding import UNDERFLOW, UNIT, gamma, precision

Kernel = NDArray[np.float64]
"""Groups x outputs x inputs x one dimension for each axis, entries of at most 1."""

CHUNK = 2**19
"""Entries of the blocks that are held at once."""


@dataclass(frozen=True)
class Grid:
    """Frequencies ``2 pi J/m`` along each axis.

    Args:
        axes: stride and dilation along each axis.
        points: m along each axis, a multiple of the stride.
        centre: tap that counts as the origin along each axis.
    """

    axes: Sequence[Axis]
    points: Sequence[int]
    centre: Sequence[int]

    @property
    def period(self) -> tuple[int, ...]:
        """Frequencies along each axis that are not identified by the stride."""
        return tuple(m // a.stride for m, a in zip(self.points, self.axes, strict=True))

    @property
    def aliases(self) -> int:
        """Frequencies in one block."""
        return prod(a.stride for a in self.axes)

    def frequencies(self) -> NDArray[np.int64]:
        """Indices of the blocks, blocks x axes, one of each conjugate pair."""
        period = np.array(self.period)
        every = np.stack(np.meshgrid(*map(np.arange, period), indexing="ij"), -1)
        every = every.reshape(-1, len(period))
        place = np.array([prod(period[i + 1 :]) for i in range(len(period))])
        half: NDArray[np.int64] = every[every @ place <= (-every % period) @ place]
        return half

    def phases(self, frequencies: NDArray[np.int64]) -> NDArray[np.complex128]:
        """``exp(i <w, d (t - centre)>)``, blocks x aliases x taps, up to `phase_error`."""
        strides = [np.arange(a.stride) for a in self.axes]
        shift = np.stack(np.meshgrid(*strides, indexing="ij"), -1).reshape(-1, len(strides))
        index = frequencies[:, None] + shift * np.array(self.period)
        result = np.ones((*index.shape[:2], 1), dtype=np.complex128)
        for i, axis in enumerate(self.axes):
            taps = axis.dilation * (np.arange(axis.kernel) - self.centre[i])
            turn = _circle(self.points[i])[index[..., i, None] * taps % self.points[i]]
            result = (result[..., :, None] * turn[..., None, :]).reshape(*index.shape[:2], -1)
        return result

    @property
    def phase_error(self) -> arb:
        """Bound of the error of one phase.

        Each factor is within ``2 sqrt2 u`` (both parts within the last place), each of the
        products, the first by 1 included, adds ``sqrt2 gamma_2``: below 6u for each axis.
        """
        return 8 * len(self.axes) * UNIT


def _circle(points: int) -> NDArray[np.complex128]:
    """``exp(2 pi i r/points)``, each part within ``2u``."""
    with precision():
        angles = [2 * arb(r) / points for r in range(points)]
        return np.array([complex(float(a.cos_pi().mid()), float(a.sin_pi().mid()))
                         for a in angles])


@dataclass(frozen=True)
class Blocks:
    """Some blocks of the symbol, times ``sqrt(s)``: outputs x (aliases * inputs) each.

    Args:
        re, im: real and imaginary parts.
        error: bound of the error of each block in Frobenius norm.
    """

    re: Stack
    im: Stack
    error: arb


def symbol_blocks(kernel: Kernel, grid: Grid) -> Iterator[Blocks]:
    """All blocks, so many at once as fit into `CHUNK` entries."""
    groups, outputs, inputs = kernel.shape[:3]
    taps = np.ascontiguousarray(np.moveaxis(kernel.reshape(groups, outputs, inputs, -1), -1, 0))
    count = len(taps)
    flat = taps.reshape(count, -1)
    # sums of absolute values, rounded up
    bulk = largest_frobenius(np.abs(taps).sum(axis=0)) * (1 + gamma(count + 1))
    relative = arb(2).sqrt() * gamma(count) * (1 + grid.phase_error) + grid.phase_error
    width = grid.aliases * inputs
    with precision():
        tiny = 4 * count * outputs * width * UNDERFLOW
        error = (relative * arb(grid.aliases).sqrt() * bulk + tiny).upper()
    every = grid.frequencies()
    step = max(1, CHUNK // (groups * outputs * width))
    for start in range(0, len(every), step):
        phases = grid.phases(every[start : start + step])
        parts = []
        for part in (phases.real, phases.imag):
            values = np.ascontiguousarray(part).reshape(-1, count) @ flat
            values = values.reshape(len(phases), grid.aliases, groups, outputs, inputs)
            values = values.transpose(0, 2, 3, 1, 4)
            parts.append(values.reshape(-1, outputs, width))
        yield Blocks(parts[0], parts[1], error)


def block_cost(kernel: Kernel, grid: Grid) -> int:
    """Rough number of operations that `block_norm_upper` needs."""
    groups, outputs, inputs = kernel.shape[:3]
    width = grid.aliases * inputs
    small, large = min(outputs, width), max(outputs, width)
    blocks = groups * (prod(grid.period) // 2 + 1)
    each = 8 * small**2 * large + 12 * small**3 + 4 * kernel[0].size * grid.aliases
    return int(blocks * each)


def block_norm_upper(kernel: Kernel, grid: Grid) -> arb:
    """Upper bound of the largest operator norm of the blocks, ``1/sqrt(s)`` included."""
    with precision():
        square, shift, error = arb(0), None, arb(0)
        for blocks in symbol_blocks(kernel, grid):
            re, im = blocks.re, blocks.im
            if re.shape[1] > re.shape[2]:
                # a matrix and its transpose have the same norm
                re, im = re.swapaxes(1, 2), im.swapaxes(1, 2)
            gram_re, gram_im, rounding = gram_stack(re, im)
            floor = least_eigenvalue(-gram_re, -gram_im, shift)
            shift = floor.shift if shift is None else min(shift, floor.shift)
            square = square.max(rounding - floor.bound)
            error = blocks.error
        return ((square.sqrt() + error) / arb(grid.aliases).sqrt()).upper()


def block_hermitian_lower(kernel: Kernel, grid: Grid) -> arb:
    """Lower bound of the eigenvalues of the Hermitian parts ``(B + B^*)/2`` of the blocks.

    Needs as many outputs as inputs, and strides 1.
    """
    with precision():
        bound, shift = None, None
        for blocks in symbol_blocks(kernel, grid):
            re = (blocks.re + blocks.re.swapaxes(1, 2)) / 2
            im = (blocks.im - blocks.im.swapaxes(1, 2)) / 2
            floor = least_eigenvalue(re, im, shift)
            shift = floor.shift if shift is None else min(shift, floor.shift)
            rounding = largest_frobenius(blocks.re, blocks.im) * UNIT / (1 - UNIT)
            here = floor.bound - blocks.error - rounding
            bound = here if bound is None else bound.min(here)
        assert bound is not None
        return bound.lower()
