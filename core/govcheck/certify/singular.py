"""Proven enclosures of singular values of float64 matrices.

A float64 decomposition ``A ~ U S V^T`` is only a guess; what is proved about A comes from
the residual ``R = A - U S V^T`` and from how far U and V are from orthonormal, both
bounded with their rounding errors: with ``|U^T U - 1| <= du`` and ``|V^T V - 1| <= dv``

    s_i sqrt((1-du)(1-dv)) - |R|  <=  sigma_i(A)  <=  s_i sqrt((1+du)(1+dv)) + |R|.

This resolves singular values down to about ``k u |A|_F``, the numerical floor; a Gram
matrix in float64 would stop at its square root. Below the floor, matrices of moderate size
are inverted in ball arithmetic of enough digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from flint import arb, arb_mat

from govcheck.certify.intervals import Range
from govcheck.certify.rounding import (
    UNDERFLOW,
    UNIT,
    Matrix,
    frobenius,
    frobenius_upper,
    precision,
    product_error,
    scaled,
)

DIGITS: Final = (256, 512, 1024, 2048, 4096, 8192, 16384)
"""Precisions in bits tried for the inverse of a Gram matrix."""

SMALL_SIDE: Final = 96
SMALL_WORK: Final = 20_000_000
SMALL_BITS: Final = 2_000_000_000


@dataclass(frozen=True)
class Extremes:
    """The largest and the ``min(rows, columns)``-th singular value of a matrix.

    Args:
        largest, smallest: enclosures.
        floor: absolute error of the float64 evidence; singular values below it cannot be
            told from 0 by float64 alone.
    """

    largest: Range
    smallest: Range
    floor: arb


def extremes(a: Matrix) -> Extremes:
    """Enclose the extreme singular values of a matrix of finite entries, at least 1 by 1."""
    with precision():
        if min(a.shape) == 1:
            value = Range.of(frobenius(a))
            return Extremes(value, value, arb(0))
        b, exponent = scaled(a)
        unit = arb(2) ** exponent
        witness = _decompose(b)
        if witness is None:
            norm = frobenius(a)
            entry = arb(float(np.abs(a).max()))
            return Extremes(
                Range.nonnegative(entry, norm), Range.nonnegative(arb(0), norm), norm.upper()
            )
        u, s, vt = witness
        du, dv = _defect(u), _defect(np.ascontiguousarray(vt.T))
        wide = ((1 + du) * (1 + dv)).sqrt()
        narrow = ((1 - du).max(arb(0)) * (1 - dv).max(arb(0))).sqrt()
        error = _residual(b, u, s, vt)
        top, bottom = arb(float(s.max())), arb(float(s.min()))
        return Extremes(
            Range.nonnegative(unit * (top * narrow - error), unit * (top * wide + error)),
            Range.nonnegative(unit * (bottom * narrow - error), unit * (bottom * wide + error)),
            (unit * (error + bottom * (wide - narrow))).upper(),
        )


def _decompose(b: Matrix) -> tuple[Matrix, Matrix, Matrix] | None:
    try:
        u, s, vt = np.linalg.svd(b, full_matrices=False)
    except np.linalg.LinAlgError:
        return None
    if not all(np.isfinite(part).all() for part in (u, s, vt)):
        return None
    # any numbers make a sound witness, but the formulas above want s >= 0
    return u, np.abs(s), vt


def _defect(q: Matrix) -> arb:
    """Upper bound of ``|Q^T Q - 1|`` in the Frobenius norm."""
    rows, columns = q.shape
    norm = frobenius_upper(q)
    computed = q.T @ q
    # the subtraction on the diagonal rounds once
    computed[np.diag_indices(columns)] -= 1.0
    size = frobenius_upper(computed)
    return size / (1 - UNIT) + product_error(rows, norm, norm, columns**2)


def _residual(b: Matrix, u: Matrix, s: Matrix, vt: Matrix) -> arb:
    """Upper bound of ``|A - U S V^T|_F`` for every A that `scaled` turns into `b`."""
    us = u * s
    left, right = frobenius_upper(us), frobenius_upper(vt)
    size = frobenius_upper(b - us @ vt)
    product = product_error(s.size, left, right, b.size)
    columns = left * UNIT / (1 - UNIT) * right
    # underflow in scaling, in U S (times V^T) and in the difference
    tiny = arb(b.size).sqrt() * (2 + right) * UNDERFLOW
    return size / (1 - UNIT) + product + columns + tiny


def smallest_by_inverse(a: Matrix) -> Range | None:
    """The smallest singular value of a matrix of full rank, to about 12 digits.

    ``sigma_min(A)**-2`` is the operator norm of the inverse of the Gram matrix, which is
    computed in ball arithmetic.

    Returns:
        None if the matrix is too large for this or looks singular in the highest precision.
    """
    if not 0 < min(a.shape) <= SMALL_SIDE or a.size * min(a.shape) > SMALL_WORK:
        return None
    thin = a if a.shape[0] >= a.shape[1] else a.T
    for bits in DIGITS:
        if thin.shape[1] ** 3 * bits > SMALL_BITS:
            break
        with precision(bits):
            rows, columns = thin.shape
            balls = arb_mat(rows, columns, [arb(x) for x in thin.ravel().tolist()])
            try:
                inverse = (balls.transpose() * balls).inv()
            except ZeroDivisionError:
                continue
            found = _norm(inverse)
            if found is not None:
                return Range.of((1 / found).sqrt())
    return None


def _norm(m: arb_mat) -> arb | None:
    """Operator norm of a symmetric ball matrix; None if it is not known to be positive."""
    entries = m.entries()
    if not all(x.is_finite() for x in entries):
        return None
    top = max((x.abs_upper() for x in entries), key=lambda x: x.upper())
    if not top > 0:
        return None
    unit = arb(2) ** -_magnitude(top)
    shrunk = [x * unit for x in entries]
    middle = [float(x.mid()) for x in shrunk]
    difference = arb_mat(
        m.nrows(), m.ncols(), [x - arb(f) for x, f in zip(shrunk, middle, strict=True)]
    )
    error = sum((x**2 for x in difference.entries()), arb(0)).sqrt().abs_upper()
    matrix = np.array(middle).reshape(m.nrows(), m.ncols())
    norm = extremes(matrix).largest.ball
    enclosure = (norm + arb(0, error)) / unit
    # a wide enclosure means too few bits
    return enclosure if enclosure.rad() * 2**30 < enclosure.mid() else None


def _magnitude(x: arb) -> int:
    mantissa, exponent = x.mid().man_exp()
    return int(mantissa).bit_length() + int(exponent)
