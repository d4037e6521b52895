"""Proven bounds of the rank of a float64 matrix, from its rank modulo primes.

The entries are dyadic rationals, so powers of two bring the matrix to integers without
changing its rank. Modulo a prime the rank can only drop: one prime proves a lower bound.
If the rank is at most r modulo primes whose product exceeds Hadamard's bound for the
minors of order r + 1, all those minors are 0, which proves that the rank is at most r.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from flint import fmpz, nmod_mat
from numpy.typing import ArrayLike, NDArray

from govcheck.certify.rounding import Matrix, exact_matrix

BUDGET = 2_000_000_000
"""Multiplications spent on proving an upper bound of the rank, unless told otherwise."""

Integers = NDArray[np.int64]


def exact_rank(a: ArrayLike) -> int:
    """The rank; may take minutes for large matrices that lack full rank."""
    low, high = rank_bounds(a, budget=None)
    assert low == high
    return low


def rank_bounds(a: ArrayLike, budget: int | None = BUDGET) -> tuple[int, int]:
    """Lower and upper bound of the rank, both proven.

    Args:
        a: the matrix.
        budget: rough number of multiplications to spend; None for no limit.

    Raises:
        ValueError: if `a` is not a matrix of finite real numbers.
    """
    matrix = _without_zeros(exact_matrix(a))
    full = min(matrix.shape)
    if full == 0:
        return 0, 0
    low = _rank_modulo(*_integers(matrix), next(_primes()))
    if low == full:
        return low, low
    matrix = _without_zeros(_without_repeats(matrix))
    mantissa, shift = _integers(matrix)
    return _bounds_by_primes(mantissa, shift, low, budget)


def _without_zeros(a: Matrix) -> Matrix:
    return a[:, a.any(axis=0)][a.any(axis=1)]


def _without_repeats(a: Matrix) -> Matrix:
    # adding 0.0 turns -0.0 into 0.0, which counts as equal here
    rows: Matrix = np.unique(a + 0.0, axis=0)
    columns: Matrix = np.unique(rows, axis=1)
    return columns


def _integers(a: Matrix) -> tuple[Integers, Integers]:
    """``M, F >= 0`` with ``a = D (M * 2**F) E``, D and E diagonal with powers of two."""
    fraction, exponent = np.frexp(a)
    mantissa = np.ldexp(fraction, 53).astype(np.int64)
    # the lowest set bit of a two's complement integer
    lowest = mantissa & -mantissa
    zeros = np.where(mantissa == 0, 0, np.frexp(lowest.astype(np.float64))[1] - 1)
    mantissa >>= zeros
    shift = np.where(mantissa == 0, np.iinfo(np.int64).max, exponent.astype(np.int64) + zeros)
    zero = mantissa == 0
    shift -= np.where(zero, 0, shift.min(axis=0, keepdims=True))
    shift -= np.where(zero, 0, shift.min(axis=1, keepdims=True))
    return mantissa, np.where(zero, 0, shift)


def _rank_modulo(mantissa: Integers, shift: Integers, p: int) -> int:
    exponents, position = np.unique(shift, return_inverse=True)
    powers = np.array([pow(2, int(e), p) for e in exponents], dtype=np.int64)
    # p < 2**31, so products stay below 2**62
    residues = mantissa % p * powers[position].reshape(shift.shape) % p
    rows, columns = residues.shape
    return int(nmod_mat(rows, columns, residues.ravel().tolist(), p).rank())


def _bounds_by_primes(
    mantissa: Integers, shift: Integers, low: int, budget: int | None
) -> tuple[int, int]:
    full = min(mantissa.shape)
    used = 0
    for used, p in enumerate(_primes(), start=1):
        low = max(low, _rank_modulo(mantissa, shift, p))
        if low == full:
            return low, low
        # each prime is above 2**30
        needed = -(-_minor_bits(mantissa, shift, low + 1) // 30)
        if used >= needed:
            return low, low
        if budget is not None and needed * mantissa.size * (low + 1) > budget:
            break
    return low, full


def _minor_bits(mantissa: Integers, shift: Integers, order: int) -> int:
    """A number b with ``|minor| < 2**b`` for all minors of this order (Hadamard)."""
    # frexp may round a 63-bit integer up to the next power of two, which is a bit too many
    bits = np.frexp(np.abs(mantissa).astype(np.float64))[1] + shift
    entries = min(
        int(np.sort(bits.max(axis=axis))[-order:].sum()) for axis in (0, 1)
    )
    # order**(order/2) from the lengths of rows of `order` entries
    return entries + -(-order * order.bit_length() // 2) + 1


@cache
def _prime(index: int) -> int:
    candidate = (2**31 if index == 0 else _prime(index - 1)) - 1
    while not fmpz(candidate).is_prime():
        candidate -= 1
    return candidate


def _primes() -> Iterator[int]:
    """Primes below 2**31, from the largest down; all that are used are above 2**30."""
    index = 0
    while True:
        yield _prime(index)
        index += 1
