"""The smallest eigenvalue of a kernel matrix, with what is proven and what float64 can see."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from govcheck.certify.balls import lambda_min_ball
from govcheck.certify.matrices import lambda_min_lower
from govcheck.kernels.dual import Array

RELATIVE_FLOOR: Final = 1e-10


@dataclass(frozen=True)
class SmallestEigenvalue:
    """The smallest eigenvalue of a symmetric matrix known up to an entrywise error.

    Args:
        value: as computed in float64.
        lower: proven lower bound for every symmetric matrix whose entries differ from the
            given ones by at most `entry_error`.
        floor: values up to here cannot be told from 0.
        entry_error: the allowance for each entry.
    """

    value: float
    lower: Fraction
    floor: float
    entry_error: float

    @property
    def certified_positive(self) -> bool:
        """Whether it is proved to be positive and above the floor."""
        return self.lower > 0 and self.lower > self.floor

    def __str__(self) -> str:
        verdict = "certified positive" if self.certified_positive else "not certified positive"
        return (
            f"{self.value:.6g} (at least {float(self.lower):.6g}, floor {self.floor:.2g}): "
            f"{verdict}"
        )


@dataclass(frozen=True)
class Spectrum:
    """The ends of the spectrum of a kernel matrix.

    Args:
        n: number of rows.
        trace: sum of the diagonal.
        smallest: the smallest eigenvalue with its proven bound.
        largest: the largest eigenvalue as computed in float64.
    """

    n: int
    trace: float
    smallest: SmallestEigenvalue
    largest: float

    @property
    def condition(self) -> float:
        """Largest by smallest eigenvalue, as computed; infinite unless that is positive."""
        value = self.smallest.value
        return self.largest / value if value > 0 else math.inf


def smallest_eigenvalue(
    k: Array, entry_error: float = 0.0, relative_floor: float = RELATIVE_FLOOR
) -> SmallestEigenvalue:
    """Bound the smallest eigenvalue of a kernel matrix.

    Args:
        k: symmetric, n x n.
        entry_error: how far each entry may be from the truth.
        relative_floor: the floor as a multiple of trace/n.

    Raises:
        ValueError: if `k` is not a symmetric matrix of finite numbers.
    """
    return spectrum(k, entry_error, relative_floor).smallest


def spectrum(
    k: Array,
    entry_error: float = 0.0,
    relative_floor: float = RELATIVE_FLOOR,
    *,
    balls: bool = False,
) -> Spectrum:
    """Compute the ends of the spectrum and prove a lower bound; see `smallest_eigenvalue`.

    Args:
        k: symmetric, n x n.
        entry_error: how far each entry may be from the truth.
        relative_floor: the floor as a multiple of trace/n.
        balls: prove the bound in ball arithmetic, which is slow (8 s for 200 rows) and loses
            nothing but the entry error.

    Raises:
        ValueError: if `k` is not a symmetric matrix of finite numbers.
    """
    n = len(k)
    values = np.linalg.eigvalsh(k)
    # a symmetric matrix with entries up to e has operator norm up to n e
    error = n * Fraction(entry_error)
    if balls:
        lower = lambda_min_ball(k, error)
    else:
        lower = lambda_min_lower(k, error, guess=float(values[0]))
    size = float(np.abs(np.diag(k)).sum())
    floor = max(n * entry_error, relative_floor * size / n, 2.0**-52 * size)
    smallest = SmallestEigenvalue(float(values[0]), lower, floor, entry_error)
    return Spectrum(n, float(np.trace(k)), smallest, float(values[-1]))
