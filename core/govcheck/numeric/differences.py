"""Steepest differences of a map, found without derivatives.

Automatic differentiation is silent about jumps: it says that the derivative of relu is
constant, and that the sign function is. Differences over shorter and shorter distances
are not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from govcheck.numeric.derivatives import Function, gradients, unit

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Slope:
    """The steepest difference found.

    Args:
        value: ``|g(b) - g(a)| / |b - a|``.
        error: a generous bound of the rounding in it.
        distance: ``|b - a|``.
    """

    value: float
    error: float
    distance: float


def steepest(g: Map, a: Tensor, b: Tensor, halvings: int = 14) -> Slope:
    """Halve a segment again and again, keeping the steeper half.

    One half is at least as steep as the whole, so that the slope grows without bound towards
    a jump of g and never falls.

    Args:
        g: a map between vectors.
        a: one end.
        b: the other end.
        halvings: the last segment is ``2^-halvings`` of the first.
    """
    ga, gb = g(a), g(b)
    best = _slope(a, b, ga, gb)
    for _ in range(halvings):
        middle = (a + b) / 2
        gm = g(middle)
        left, right = _slope(a, middle, ga, gm), _slope(middle, b, gm, gb)
        if left.value >= right.value:
            b, gb, here = middle, gm, left
        else:
            a, ga, here = middle, gm, right
        if here.value - here.error > best.value - best.error:
            best = here
    return best


def _slope(a: Tensor, b: Tensor, ga: Tensor, gb: Tensor) -> Slope:
    distance = float(torch.linalg.vector_norm(b - a))
    if distance == 0:
        return Slope(0.0, 0.0, 0.0)
    size = float(torch.linalg.vector_norm(ga) + torch.linalg.vector_norm(gb))
    value = float(torch.linalg.vector_norm(gb - ga)) / distance
    return Slope(value, 1e-11 * size / distance, distance)


def steepest_of(f: Function, quantity: str, points: Sequence[tuple[Tensor, Tensor]]) -> Slope:
    """The steepest difference that a first or second derivative has to account for.

    Segments join points with each other and with their reflections at the origin, which
    crosses the places where entries change sign.

    Args:
        f: the map.
        quantity: ``J``, ``D``, ``xx``, ``xt`` or ``tt``.
        points: parameters and batch, in a convex set that is symmetric in the batch.
    """
    best = Slope(0.0, 0.0, 0.0)
    others = [*points[1:], points[0]]
    in_batch = quantity in ("J", "xx")
    generator = torch.Generator().manual_seed(0)
    for (theta, x), (theta2, x2) in zip(points, others, strict=True):
        with torch.no_grad():
            size = f(theta, x).shape
        v = unit(torch.randn(size, generator=generator, dtype=torch.float64))
        g = _map(f, quantity, theta, x, v)
        ends = [(x, x2), (x, -x)] if in_batch else [(theta, theta2)]
        for a, b in ends:
            found = steepest(g, a, b)
            if found.value - found.error > best.value - best.error:
                best = found
    return best


def _map(f: Function, quantity: str, theta: Tensor, x: Tensor, v: Tensor) -> Map:
    """The map whose slope the quantity bounds: f, or a gradient of ``<f, v>``."""

    def values(moved: Tensor) -> Tensor:
        with torch.no_grad():
            return f(theta, moved) if quantity == "J" else f(moved, x)

    def gradient(moved: Tensor) -> Tensor:
        t = (theta if quantity == "xx" else moved).detach().requires_grad_()
        b = (moved if quantity == "xx" else x).detach().requires_grad_()
        slot = t if quantity == "tt" else b
        return gradients((f(t, b) * v).sum(), (slot,))[0]

    return values if quantity in ("J", "D") else gradient
