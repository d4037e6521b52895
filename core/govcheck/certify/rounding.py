"""A-priori bounds for the rounding errors of float64 matrix arithmetic.

A product ``fl(AB)`` of matrices with inner dimension k, computed by conventional dot
products in any order, with or without fused multiply-add, satisfies
``|fl(AB) - AB| <= gamma_k |A||B|`` entrywise, with ``gamma_k = k u / (1 - k u)`` and
``u = 2**-53`` (Higham, Accuracy and Stability of Numerical Algorithms, section 3.5), plus
underflow. `UNDERFLOW` is far above the largest error of one operation in the subnormal
range, also when the hardware flushes subnormal numbers to zero; callers scale their
matrices to entries of at most 1, so that it never matters.

The bounds themselves are computed in ball arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, Final

import numpy as np
from flint import arb, ctx
from numpy.typing import ArrayLike, NDArray

from govcheck.bounds.evaluate import PRECISION, ball

Matrix = NDArray[np.float64]

UNIT: Final = arb(2) ** -53
UNDERFLOW: Final = arb(2) ** -1000


@contextmanager
def precision(bits: int = PRECISION) -> Iterator[None]:
    """Ball arithmetic with this many bits inside the block."""
    old = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = old


def exact_matrix(values: ArrayLike | NDArray[Any]) -> Matrix:
    """The same matrix in float64.

    Raises:
        ValueError: if it is not a matrix of finite real numbers, or float64 would round it.
    """
    array = np.asarray(values)
    if array.ndim != 2:
        raise ValueError(f"expected a matrix, got an array of shape {array.shape}")
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise ValueError(f"expected real numbers that fit float64, got {array.dtype}")
    if array.dtype.kind in "iu" and array.size:
        largest = max(abs(int(array.max())), abs(int(array.min())))
        if largest > 2**53:
            raise ValueError(f"the integer {largest} is above 2**53, float64 would round it")
    result: Matrix = np.ascontiguousarray(array, dtype=np.float64)
    if not np.isfinite(result).all():
        raise ValueError("the matrix has entries that are not finite numbers")
    return result


def scaled(a: Matrix) -> tuple[Matrix, int]:
    """The matrix divided by the power of two that brings its largest entry to [1/2, 1).

    Entries may lose digits where they underflow: at most `UNDERFLOW` each.

    Returns:
        The divided matrix and the exponent; the matrix itself and 0 if it is zero.
    """
    largest = float(np.abs(a).max(initial=0.0))
    exponent = int(np.frexp(largest)[1])
    return np.ldexp(a, -exponent), exponent


def gamma(k: int) -> arb:
    """Relative error of a dot product of length k."""
    return k * UNIT / (1 - k * UNIT)


def frobenius_upper(a: Matrix) -> arb:
    """Upper bound of the Frobenius norm, from float64; entries must be far below 2**500."""
    square = arb(float(np.vdot(a, a))) + 2 * a.size * UNDERFLOW
    return (square / (1 - gamma(a.size + 1))).sqrt().upper()


def product_error(inner: int, left: arb, right: arb, entries: int) -> arb:
    """Bound of ``|fl(AB) - AB|_F`` from the Frobenius norms of A and B.

    Args:
        inner: number of columns of A.
        left, right: upper bounds of the Frobenius norms.
        entries: number of entries of the product.
    """
    return gamma(inner) * left * right + 2 * inner * arb(entries).sqrt() * UNDERFLOW


def frobenius(a: ArrayLike) -> arb:
    """Frobenius norm; the sum of squares is computed exactly in integers."""
    return root(_sum_of_squares(exact_matrix(a)))


def root(square: Fraction) -> arb:
    """Enclosure of a square root."""
    with precision():
        return ball(square).sqrt()


def _sum_of_squares(a: Matrix) -> Fraction:
    mantissa, exponent = np.frexp(np.abs(a.ravel()))
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    total = Fraction(0)
    for e in np.unique(exponent):
        part = whole[exponent == e]
        # 53-bit integers in two limbs, so that 512 products add up below 2**63
        high, low = part >> 27, part & (2**27 - 1)
        square = (
            (_long_sum(high * high) << 54)
            + (_long_sum(high * low) << 28)
            + _long_sum(low * low)
        )
        total += square * Fraction(2) ** (2 * (int(e) - 53))
    return total


def _long_sum(values: NDArray[np.int64]) -> int:
    """Exact sum of integers below 2**54."""
    padded = np.zeros(-(-values.size // 512) * 512, dtype=np.int64)
    padded[: values.size] = values
    return sum(padded.reshape(-1, 512).sum(axis=1).tolist())


def exact(x: arb) -> Fraction:
    """The number that an exact ball (an end of a ball) is.

    Raises:
        ValueError: if the ball is not exact or not finite.
    """
    if not (x.is_finite() and x.is_exact()):
        raise ValueError(f"{x} is not one finite number")
    mantissa, exponent = x.man_exp()
    return int(mantissa) * Fraction(2) ** int(exponent)
