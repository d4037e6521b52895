"""Proven bounds of the extreme eigenvalues of symmetric float64 matrices.

For any matrix L, ``S - t = L L^T + E`` gives ``lambda_min(S) >= t - |E|``, however L was
found: the Cholesky factor in float64 is as good as any, and E is bounded with its rounding
errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb
from numpy.typing import ArrayLike

from govcheck.bounds.evaluate import ball
from govcheck.certify.rounding import (
    UNDERFLOW,
    UNIT,
    Matrix,
    exact,
    exact_matrix,
    frobenius,
    frobenius_upper,
    gamma,
    precision,
    product_error,
    scaled,
)

Number = float | Fraction


@dataclass(frozen=True, eq=False)
class Gram:
    """A float64 matrix within `error` (operator norm) of ``A^T A``."""

    matrix: Matrix
    error: Fraction


def gram(a: ArrayLike) -> Gram:
    """``A^T A`` in float64 with a proven bound of its rounding error.

    Raises:
        ValueError: if `a` is not a finite matrix or the squares of its entries overflow.
    """
    matrix = exact_matrix(a)
    with precision(), np.errstate(over="ignore", invalid="ignore"):
        computed = matrix.T @ matrix
        # one triangle decides, so that the result is symmetric whatever routine made it
        product = np.tril(computed) + np.tril(computed, -1).T
        if not np.isfinite(product).all():
            raise ValueError("the entries are too large for their squares in float64")
        norm = frobenius(matrix).upper()
        error = product_error(matrix.shape[0], norm, norm, product.size)
        # subnormal products, flushed or not; `UNDERFLOW` is meant for scaled matrices
        tiny = 2 * arb(2) ** -1020 * matrix.shape[0] * (1 + norm) * matrix.shape[1]
        return Gram(product, exact((error + tiny).upper()))


def lambda_min_lower(
    s: ArrayLike, error: Number = 0, *, guess: float | None = None
) -> Fraction:
    """Lower bound of the smallest eigenvalue of every symmetric matrix near `s`.

    Args:
        s: symmetric matrix, at least 1 by 1.
        error: operator norm of the difference that is allowed for.
        guess: the smallest eigenvalue of `s` as computed in float64, if it is known; it
            decides how close the bound is and nothing else.

    Raises:
        ValueError: if `s` is not a symmetric matrix of finite numbers, or `error` is
            negative or not finite.
    """
    matrix = _symmetric(s)
    if not 0 <= error < float("inf"):
        raise ValueError(f"the error must be a finite number that is at least 0, not {error}")
    with precision():
        b, exponent = scaled(matrix)
        unit = Fraction(2) ** exponent
        bound = -exact(frobenius(b).upper())
        witness = _best_witness(b, None if guess is None else math.ldexp(guess, -exponent))
        if witness is not None:
            bound = max(bound, witness)
        # what scaling may have lost to underflow
        tiny = exact((arb(len(b)) * UNDERFLOW).upper())
        return (bound - tiny) * unit - Fraction(error)


def lambda_max_upper(s: ArrayLike, error: Number = 0) -> Fraction:
    """Upper bound of the largest eigenvalue of every symmetric matrix near `s`."""
    return -lambda_min_lower(-_symmetric(s), error)


def _symmetric(s: ArrayLike) -> Matrix:
    matrix = exact_matrix(s)
    if matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"expected a square matrix, got shape {matrix.shape}")
    if not np.array_equal(matrix, matrix.T):
        raise ValueError("the matrix is not symmetric")
    return matrix


def _best_witness(s: Matrix, guess: float | None) -> Fraction | None:
    """Try shifts ever further below the computed smallest eigenvalue."""
    try:
        guess = float(np.linalg.eigvalsh(s)[0]) if guess is None else guess
    except np.linalg.LinAlgError:
        guess = -float(np.linalg.norm(s))
    trace = max(float(np.abs(np.diag(s)).sum()), 2.0**-20)
    slack = (len(s) + 2) * trace * 2.0**-53
    for _ in range(60):
        bound = shifted_witness(s, guess - slack)
        if bound is not None:
            return bound
        slack *= 2
    return None


def shifted_witness(s: Matrix, t: float) -> Fraction | None:
    """Lower bound of ``lambda_min(s)`` by a Cholesky factor of ``s - t``.

    Args:
        s: symmetric matrix with entries of at most 1 in absolute value.
        t: the shift.

    Returns:
        ``t - |E|``, or None if ``s - t`` has no Cholesky factor in float64.
    """
    n = len(s)
    shifted = s.copy()
    shifted[np.diag_indices(n)] -= t
    try:
        factor = np.linalg.cholesky(shifted).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        return None
    if not np.isfinite(factor).all():
        return None
    with precision():
        norm = frobenius_upper(factor)
        difference: Matrix = shifted - factor @ factor.T
        left = frobenius_upper(difference) / (1 - UNIT)
        # row i of L has length |l_i|, so |L||L|^T <= |L|_F^2
        product = gamma(n) * norm**2 + 2 * n * n * UNDERFLOW
        diagonal = arb(float(np.abs(np.diag(shifted)).max())) * UNIT / (1 - UNIT)
        return exact((ball(t) - left - product - diagonal).lower())
