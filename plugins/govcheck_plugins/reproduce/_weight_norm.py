"""Derivatives of a weight-normalised layer ``w X/sqrt(eps + |row of w|^2)``, and their sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def rows(w: Array, eps: float) -> Array:
    """``w/sqrt(eps + |row|^2)``."""
    value: Array = w / np.sqrt(eps + (w * w).sum(axis=1, keepdims=True))
    return value


def first(row: Array, eps: float) -> Array:
    """Derivative of one normalised row, d0 x d0."""
    q = eps + row @ row
    value: Array = np.eye(len(row)) / q**0.5 - np.outer(row, row) / q**1.5
    return value


def second(row: Array, eps: float) -> Array:
    """Second derivative of one normalised row, d0 x d0 x d0."""
    q, d = eps + row @ row, np.eye(len(row))
    mixed = (d[:, :, None] * row + d[:, None, :] * row[:, None] + d[None] * row[:, None, None])
    value: Array = 3 * np.einsum("i,j,k->ijk", row, row, row) / q**2.5 - mixed / q**1.5
    return value


def bilinear(tensor: Array, draw: np.random.Generator, tries: int = 4) -> float:
    """The norm ``max |T[u, v]|`` of a symmetric bilinear map, by alternating maximisation."""
    best = 0.0
    for _ in range(tries):
        u = draw.standard_normal(len(tensor))
        for _ in range(60):
            value = np.linalg.svd(np.einsum("ijk,k->ij", tensor, u / np.linalg.norm(u)))
            u = value[2][0]
            best = max(best, float(value[1][0]))
    return best


def climb(
    value: Callable[[Array], float], start: Array, draw: np.random.Generator, steps: int
) -> float:
    """The largest value found by random steps that are kept when they help."""
    at, best, size = start, value(start), 0.5 * float(np.linalg.norm(start)) + 0.1
    for _ in range(steps):
        moved = at + size * draw.standard_normal(at.shape)
        now = value(moved)
        if now > best:
            at, best, size = moved, now, 1.6 * size
        else:
            size *= 0.9
            if size < 1e-8:
                size = 0.3 * float(np.linalg.norm(at)) + 0.1
    return best
