"""Proven bounds of the least eigenvalue of many Hermitian float64 matrices at once.

For any matrix L, ``S - t = L L^* + E`` gives ``lambda_min(S) >= t - |E|``, as in
`govcheck.certify.symmetric`; here S is complex, and there is a stack of them. All
products are real products of conventional dot products, to which the error bounds of
`govcheck.certify.rounding` apply; nothing is assumed of the factorisation that finds L.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from flint import arb
from numpy.typing import NDArray

from govcheck.bounds.evaluate import ball
from govcheck.certify.rounding import UNDERFLOW, UNIT, gamma, precision

Stack = NDArray[np.float64]
"""Matrices of one shape, one after the other along the first dimension."""

ONE_BY_ONE: Final = 24
"""Size from which the matrices of a stack are treated one after the other."""


@dataclass(frozen=True)
class Floor:
    """A proven lower bound of all eigenvalues of a stack, and the shift that gave it."""

    bound: arb
    shift: float


def largest_frobenius(*parts: Stack) -> arb:
    """Upper bound of the Frobenius norms of the matrices ``[part part ...]``.

    Entries must be far below 2**500.
    """
    squares = sum(np.einsum("bij,bij->b", p, p) for p in parts)
    count = sum(p[0].size for p in parts)
    square = arb(float(np.max(squares))) + 2 * count * UNDERFLOW
    norm: arb = (square / (1 - gamma(count + len(parts)))).sqrt().upper()
    return norm


def gram_stack(re: Stack, im: Stack) -> tuple[Stack, Stack, arb]:
    """``A A^*`` for each ``A = re + i im``, with a bound of the error in operator norm.

    The imaginary part is ``M - M^T`` with ``M = im re^T``.

    Returns:
        Real part, imaginary part, error.
    """
    wide = np.concatenate([re, im], axis=2)
    turned = im @ re.swapaxes(1, 2)
    rows, inner = wide.shape[1:]
    # both parts have error gamma |A||A|^T entrywise, the difference rounds once more
    norm = largest_frobenius(wide)
    error = arb(2).sqrt() * gamma(inner + 1) * norm**2 + 4 * rows * inner * UNDERFLOW
    return wide @ wide.swapaxes(1, 2), turned - turned.swapaxes(1, 2), error


def least_eigenvalue(re: Stack, im: Stack, guess: float | None = None) -> Floor:
    """Lower bound of the eigenvalues of every matrix of the stack.

    A matrix that is not Hermitian stands for any Hermitian matrix near it: its distance is
    the caller's to subtract.

    Args:
        re, im: real and imaginary parts, n x n each, with entries far below 2**500.
        guess: a shift to try first.
    """
    with precision():
        if re.shape[1] < ONE_BY_ONE:
            return _floor(re, im, guess)
        # a shift that a matrix needs is enough for those before it as well
        bound, shift = None, guess
        for i in range(len(re)):
            floor = _floor(re[i : i + 1], im[i : i + 1], shift)
            shift = floor.shift
            bound = floor.bound if bound is None else bound.min(floor.bound)
        assert bound is not None and shift is not None
        return Floor(bound, shift)


def _floor(re: Stack, im: Stack, guess: float | None) -> Floor:
    if guess is not None:
        found = _witness(re, im, guess)
        if found is not None:
            return Floor(found, guess)
    size = largest_frobenius(re, im)
    try:
        lowest = float(np.linalg.eigvalsh(re + 1j * im)[:, 0].min())
    except np.linalg.LinAlgError:
        lowest = -float(size)
    slack = (re.shape[1] + 2) * max(float(size), 2.0**-900) * 2.0**-52
    for _ in range(60):
        found = _witness(re, im, lowest - slack)
        if found is not None:
            return Floor(found, lowest - slack)
        slack *= 2
    return Floor(-size, -float(size))


def _witness(re: Stack, im: Stack, t: float) -> arb | None:
    """``t - |E|`` for the stack, or None if a matrix has no Cholesky factor in float64."""
    n = re.shape[1]
    shifted = re.copy()
    diagonal = np.arange(n)
    shifted[:, diagonal, diagonal] -= t
    try:
        factor = np.linalg.cholesky(shifted + 1j * im)
    except np.linalg.LinAlgError:
        return None
    if not np.isfinite(factor).all():
        return None
    product_re, product_im, error = gram_stack(
        np.ascontiguousarray(factor.real), np.ascontiguousarray(factor.imag)
    )
    left = largest_frobenius(shifted - product_re, im - product_im) / (1 - UNIT)
    rounded = arb(float(np.abs(shifted[:, diagonal, diagonal]).max())) * UNIT / (1 - UNIT)
    return (ball(t) - left - error - rounded).lower()
