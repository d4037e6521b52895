"""Extremes of a function of one variable and its derivatives, by dense search."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

Scalars = Callable[[Tensor], Tensor]

REACH = 1e3
"""The line is searched in equal steps up to here."""
FAR = 13
"""The line is searched in equal ratios up to this power of ten."""


@cache
def line() -> Tensor:
    """Points all over the line, dense near 0, 400 in each decade beyond 1."""
    scales = torch.cat([
        torch.logspace(-9, 0, 200, dtype=torch.float64),
        torch.logspace(0, FAR, 400 * FAR + 1, dtype=torch.float64),
    ])
    return torch.cat([
        torch.linspace(-40, 40, 20_001, dtype=torch.float64),
        torch.linspace(-REACH, REACH, 40_001, dtype=torch.float64),
        scales,
        -scales,
    ])


def derivatives(phi: Scalars, x: Tensor, order: int) -> list[Tensor]:
    """``phi, phi', ...`` up to an order at the points x, each by itself."""
    x = x.clone().requires_grad_()
    out = [phi(x)]
    for _ in range(order):
        if not out[-1].requires_grad:
            out.append(torch.zeros_like(x))
            continue
        (d,) = torch.autograd.grad(out[-1].sum(), x, create_graph=True, allow_unused=True)
        out.append(torch.zeros_like(x) if d is None else d)
    return [o.detach() for o in out]


def largest(f: Scalars, x: Tensor | None = None) -> tuple[float, float]:
    """The largest value of f found, and where.

    All points are tried, then the surroundings of the best five of all and of the best in
    each decade on each side more and more finely: a small bump far out may rise from points
    that are not among the best.

    Args:
        f: entrywise; a value that is no number counts as infinite.
        x: where to look; everywhere when omitted.
    """
    points = line() if x is None else x
    low, high = float(points.min()), float(points.max())
    y = _values(f, points)
    best, place = float(y.max()), float(points[y.argmax()])
    centre = points[_starts(points, y)]
    width = 0.02 * centre.abs().clamp_min(1.0)
    spread = torch.linspace(-1, 1, 101, dtype=torch.float64)
    for _ in range(12):
        near = (centre[:, None] + width[:, None] * spread).clamp(low, high)
        value = _values(f, near.reshape(-1)).reshape(near.shape)
        top, column = value.max(1)
        centre = near.gather(1, column[:, None])[:, 0]
        if float(top.max()) > best:
            best, place = float(top.max()), float(centre[top.argmax()])
        width = width / 8
    return best, place


def _starts(points: Tensor, y: Tensor) -> Tensor:
    """Indices of the best five points and of the best in each decade beyond 10."""
    decade = points.abs().clamp_min(1.0).log10().floor() * points.sign()
    found = [y.topk(min(5, len(y))).indices]
    for d in sorted(set(decade.tolist())):
        inside = (decade == d).nonzero()[:, 0]
        if abs(d) >= 1:
            found.append(inside[y[inside].argmax()][None])
    return torch.cat(found)


def _values(f: Scalars, x: Tensor) -> Tensor:
    return torch.nan_to_num(f(x), nan=torch.inf, posinf=torch.inf)
