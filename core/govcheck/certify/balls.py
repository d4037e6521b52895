"""Smallest eigenvalues in ball arithmetic: slow, and as close as one likes."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
from flint import arb_mat
from numpy.typing import ArrayLike

from govcheck.bounds.evaluate import ball
from govcheck.certify.rounding import exact_matrix, precision
from govcheck.certify.symmetric import lambda_min_lower

BITS: Final = 256
STEPS: Final = 64
CLOSE: Final = Fraction(1, 2**60)
SMALL: Final = 4


def lambda_min_ball(s: ArrayLike, error: float | Fraction = 0) -> Fraction:
    """Lower bound of the smallest eigenvalue of every symmetric matrix near `s`.

    ``s - t`` is proved to be positive definite by elimination in ball arithmetic, for the
    largest t that bisection finds: with error 0 the result is within about 2^-60 of the norm.

    Args:
        s: symmetric matrix, at least 1 by 1; it takes seconds for 100 rows.
        error: operator norm of the difference that is allowed for.

    Raises:
        ValueError: as `lambda_min_lower`.
    """
    low = lambda_min_lower(s)
    matrix = exact_matrix(s)
    largest = Fraction(float(np.abs(matrix).max()))
    high = min(Fraction(float(v)) for v in np.diag(matrix))
    if not largest or low >= high:
        return low - Fraction(error)
    # computed eigenvalues are off by some roundings, so the first points are on both sides
    near, step = Fraction(float(np.linalg.eigvalsh(matrix)[0])), largest / 2**46
    with precision(BITS):
        exact = arb_mat([[ball(v) for v in row] for row in matrix.tolist()])
        identity = arb_mat([[int(i == j) for j in range(len(matrix))] for i in range(len(matrix))])
        points = [near - step, near + step]
        for _ in range(STEPS):
            if high - low <= CLOSE * largest:
                break
            t = points.pop(0) if points else (low + high) / 2
            if not low < t < high:
                continue
            if positive_definite(exact - identity * ball(t)):
                low = t
            else:
                high = t
    return low - Fraction(error)


def positive_definite(s: arb_mat) -> bool:
    """Whether every symmetric matrix with entries in these balls is proved positive definite."""
    n = s.nrows()
    if n <= SMALL:
        return _pivots(s)
    k = n // 2
    a, b, c = _part(s, 0, k, 0, k), _part(s, 0, k, k, n), _part(s, k, n, k, n)
    if not positive_definite(a):
        return False
    try:
        reduced = c - b.transpose() * a.solve(b)
    except ZeroDivisionError:
        return False
    return positive_definite(reduced)


def _pivots(s: arb_mat) -> bool:
    rows = [[s[i, j] for j in range(s.ncols())] for i in range(s.nrows())]
    for i, row in enumerate(rows):
        if not row[i] > 0:
            return False
        for below in rows[i + 1 :]:
            factor = below[i] / row[i]
            for j in range(i + 1, len(rows)):
                below[j] -= factor * row[j]
    return True


def _part(s: arb_mat, top: int, bottom: int, left: int, right: int) -> arb_mat:
    return arb_mat([[s[i, j] for j in range(left, right)] for i in range(top, bottom)])
