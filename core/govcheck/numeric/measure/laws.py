"""Limits of the distribution of singular values of large Gaussian matrices.

A is n x n with independent entries of mean 0 and standard deviation ``std``, and
``tau = std sqrt(n)``; as n grows the singular values of A and of ``Id + A`` follow laws that
depend on tau alone. Nothing random is used here, and no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

POINTS: Final = 4000


def gaussian_cdf(s: Array | float, tau: float) -> Array:
    """Quarter circle: ``(2/pi)(asin x + x sqrt(1 - x^2))`` with ``x = s/(2 tau)``.

    Args:
        s: where.
        tau: standard deviation of an entry, times the root of n.

    Raises:
        ValueError: unless tau is positive.
    """
    _check(tau)
    x = np.clip(np.asarray(s, dtype=float) / (2 * tau), 0.0, 1.0)
    found: Array = 2 / math.pi * (np.arcsin(x) + x * np.sqrt(1 - x * x))
    return found


def shifted_edges(tau: float) -> tuple[float, float]:
    """Ends of the law of ``Id + A``: ``s^2 = (-q -+ sqrt(q^2 - 64 (1 - a)^3))/8``, a = tau^2,
    ``q = (1 - a)^2 + 18 (1 - a) - 27``; the lower end is 0 from tau = 1 on.

    Raises:
        ValueError: unless tau is positive.
    """
    _check(tau)
    a = tau * tau
    q = (1 - a) ** 2 + 18 * (1 - a) - 27
    # the discriminant is (1 - b)(9 - b)^3 with b = 1 - a, without cancellation
    root = math.sqrt(a * (8 + a) ** 3)
    high = (-q + root) / 8
    low = (1 - a) ** 3 / high if a < 1 else 0.0
    return math.sqrt(low), math.sqrt(high)


def shifted_density(s: Array | float, tau: float) -> Array:
    """Density of the singular values of ``Id + A``: ``2 s Im u/(pi tau^2)``.

    u is the root in the upper half-plane of ``-s^2 u^3 + s^2 u^2 + (1 - tau^2) u - 1 = 0``.

    Args:
        s: where, not negative.
        tau: as in `gaussian_cdf`.

    Raises:
        ValueError: unless tau is positive.
    """
    low, high = shifted_edges(tau)
    at = np.asarray(s, dtype=float)
    inside = (at > low) & (at < high)
    x: Array = np.where(inside, at, (low + high) / 2)
    # eigenvalues of the companion matrix of the monic cubic
    square = (x * x).reshape(-1)
    companion = np.zeros((square.size, 3, 3))
    companion[:, 0, 0] = 1.0
    companion[:, 0, 1] = (1 - tau * tau) / square
    companion[:, 0, 2] = -1 / square
    companion[:, 1, 0] = companion[:, 2, 1] = 1.0
    u = np.linalg.eigvals(companion)
    imaginary = u.imag.max(axis=1).reshape(x.shape)
    found: Array = np.where(inside, 2.0 * x * imaginary / (math.pi * tau * tau), 0.0)
    return found


@dataclass(frozen=True, eq=False)
class Law:
    """A distribution function on a grid, linear in between.

    Args:
        places: ascending.
        values: of the distribution function.
    """

    places: Array
    values: Array

    def at(self, s: Array | float) -> Array:
        """The distribution function."""
        found = np.interp(s, self.places, self.values, left=0.0, right=1.0)
        return np.asarray(found)


def shifted_law(tau: float) -> Law:
    """The law of the singular values of ``Id + A``, to about 1e-5.

    Raises:
        ValueError: unless tau is positive.
    """
    low, high = shifted_edges(tau)
    # places gather at both ends, where the density is like a root
    angle = np.linspace(0, math.pi, POINTS)
    places = low + (high - low) * (1 - np.cos(angle)) / 2
    slope = shifted_density(places, tau) * (high - low) / 2 * np.sin(angle)
    mass = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(angle))])
    return Law(places, mass / mass[-1])


def distance(values: Array, cdf: Array) -> float:
    """Kolmogorov distance of a sample from a continuous law.

    Args:
        values: the sample, ascending.
        cdf: the law's distribution function at these values.
    """
    n = len(values)
    steps = np.arange(n + 1) / n
    return float(max(np.abs(steps[1:] - cdf).max(), np.abs(cdf - steps[:-1]).max()))


def _check(tau: float) -> None:
    if not tau > 0:
        raise ValueError("tau is positive")
