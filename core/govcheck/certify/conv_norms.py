"""Proven bounds of the operator norm of a convolution, and of `sigma_min` of a residual one.

A kernel K (outputs x inputs/groups x taps) acts on one sample by
``y[o] = sum_t K_t x[s o + d t - p]`` with zeros outside. Every bound holds for the exact
map with the given float64 numbers; rounding errors are bounded and added, under the
assumptions of `govcheck.certify.rounding`. From cheap to sharp:

* `tap_sum`: ``sum_t |K_t|_2``; each tap is a shift followed by K_t.
* `schur`: root of (largest sum of |K| into one output entry) times (largest sum out of one
  input entry).
* `unfolding`: each axis of the kernel is written next to the inputs or next to the
  outputs. A matrix W with the taps next to the inputs acts on patches, and a pixel is in
  at most ``uses`` patches, so ``|T| <= sqrt(uses) |W|_2``; with the taps next to the
  outputs, each output adds up ``reach`` entries of W x, so ``|T| <= sqrt(reach) |W|_2``.
* `free_grid`: any number of pixels. T is a part of the convolution on an infinite line,
  whose norm is the supremum of the symbol. ``Re(u^* K^(w) v)`` is, up to a phase, a real
  trigonometric polynomial of degree d (k-1)/2 in w; near a maximum M of such a polynomial
  it is at least ``M cos(degree * distance)`` (M. Riesz), hence the largest value on m
  points is at least ``M cos(pi d (k-1)/(2 m))``, for each axis in turn.
* `sized_grid`: T is a part of the circular convolution on a ring of `Axis.alias_free`
  pixels, whose norm is the largest value of the symbol on its frequencies. A ring of n
  pixels would not do: taps meet pixels across the border which zero padding keeps apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any, Final

import numpy as np
from flint import arb
from numpy.typing import NDArray

from govcheck.bounds.evaluate import ball
from govcheck.certify.conv_geometry import Axis, Padding, PerAxis, axes
from govcheck.certify.matrices import gram, lambda_max_upper, norm_upper
from govcheck.certify.rounding import (
    UNDERFLOW,
    exact,
    exact_matrix,
    gamma,
    precision,
    scaled,
)
from govcheck.certify.symbols import (
    Grid,
    Kernel,
    block_cost,
    block_hermitian_lower,
    block_norm_upper,
)

BUDGET: Final = 300_000_000_000
"""Rough number of operations for the symbol of one kernel."""


@dataclass(frozen=True)
class NormBound:
    """An upper bound of the operator norm and where it comes from.

    Args:
        upper: the bound.
        method: name of the function of this module that gave it.
    """

    upper: Fraction
    method: str


def conv_norm_upper(
    kernel: NDArray[Any],
    sizes: Sequence[int] | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    *,
    budget: int = BUDGET,
) -> NormBound:
    """The best bound of the operator norm of the zero-padded convolution.

    The sized grid is never above the tap sum and the bounds by `schur` and `unfolding` that
    hold for every size, so these are computed only where the grid would cost more than
    `budget`, or where few outputs make `unfolding` better.

    Args:
        kernel: outputs x inputs/groups x one dimension for each axis, float64.
        sizes: pixels along each axis; None for a bound that holds for all sizes.
        stride, dilation: a number, or one for each axis.
        padding: zeros at both ends: a number, one for each axis, or ``same``.
        groups: number of groups of channels that do not mix.
        budget: rough number of operations to spend on the symbol.

    Raises:
        ValueError: if the kernel has entries that are not finite, or the numbers do not
            fit together.
    """
    stack, unit = _grouped(kernel, groups)
    along = axes(kernel.shape[2:], sizes, stride, padding, dilation)
    if not stack.any():
        return NormBound(Fraction(0), "zero kernel")
    found = {"schur": schur(stack, along)}
    inner = [True] * len(along)
    generic = prod(Axis(a.kernel, a.stride, a.dilation).uses for a in along)
    uses = prod(a.uses for a in along)
    if uses == 1 or uses < generic:
        found["unfolding"] = unfolding(stack, along, inner)
    grid = _affordable(stack, along, budget) if uses > 1 else None
    if grid is not None:
        name = "free_grid" if any(a.size is None for a in grid.axes) else "sized_grid"
        found[name] = grid_bound(stack, grid)
        if block_cost(stack, grid) <= budget // 300:
            # a ring with one more pixel is alias-free as well, and sometimes better
            found[name] = min(found[name], grid_bound(stack, _wider(grid)))
    elif uses > 1:
        found["tap_sum"] = tap_sum(stack)
        found["unfolding"] = min(
            unfolding(stack, along, choice) for choice in product((True, False), repeat=len(along))
        )
    method = min(found, key=lambda name: found[name])
    return NormBound(found[method] * unit, method)


def _grouped(kernel: NDArray[Any], groups: int) -> tuple[Kernel, Fraction]:
    """The kernel as groups x outputs x inputs x taps and a power of two to multiply with."""
    if kernel.ndim < 3:
        raise ValueError(f"a kernel has at least 3 dimensions, not shape {kernel.shape}")
    outputs = kernel.shape[0]
    if groups < 1 or outputs % groups or not kernel.size:
        raise ValueError(f"{groups} groups do not divide a kernel of shape {kernel.shape}")
    flat = exact_matrix(kernel.reshape(outputs, -1))
    # entries far below the largest may underflow, see `_lost`
    small, exponent = scaled(flat)
    stack = small.reshape(groups, outputs // groups, *kernel.shape[1:])
    return stack, Fraction(2) ** exponent


def tap_sum(stack: Kernel) -> Fraction:
    """``sum_t |K_t|_2``, the largest over the groups."""
    groups, outputs, inputs = stack.shape[:3]
    taps = stack.reshape(groups, outputs, inputs, -1)
    return max(
        sum((norm_upper(group[..., t]) for t in range(group.shape[-1])), Fraction(0))
        for group in taps
    )


def schur(stack: Kernel, along: Sequence[Axis]) -> Fraction:
    """``sqrt(max_o sum_{i,t} |K| * max_i sum_{o,t} |K|)``, the largest over the groups.

    A pixel meets only the taps of one residue class modulo the stride.
    """
    size = np.abs(stack)
    into = size.reshape(*size.shape[:2], -1).sum(axis=2).max(axis=1)
    columns = size.sum(axis=1)
    out = np.zeros(len(stack))
    for part in _classes(along):
        chosen = columns[(slice(None), slice(None), *np.ix_(*part))]
        out = np.maximum(out, chosen.reshape(*chosen.shape[:2], -1).sum(axis=2).max(axis=1))
    with precision():
        # sums of at most `size.size` numbers and one product
        square = arb(float((into * out).max())) * (1 + gamma(3 * size.size))
        return exact((square.sqrt() + _lost(stack)).upper())


def _classes(along: Sequence[Axis]) -> Iterator[list[NDArray[np.int64]]]:
    """Taps along each axis that can meet one pixel, for each residue."""
    places = [
        [t for r in range(a.stride) if (t := _residue(a, r)).size] for a in along
    ]
    return map(list, product(*places))


def _residue(axis: Axis, remainder: int) -> NDArray[np.int64]:
    taps = np.arange(axis.kernel)
    chosen: NDArray[np.int64] = taps[axis.dilation * taps % axis.stride == remainder]
    return chosen


def unfolding(stack: Kernel, along: Sequence[Axis], inner: Sequence[bool]) -> Fraction:
    """``sqrt(count) |W|_2`` for one unfolding W of the kernel, the largest over the groups.

    Args:
        stack: groups x outputs x inputs x taps.
        along: the axes.
        inner: for each axis, whether its taps stand next to the inputs.
    """
    count = prod(a.uses if i else a.reach for a, i in zip(along, inner, strict=True))
    rows = [1, *(3 + j for j, i in enumerate(inner) if not i)]
    columns = [2, *(3 + j for j, i in enumerate(inner) if i)]
    tall = prod(stack.shape[j] for j in rows)
    turned = stack.transpose(0, *rows, *columns).reshape(len(stack), tall, -1)
    norms = []
    for matrix in turned:
        product_ = gram(matrix if matrix.shape[1] <= matrix.shape[0] else matrix.T)
        norms.append(lambda_max_upper(product_.matrix, product_.error))
    with precision():
        return exact(((ball(count) * ball(max(norms))).sqrt() + _lost(stack)).upper())


def grid_bound(stack: Kernel, grid: Grid) -> Fraction:
    """The largest value of the symbol on the grid over the cosines of axes without ring."""
    with precision():
        bound = block_norm_upper(stack, grid)
        for axis, points in zip(grid.axes, grid.points, strict=True):
            if axis.size is None or points < axis.alias_free:
                bound /= (arb(axis.extent - 1) / (2 * points)).cos_pi()
        return exact((bound + _lost(stack)).upper())


def _lost(stack: Kernel) -> arb:
    """What scaling may have lost to underflow in all entries together."""
    return stack.size * UNDERFLOW


def free_grid(along: Sequence[Axis], points: int) -> Grid:
    """A grid of about `points` frequencies along each axis whatever the size."""
    return Grid([Axis(a.kernel, a.stride, a.dilation) for a in along],
                [_points(a, points) for a in along], [0] * len(along))


def sized_grid(along: Sequence[Axis]) -> Grid:
    """The frequencies of the smallest rings that the convolution is a part of."""
    return Grid(along, [a.alias_free for a in along], [0] * len(along))


def _wider(grid: Grid) -> Grid:
    points = [m + a.stride for m, a in zip(grid.points, grid.axes, strict=True)]
    return Grid(grid.axes, points, grid.centre)


def _points(axis: Axis, points: int) -> int:
    """A multiple of the stride, above twice the degree so that the cosine is positive."""
    wanted = max(points, 2 * axis.extent)
    return -(-wanted // axis.stride) * axis.stride


def _affordable(stack: Kernel, along: Sequence[Axis], budget: int) -> Grid | None:
    """The rings where they are small, otherwise the finest free grid within the budget."""
    for fine in (32, 16, 8, 4, 2):
        chosen, points = [], []
        for a in along:
            free = _points(a, fine * a.extent)
            if a.size is not None and a.alias_free <= free:
                chosen.append(a)
                points.append(a.alias_free)
            else:
                chosen.append(Axis(a.kernel, a.stride, a.dilation))
                points.append(free)
        grid = Grid(chosen, points, [0] * len(along))
        if block_cost(stack, grid) <= budget:
            return grid
    return None


def residual_sigma_lower(
    kernel: NDArray[Any],
    sizes: Sequence[int] | None = None,
    dilation: PerAxis = 1,
    groups: int = 1,
    *,
    budget: int = BUDGET,
) -> Fraction:
    """Lower bound of ``sigma_min(I + T)`` for a convolution T that keeps shape.

    T has stride 1, padding ``same`` and odd kernels. The bound is
    ``1 + min lambda_min(Herm K^(w))``, K^ counted from the middle tap, since
    ``|x + T x| |x| >= Re <x, x + T x>`` and the Hermitian part of T is a part of that of the
    circular (or infinite) convolution, whose eigenvalues are those of the symbol's. On a
    ring it is never below ``1 - |T|`` with the bound of ``|T|`` on that ring, which is
    used where the symbol costs too much.

    Without rings the minimum is over all w. For a fixed v, ``v^* Herm K^(w) v`` is a
    trigonometric polynomial of degree r = (k-1)/2 along each axis; from the middle of its
    range, which has half-width ``h <= max |K^ - K_middle|``, Riesz' inequality gives a point
    of the grid within ``h (1 - cos(pi r/m))`` of the minimum, for each axis in turn.

    Args:
        kernel: channels x channels/groups x one odd dimension for each axis, float64.
        sizes: pixels along each axis; None for all sizes.
        dilation: a number, or one for each axis.
        groups: number of groups of channels that do not mix.
        budget: rough number of operations to spend on the symbol.

    Raises:
        ValueError: if T does not keep the shape, or as `conv_norm_upper`.
    """
    stack, unit = _grouped(kernel, groups)
    taps = kernel.shape[2:]
    if stack.shape[1] != stack.shape[2] or any(k % 2 == 0 for k in taps):
        raise ValueError(
            f"a kernel of shape {kernel.shape} in {groups} groups does not keep shape, "
            "or has no middle tap"
        )
    along = axes(taps, sizes, 1, "same", dilation)
    found = _affordable(stack, along, budget)
    if found is None or not stack.any():
        norm = conv_norm_upper(kernel, sizes, 1, "same", dilation, groups, budget=budget)
        return max(Fraction(0), 1 - norm.upper)
    grid = Grid(found.axes, found.points, [k // 2 for k in taps])
    with precision():
        bound = block_hermitian_lower(stack, grid)
        free = [i for i, a in enumerate(grid.axes) if a.size is None]
        if free:
            around = stack.copy()
            around[(..., *(k // 2 for k in taps))] = 0
            half = _half_width(around, along, budget)
            for i in free:
                turn = arb(along[i].extent - 1) / (2 * grid.points[i])
                bound -= half * (1 - turn.cos_pi())
        low = exact((bound - _lost(stack)).lower())
    return max(Fraction(0), 1 + low * unit)


def _half_width(around: Kernel, along: Sequence[Axis], budget: int) -> arb:
    """Upper bound of the symbol without its middle tap over all frequencies."""
    shape = around.shape
    flat = around.reshape(shape[0] * shape[1], *shape[2:])
    found = conv_norm_upper(
        flat, None, 1, 0, [a.dilation for a in along], shape[0], budget=budget
    )
    return ball(found.upper)
