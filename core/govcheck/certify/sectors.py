"""Proven norms of products ``A_k D_(k-1) ... D_j A_j`` with slopes D anywhere in sectors.

Two routes, of which the smaller bound is taken. The expansion of every D around the middle
of its sector is `govcheck.certify.chains`. The other is a quadratic certificate: slopes in
``[a, b]`` give ``(d - a u)(d - b u) <= 0`` for ``d = D u``, so that for multipliers
``t_k >= 0`` and ``d_0 = x``

    |A_n d_(n-1)|^2 <= sum of 2 t_k <d_k - a A_k d_(k-1), b A_k d_(k-1) - d_k> + |A_n d_(n-1)|^2,

and the right side is at most ``L^2 |x|^2`` if one block tridiagonal matrix is positive
semidefinite (Fazlyab et al. 2019, LipSDP with one multiplier for each layer). For matrices
D of norm at most one that need not be diagonal nothing better can be said by this route; it
is never worse than the expansion where both know the same. Multipliers are searched for in
float64; the matrix is then proved semidefinite, and what is lacking is added to ``L^2``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

import numpy as np
from flint import arb

from govcheck.bounds.evaluate import ball, lower, upper
from govcheck.certify.chains import BUDGET as PRODUCTS
from govcheck.certify.chains import expanded, product_norms
from govcheck.certify.rounding import (
    UNIT,
    Matrix,
    exact,
    exact_matrix,
    frobenius,
    precision,
)
from govcheck.certify.symmetric import gram, lambda_min_lower

BUDGET: Final = 25_000_000_000
"""Rough number of operations to spend on certificates of one network."""

STEPS: Final = (1.0, 0.5, 0.25)
MOST: Final = 40
LEAST: Final = 4
LARGEST: Final = 2.0**100
"""Matrices whose entries are further from 1 than this get the expansion only."""

Sector = tuple[arb, arb]


def chain_norms(
    matrices: Sequence[Matrix],
    norms: Sequence[arb],
    sectors: Sequence[Sector],
    pairs: Sequence[tuple[int, int]],
    *,
    products: int = PRODUCTS,
    certificates: int = BUDGET,
) -> dict[tuple[int, int], Fraction]:
    """Upper bounds of ``|A_k D_(k-1) A_(k-1) ... D_j A_j|_2`` for pairs ``j <= k``.

    Args:
        matrices: A_0 to A_(n-1) in the order in which they are applied, exact.
        norms: upper bounds of their operator norms.
        sectors: lowest and highest slope between one matrix and the next.
        pairs: which of them.
        products, certificates: rough numbers of operations for these.

    Raises:
        ValueError: for lengths that do not fit, or entries that are not finite.
    """
    if not len(matrices) == len(norms) == len(sectors) + 1:
        raise ValueError("a chain of n matrices has n norms and n - 1 sectors")
    exact_ones = [exact_matrix(m) for m in matrices]
    given = product_norms(exact_ones, norms, products)
    still = [arb(0)] * len(norms)
    found: dict[tuple[int, int], Fraction] = {}
    longer = sum(k > j for j, k in pairs)
    starts: dict[tuple[int, int], list[float]] = {}
    for j, k in sorted(pairs, key=lambda p: (p[0], p[1])):
        with precision():
            part = expanded(
                lambda a, b, j=j: given(a + j, b + j),  # type: ignore[misc]
                norms[j : k + 1], still[j : k + 1], sectors[j:k],
            )
            found[j, k] = exact(part.upper())
        if k == j:
            continue
        start = starts.get((j, k - 1), [])
        tried = _certified(
            exact_ones[j : k + 1], norms[j : k + 1], sectors[j:k], start, certificates // longer
        )
        if tried is not None:
            starts[j, k], square = tried
            with precision():
                root = exact(ball(square).sqrt().upper())
            found[j, k] = min(found[j, k], root)
    return found


@dataclass(frozen=True, eq=False)
class _Chain:
    """A chain in float64, with sectors widened to float64 numbers."""

    matrices: Sequence[Matrix]
    low: Sequence[float]
    high: Sequence[float]

    def inverses(self, thetas: Sequence[float]) -> tuple[list[float], float] | None:
        """Multipliers for positions in their admissible intervals, and the L^2 they give.

        With ``V_0 = 1`` and ``S = A V^(-1) A^T`` the next V is ``2 t - t^2 (a+b)^2 S/(1 +
        2 t a b S)``, positive for ``t < 2/((b-a)^2 |S|)``; L^2 is the largest eigenvalue of
        the last S, and all multipliers are then times L^2. None where that overflows.
        """
        root: Matrix = np.eye(self.matrices[0].shape[1])
        multipliers = []
        for m, a, b, theta in zip(self.matrices[:-1], self.low, self.high, thetas, strict=True):
            factor = m @ root
            s, u = _eigen(factor)
            top = float(s.max(initial=0.0))
            if not 0 < top < math.inf:
                return None
            width = max((b - a) ** 2, 1e-4 * (abs(a) + abs(b)) ** 2)
            t = 2 / (width * top) / (1 + math.exp(-theta))
            multipliers.append(t)
            v = 2 * t - (t * (a + b)) ** 2 * s / (1 + 2 * t * a * b * s)
            if not (v > 0).all():
                return None
            flat = math.sqrt(1 / (2 * t))
            root = (u * (1 / np.sqrt(v) - flat)) @ u.T
            root[np.diag_indices(len(root))] += flat
        last, _ = _eigen(self.matrices[-1] @ root)
        square = float(last.max(initial=0.0))
        return [t * square for t in multipliers], square

    @property
    def cost(self) -> int:
        """Rough number of operations of `inverses`."""
        return sum(
            2 * m.shape[0] * m.shape[1] ** 2 + 12 * min(m.shape) ** 3 + 2 * m.shape[0] ** 3
            for m in self.matrices
        )


def _eigen(factor: Matrix) -> tuple[Matrix, Matrix]:
    """Nonzero eigenvalues of ``F F^T`` with their vectors as columns."""
    if len(factor) <= factor.shape[1]:
        s, u = np.linalg.eigh(factor @ factor.T)
        return np.maximum(s, 0.0), u
    s, p = np.linalg.eigh(factor.T @ factor)
    kept = s > 1e-13 * max(float(s.max(initial=0.0)), 0.0)
    return s[kept], factor @ (p[:, kept] / np.sqrt(s[kept]))


def _certified(
    matrices: Sequence[Matrix],
    norms: Sequence[arb],
    sectors: Sequence[Sector],
    start: Sequence[float],
    budget: int,
) -> tuple[list[float], Fraction] | None:
    """Positions of the multipliers and a proven upper bound of the square of the norm."""
    size = sum(m.shape[1] for m in matrices)
    if any(not _moderate(m) for m in matrices):
        return None
    with precision():
        # float64 numbers outside of the ends
        low = [math.nextafter(float(lower(a, 17)), -math.inf) for a, _ in sectors]
        high = [math.nextafter(float(upper(b, 17)), math.inf) for _, b in sectors]
    if not all(a <= b and max(abs(a), abs(b)) > 0 for a, b in zip(low, high, strict=True)):
        return None
    chain = _Chain(matrices, low, high)
    tries = min(MOST, (budget - 10 * size**3) // chain.cost)
    if tries < LEAST:
        return None
    try:
        found = _search(chain, [*start, *[1.0] * (len(low) - len(start))], int(tries))
    except np.linalg.LinAlgError:
        return None
    if found is None:
        return None
    thetas, multipliers, square = found
    proved = _prove(chain, norms, multipliers, square * (1 + 2.0**-40))
    return None if proved is None else (thetas, proved)


def _moderate(m: Matrix) -> bool:
    largest = float(np.abs(m).max(initial=0.0))
    return m.size > 0 and 1 / LARGEST < largest < LARGEST


def _search(
    chain: _Chain, thetas: list[float], tries: int
) -> tuple[list[float], list[float], float] | None:
    """Coordinate search for the multipliers with the least ``L^2``."""
    best = chain.inverses(thetas)
    if best is None:
        return None
    tries -= 1
    for step in STEPS:
        for i in range(len(thetas)):
            for way in (step, -step):
                if tries == 0:
                    return (thetas, *best)
                other = [*thetas]
                other[i] += way
                here = chain.inverses(other)
                tries -= 1
                if here is not None and here[1] < best[1]:
                    thetas, best = other, here
                    break
    return (thetas, *best)


def _prove(
    chain: _Chain, norms: Sequence[arb], multipliers: Sequence[float], square: float
) -> Fraction | None:
    """``square`` plus what the least eigenvalue of the certificate lacks.

    The certificate is the matrix of ``L^2 |x|^2 + sum_k 2 t_k <d_k - a A_k d_(k-1), d_k -
    b A_k d_(k-1)> - |A_n d_(n-1)|^2`` in x and ``d_k/g_k``, g_k powers of two, divided by a
    power of two; where its least eigenvalue is ``-e``, ``L^2`` grows by e times the largest
    ``|(x, d_k/g_k)|^2/|x|^2``.
    """
    sizes = [m.shape[1] for m in chain.matrices]
    ends = np.cumsum([0, *sizes])
    unit = 2.0 ** math.frexp(square)[1]
    with precision():
        reach, squares = arb(1), arb(1)
        scales = [1.0]
        for norm, a, b in zip(norms, chain.low, chain.high, strict=False):
            reach *= norm * max(abs(a), abs(b))
            scales.append(2.0 ** math.frexp(float(upper(reach, 17)))[1])
            squares += (reach / scales[-1]) ** 2
    certificate = np.zeros((ends[-1], ends[-1]))
    blocks = [certificate[i:j, i:j] for i, j in pairwise(ends)]
    diagonal = [square / unit, *(2 * t * g * g / unit
                                 for t, g in zip(multipliers, scales[1:], strict=True))]
    if not all(0 < x < LARGEST for x in (*scales, *diagonal, *multipliers)):
        return None
    rounding = 4 * UNIT
    with precision():
        error = arb(0)
        for k, matrix in enumerate(chain.matrices):
            g = scales[k]
            last = k == len(multipliers)
            # exact numbers; the entries below are off by three roundings at most
            t = Fraction(0) if last else Fraction(multipliers[k])
            low, high = (0.0, 0.0) if last else (chain.low[k], chain.high[k])
            together, product = Fraction(low) + Fraction(high), Fraction(low) * Fraction(high)
            bend = (Fraction(-1) if last else 2 * t * product) * Fraction(g) ** 2 / Fraction(unit)
            block = diagonal[k] * np.eye(sizes[k])
            size = arb(diagonal[k])
            if bend:
                found = gram(matrix)
                block = block + float(bend) * found.matrix
                part = abs(ball(bend)) * (frobenius(found.matrix) + ball(found.error))
                size += part
                error += abs(ball(bend)) * ball(found.error) + rounding * part
            # the diagonal was rounded three times, then added to
            error += rounding * (arb(diagonal[k]) + size * arb(1 + rounding))
            blocks[k][...] = block
            if not last:
                beside = -t * together * Fraction(g) * Fraction(scales[k + 1]) / Fraction(unit)
                rows, columns = slice(ends[k + 1], ends[k + 2]), slice(ends[k], ends[k + 1])
                certificate[rows, columns] = float(beside) * matrix
                certificate[columns, rows] = certificate[rows, columns].T
                error += rounding * abs(ball(beside)) * frobenius(matrix)
        error += arb(certificate.size) * arb(2) ** -1000
        if not np.isfinite(certificate).all():
            return None
        least = lambda_min_lower(certificate, exact(error.upper()))
        lacking = ball(max(Fraction(0), -least)) * squares * unit
        return exact((ball(Fraction(square)) + lacking).upper())


__all__ = ["BUDGET", "Sector", "chain_norms"]
