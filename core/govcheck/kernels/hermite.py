"""Trapezoidal rule for Hermite coefficients, with a proven bound of its error.

With ``h_k`` the Hermite polynomials orthonormal under the standard normal density n, the
coefficient ``a_k = E f(sqrt(q) Z) h_k(Z)`` is the integral of ``f(sqrt(q) z) h_k(z) n(z)``.
If f is analytic on a strip, the trapezoidal rule with step h errs by at most
``2 M/(exp(2 pi y/h) - 1)`` with M the integral of the modulus along ``Im z = y`` (Trefethen
and Weideman, The exponentially convergent trapezoidal rule, theorem 5.1). There
``|n(x + iy)| = exp(y^2/2) n(x)``, and ``E |h_k(Z + iy)|^2 = L_k(-y^2)``, a Laguerre
polynomial, because ``He_k(x + iy)`` is the binomial sum of ``(iy)^(k-j) He_j(x)``. The
nodes left out beyond ``|z| > Z`` are few: ``|h_k(x)| <= 1.0865 exp(x^2/4)`` (Cramér).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from govcheck.kernels.dual import Array

CRAMER: Final = 1.0865
REACH: Final = 14
COARSEST: Final = 3
FINEST: Final = 10


@dataclass(frozen=True, eq=False)
class Table:
    """Nodes, weights and weighted Hermite functions of one resolution.

    Args:
        nodes: the z, step ``2**-level``.
        weights: ``h n(z)``.
        hermite: ``h n(z) h_k(z)``, nodes x (degree + 1).
    """

    nodes: Array
    weights: Array
    hermite: Array


@lru_cache(maxsize=32)
def table(level: int, reach: int, degree: int) -> Table:
    """The rule with step ``2**-level`` on [-reach, reach], for coefficients up to `degree`."""
    step = 2.0**-level
    z = np.arange(-reach * 2**level, reach * 2**level + 1) * step
    weights = step / math.sqrt(2 * math.pi) * np.exp(-(z**2) / 2)
    return Table(z, weights, hermite_functions(z, degree) * weights[:, None])


def hermite_functions(z: Array, degree: int) -> Array:
    """Orthonormal Hermite polynomials at z, one column for each degree."""
    result = np.empty((len(z), degree + 1))
    before, now = np.zeros_like(z), np.ones_like(z)
    for k in range(degree + 1):
        result[:, k] = now
        before, now = now, (z * now - math.sqrt(k) * before) / math.sqrt(k + 1)
    return result


@lru_cache(maxsize=4096)
def laguerre(k: int, t: float) -> float:
    """``log L_k(-t)`` for t >= 0; the polynomial grows with k and t."""
    log, before, now = 0.0, 0.0, 1.0
    for j in range(k):
        before, now = now, ((2 * j + 1 + t) * now - j * before) / (j + 1)
        if now > 1e100:
            log, before, now = log + math.log(now), before / now, 1.0
    return log + math.log(now)


def rule_error(level: int, reach: int, degree: int, size: float, growth: float, y: float) -> float:
    """Bound of the error of the coefficients up to `degree`.

    Args:
        level, reach, degree: of the table.
        size, growth: ``|f(sqrt(q) (x + iy'))| <= size + growth |x|`` for ``|y'| <= y``.
        y: half the width of the strip in z.
    """
    exponent = 2 * math.pi * y * 2.0**level
    log = math.log(2 * (size + growth)) + (y * y + laguerre(degree, y * y)) / 2
    log -= exponent + math.log1p(-math.exp(-exponent))
    # the sum over nodes beyond `reach` of a decreasing function
    first = reach + 2.0**-level
    step = 2.0**-level
    ratio = math.exp(-first * step / 2) * (1 + step / first)
    term = step * CRAMER / math.sqrt(2 * math.pi) * (size + growth * first)
    tail = 2 * term * math.exp(-first * first / 4) / (1 - ratio)
    return math.exp(min(log, 700.0)) + tail
