"""Extremes of a function of one variable and its derivatives, by dense search."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

Scalars = Callable[[Tensor], Tensor]

REACH = 1e3
"""The line is searched densely up to here, and sparsely up to 1e8."""


@cache
def line() -> Tensor:
    """Points all over the line, dense near 0."""
    scales = torch.logspace(-9, 8, 600, dtype=torch.float64)
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

    All points are tried, then the surroundings of the best five more and more finely.

    Args:
        f: entrywise; a value that is no number counts as infinite.
        x: where to look; everywhere when omitted.
    """
    points = line() if x is None else x
    low, high = float(points.min()), float(points.max())
    y = _values(f, points)
    best, place = float(y.max()), float(points[y.argmax()])
    for start in points[y.topk(min(5, len(y))).indices]:
        centre, width = start, 0.02 * max(1.0, abs(float(start)))
        for _ in range(12):
            near = (centre + width * torch.linspace(-1, 1, 101, dtype=torch.float64)).clamp(
                low, high
            )
            value = _values(f, near)
            centre = near[value.argmax()]
            if float(value.max()) > best:
                best, place = float(value.max()), float(centre)
            width /= 8
    return best, place


def _values(f: Scalars, x: Tensor) -> Tensor:
    return torch.nan_to_num(f(x), nan=torch.inf, posinf=torch.inf)
