"""What Gram theorems ask of samples, decided: unit length, no two on one line through 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from govcheck.certify.rounding import Matrix, exact_matrix

Pair = tuple[int, int]

TILE: Final = 1024
DECIDED: Final = 200
"""Pairs that float64 cannot tell from parallel ones and that are decided exactly."""


@dataclass(frozen=True)
class Lengths:
    """Whether samples have Euclidean length 1.

    Args:
        status: ``proved`` if every length is exactly 1; ``rounded`` if every squared length
            is 1 up to what rounding the entries to float64 can do; else ``refuted``.
        deviation: upper bound of ``max |<x, x> - 1|``.
        offending: samples that are not of length 1 even up to rounding.
    """

    status: Literal["proved", "rounded", "refuted"]
    deviation: float
    offending: tuple[int, ...]

    @property
    def explanation(self) -> str:
        """One sentence."""
        if self.status == "proved":
            return "every sample has length exactly 1"
        if self.status == "rounded":
            return (
                "every squared length is 1 up to the rounding of float64 entries "
                f"(within {self.deviation:.1e})"
            )
        return (
            f"{len(self.offending)} samples do not have length 1: {_listed(self.offending)}; "
            f"squared lengths are off by up to {self.deviation:.3g}"
        )


@dataclass(frozen=True)
class Directions:
    """Whether no two samples are multiples of each other, and none is 0.

    Args:
        zero: samples that are 0.
        parallel, antiparallel: pairs with ``x_j = c x_i``, c > 0 and c < 0, decided exactly.
        close: pairs that are not multiples of each other, decided exactly, but that
            inner products in float64 cannot tell from such.
        undecided: number of further pairs of which neither is known.
        cosine: upper bound of ``|cos|`` of the angle of all other pairs; 0 if there are none.
        nearest: the pair that comes closest to it, if there is one.
    """

    zero: tuple[int, ...]
    parallel: tuple[Pair, ...]
    antiparallel: tuple[Pair, ...]
    close: tuple[Pair, ...]
    undecided: int
    cosine: float
    nearest: Pair | None

    @property
    def status(self) -> Literal["proved", "refuted", "unknown"]:
        """Whether there is no zero sample and no pair on one line."""
        if self.zero or self.parallel or self.antiparallel:
            return "refuted"
        return "unknown" if self.undecided else "proved"

    @property
    def explanation(self) -> str:
        """One sentence."""
        parts = []
        if self.zero:
            parts.append(f"samples that are 0: {_listed(self.zero)}")
        if self.parallel:
            parts.append(f"parallel pairs: {_listed(self.parallel)}")
        if self.antiparallel:
            parts.append(f"antiparallel pairs: {_listed(self.antiparallel)}")
        if self.close:
            parts.append(f"pairs apart by no more than rounding: {_listed(self.close)}")
        if self.undecided:
            parts.append(f"{self.undecided} more pairs are too close to be told apart")
        if self.nearest is not None:
            i, j = self.nearest
            rest = "all other pairs" if parts else "all pairs"
            parts.append(f"|cos| of {rest} is at most {_up(self.cosine)} (samples {i} and {j})")
        return "; ".join(parts) or "there is one sample"


def _up(value: float, digits: int = 6) -> str:
    """A decimal that is not below the number."""
    from govcheck.bounds.evaluate import ball, upper

    return f"{upper(ball(value), digits)}"


def _listed(items: tuple[Any, ...], most: int = 6) -> str:
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(str(i) for i in items[:most]) + more


def lengths(x: NDArray[Any]) -> Lengths:
    """Decide whether all samples have Euclidean length 1.

    Args:
        x: samples ``(N, *sample shape)``.

    Raises:
        ValueError: if there is no sample or an entry is not a finite number.
    """
    rows = _rows(x)
    d = rows.shape[1]
    # dividing by a length computed in float64 leaves (d + 4) 2^-53 or less, rounding the
    # entries 2^-52, and the sum below is off by gamma(d)
    allowance = 4 * (d + 4) * 2.0**-53
    with np.errstate(over="ignore"):
        squares = np.einsum("ij,ij->i", rows, rows)
    off = np.abs(squares - 1)
    offending = tuple(np.flatnonzero(off > allowance).tolist())
    deviation = float(np.nextafter(off.max() * (1 + allowance) + allowance, np.inf))
    if offending:
        return Lengths("refuted", deviation, offending)
    if all(sum(Fraction(v) ** 2 for v in row.tolist()) == 1 for row in rows):
        return Lengths("proved", 0.0, ())
    return Lengths("rounded", deviation, ())


def directions(x: NDArray[Any]) -> Directions:
    """Decide which samples are multiples of each other.

    Pairs are told apart by Cauchy-Schwarz with the rounding errors of float64 accounted
    for; those that are too close for that are decided in exact arithmetic.

    Args:
        x: samples ``(N, *sample shape)``.

    Raises:
        ValueError: if there is no sample or an entry is not a finite number.
    """
    rows = _rows(x)
    n, d = rows.shape
    zero = np.flatnonzero(~rows.any(axis=1))
    largest = np.abs(rows).max(axis=1, keepdims=True)
    # a power of two for each row, which changes no direction
    scaled = np.ldexp(rows, -np.frexp(largest)[1])
    size = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
    # |fl(<a,b>) - <a,b>| <= gamma(d) |a||b|, twice gamma(d + 2) for the lengths, the division,
    # and underflow, which is far below 2^-53 of lengths that are at least 1/2
    margin = 8 * (d + 8) * 2.0**-53
    parallel: list[Pair] = []
    antiparallel: list[Pair] = []
    close: list[Pair] = []
    undecided, cosine, nearest = 0, 0.0, None
    for i, j, cos in _tiles(scaled, size, zero):
        unclear = np.abs(cos) > 1 - margin
        for a, b in np.argwhere(unclear):
            pair = (int(i + a), int(j + b))
            if len(parallel) + len(antiparallel) + len(close) >= DECIDED:
                undecided += 1
            elif not _on_one_line(rows[pair[0]], rows[pair[1]]):
                close.append(pair)
            else:
                (parallel if cos[a, b] > 0 else antiparallel).append(pair)
        cos[unclear] = 0
        at = np.unravel_index(int(np.abs(cos).argmax()), cos.shape)
        if abs(cos[at]) > cosine or (nearest is None and n > 1 and cos.any()):
            cosine, nearest = float(abs(cos[at])), (int(i + at[0]), int(j + at[1]))
    bound = min(1.0, cosine + margin) if nearest is not None else 0.0
    return Directions(
        tuple(zero.tolist()), tuple(parallel), tuple(antiparallel), tuple(close), undecided,
        bound, nearest,
    )


def _on_one_line(a: Matrix, b: Matrix) -> bool:
    """Whether ``b = c a``, in exact arithmetic; `a` is not 0."""
    pivot = int(np.abs(a).argmax())
    p, q = Fraction(float(a[pivot])), Fraction(float(b[pivot]))
    return all(p * Fraction(v) == q * Fraction(u)
               for u, v in zip(a.tolist(), b.tolist(), strict=True))


def _tiles(
    rows: Matrix, size: Matrix, zero: NDArray[np.int64]
) -> Iterator[tuple[int, int, Matrix]]:
    """Cosines of pairs i < j, tile by tile; 0 for other pairs and where a sample is 0."""
    n = len(rows)
    lengths = size.copy()
    lengths[zero] = 1.0
    for i in range(0, n, TILE):
        for j in range(i, n, TILE):
            cos = rows[i : i + TILE] @ rows[j : j + TILE].T
            cos /= lengths[i : i + TILE, None] * lengths[None, j : j + TILE]
            yield i, j, np.triu(cos, 1) if i == j else cos


def _rows(x: NDArray[Any]) -> Matrix:
    samples = np.asarray(x)
    if samples.ndim == 0 or not samples.shape[0] or not samples.size:
        raise ValueError("there are no samples")
    return exact_matrix(samples.reshape(len(samples), -1))
