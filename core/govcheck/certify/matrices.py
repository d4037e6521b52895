"""Numbers about float64 matrices that are proven: norms, singular values, rank.

The entries are taken as the exact dyadic rationals they are. Every bound is rounded
outward; the only assumption is IEEE arithmetic with conventional matrix products.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from numpy.typing import ArrayLike

from govcheck.certify.intervals import Range
from govcheck.certify.rank import exact_rank as exact_rank
from govcheck.certify.rank import rank_bounds as rank_bounds
from govcheck.certify.rounding import Matrix, exact_matrix
from govcheck.certify.rounding import frobenius as frobenius
from govcheck.certify.singular import extremes, smallest_by_inverse
from govcheck.certify.symmetric import Gram as Gram
from govcheck.certify.symmetric import gram as gram
from govcheck.certify.symmetric import lambda_max_upper as lambda_max_upper
from govcheck.certify.symmetric import lambda_min_lower as lambda_min_lower

Need = Literal["norm", "sigma_min", "rank"]

COARSE = Fraction(1, 10**6)
"""Relative width above which the smallest singular value is computed a second way."""


@dataclass(frozen=True)
class SpectralFacts:
    """Extreme singular values and rank of a matrix.

    Args:
        rows, columns: its shape.
        sigma_max: the operator norm; 0 for an empty matrix.
        sigma_min: the ``min(rows, columns)``-th singular value, exactly 0 where the rank is
            proved to be deficient.
        rank: proven lower bound of the rank, the rank itself if `rank_exact`; None if it
            was not asked for and did not follow from the rest.
        rank_exact: whether `rank` is the rank.
        floor: singular values below this cannot be told from 0 in float64.
        method: how `sigma_min` was found, in words.
    """

    rows: int
    columns: int
    sigma_max: Range
    sigma_min: Range
    rank: int | None
    rank_exact: bool
    floor: float
    method: str

    @property
    def surjectivity(self) -> Range:
        """Range of ``min |A^T v|`` over unit v: 0 if there are more rows than columns."""
        return self.sigma_min if self.rows <= self.columns else Range.point(0)

    @property
    def injectivity(self) -> Range:
        """Range of ``min |A v|`` over unit v: 0 if there are more columns than rows."""
        return self.sigma_min if self.columns <= self.rows else Range.point(0)


def spectral_facts(a: ArrayLike, *asked: Need) -> SpectralFacts:
    """Enclose the extreme singular values and the rank.

    Args:
        a: a matrix, rows x columns; may be empty.
        asked: what is wanted, everything if empty; the rest comes as far as it is free.

    Raises:
        ValueError: if `a` is not a matrix of finite real numbers that float64 holds exactly.
    """
    need = asked or ("norm", "sigma_min", "rank")
    matrix = exact_matrix(a)
    rows, columns = matrix.shape
    zero = Range.point(0)
    if not matrix.any():
        return SpectralFacts(rows, columns, zero, zero, 0, True, 0.0, "zero matrix")
    ends = extremes(matrix)
    full = min(rows, columns)
    smallest, method = ends.smallest, "singular value decomposition with proven residual"
    low, high = (full, full) if smallest.low > 0 else (1, full)
    if low < high and ("rank" in need or "sigma_min" in need):
        low, high = rank_bounds(matrix)
    if high < full:
        smallest, method = zero, f"the rank is at most {high}, proved modulo primes"
    elif low == full and "sigma_min" in need and _coarse(smallest):
        better = smallest_by_inverse(matrix)
        if better is not None:
            smallest, method = better, "inverse Gram matrix in ball arithmetic"
    known = low == high or "rank" in need
    return SpectralFacts(
        rows,
        columns,
        ends.largest,
        smallest,
        low if known else None,
        low == high,
        math.nextafter(float(ends.floor), math.inf),
        method,
    )


def _coarse(x: Range) -> bool:
    return x.high - x.low > COARSE * x.high


def norm_upper(a: ArrayLike) -> Fraction:
    """Upper bound of the operator norm."""
    return spectral_facts(a, "norm").sigma_max.high


def sigma_min_lower(a: ArrayLike) -> Fraction:
    """Lower bound of the ``min(rows, columns)``-th singular value."""
    return spectral_facts(a, "sigma_min").sigma_min.low


def sigma_min_upper(a: ArrayLike) -> Fraction:
    """Upper bound of the ``min(rows, columns)``-th singular value."""
    return spectral_facts(a, "sigma_min").sigma_min.high


__all__ = [
    "Gram",
    "Matrix",
    "Range",
    "SpectralFacts",
    "exact_rank",
    "frobenius",
    "gram",
    "lambda_max_upper",
    "lambda_min_lower",
    "norm_upper",
    "rank_bounds",
    "sigma_min_lower",
    "sigma_min_upper",
    "spectral_facts",
]
