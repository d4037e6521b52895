"""Proven bounds of the norms of products of consecutive matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from flint import arb

from govcheck.bounds.evaluate import ball
from govcheck.certify.matrices import norm_upper
from govcheck.certify.rounding import (
    UNDERFLOW,
    Matrix,
    exact,
    exact_matrix,
    frobenius_upper,
    precision,
    product_error,
    scaled,
)

BUDGET: Final = 10_000_000_000
"""Rough number of operations to spend on the products of one chain."""

LONGEST: Final = 48
"""Matrices of a chain that are looked at together; the work grows with the cube."""


@dataclass(frozen=True, eq=False)
class _Near:
    """``2^exponent M`` for every matrix M within `error` (operator norm) of `matrix`."""

    matrix: Matrix
    exponent: int
    error: arb

    def norm(self) -> arb:
        return (ball(norm_upper(self.matrix)) + self.error) * arb(2) ** self.exponent


def _given(weight: Matrix) -> _Near:
    matrix, exponent = scaled(exact_matrix(weight))
    return _Near(matrix, exponent, arb(matrix.size) * UNDERFLOW)


def _times(left: _Near, right: _Near) -> _Near:
    """The product, with ``|AB - fl(A'B')| <= |A|e + d|B'| + rounding`` and scaled again."""
    a, b = left.matrix, right.matrix
    sizes = frobenius_upper(a), frobenius_upper(b)
    lost = (sizes[0] + left.error) * right.error + left.error * sizes[1]
    lost += product_error(a.shape[1], *sizes, a.shape[0] * b.shape[1])
    matrix, exponent = scaled(a @ b)
    error = (lost * arb(2) ** -exponent + matrix.size * UNDERFLOW).upper()
    return _Near(matrix, left.exponent + right.exponent + exponent, error)


def product_norms(
    weights: Sequence[Matrix], norms: Sequence[arb], budget: int = BUDGET
) -> Callable[[int, int], arb]:
    """Upper bounds of ``|W_k ... W_j|_2`` for all ``j <= k``, counted from 0.

    Short products are multiplied out and their norms enclosed, as long as the budget lasts;
    a longer one is at most the best product of the norms of two parts.

    Args:
        weights: in the order in which they are applied.
        norms: upper bounds of the norms of the single matrices.
        budget: rough number of operations.

    Returns:
        The bound as a function of j and k.

    Raises:
        ValueError: if an entry is not finite.
    """
    found = {(i, i): norm for i, norm in enumerate(norms)}
    with precision():
        products = {i: _given(w) for i, w in enumerate(weights)}
        for span in range(1, len(weights)):
            longer = {}
            for j in range(len(weights) - span):
                k = j + span
                split = [found[j, i] * found[i + 1, k] for i in range(j, k)]
                best = min(split, key=lambda x: x.upper())
                # products of this span begin at j; the next matrix is applied after them
                last = products.get(j)
                cost = 0 if last is None else _cost(weights[k], last.matrix)
                if last is not None and cost <= budget:
                    budget -= cost
                    longer[j] = _times(_given(weights[k]), last)
                    best = arb.min(longer[j].norm(), best)
                found[j, k] = best.upper()
            products = longer
    return lambda j, k: found[j, k]


def _cost(left: Matrix, right: Matrix) -> int:
    rows, inner, columns = len(left), len(right), int(right.shape[1])
    return 2 * rows * inner * columns + 20 * rows * columns * min(rows, columns)


def averaged_norm(
    weights: Sequence[Matrix],
    norms: Sequence[arb],
    radii: Sequence[arb],
    sectors: Sequence[tuple[arb, arb]],
    *,
    budget: int = BUDGET,
) -> Fraction:
    """Upper bound of ``|W_n D_(n-1) W_(n-1) ... D_1 W_1|_2`` for all D in given sectors.

    Each D is diagonal (or any matrix ``c + r E`` with ``|E|_2 <= 1``) with entries in
    ``[low, high]``, c and r the middle and half the width. The product expands into one
    term for each choice of c or ``r E`` at each D; E cuts it into products of consecutive
    matrices, so that with ``f(0) = 1`` and ``r_0 = 1``

        f(k) = sum over j < k of f(j) r_j |c_(j+1) ... c_(k-1)| |W_k ... W_(j+1)|

    bounds what ends at k. As ``|c| + r`` is the largest slope and norms of products are at
    most products of norms, it is never above the product of all norms and largest slopes.

    Args:
        weights: W_1 to W_n as given.
        norms: upper bounds of their norms.
        radii: each W is any matrix within this operator norm of the given one; a product
            then moves by at most ``prod(norm + radius) - prod(norm)``.
        sectors: low and high for D_1 to D_(n-1).
        budget: rough number of operations for products.

    A chain of more than `LONGEST` matrices is cut, with the largest slope at each cut.
    """
    if not len(weights) == len(norms) == len(radii) == len(sectors) + 1:
        raise ValueError("a chain of n matrices has n norms, n radii and n - 1 sectors")
    cuts = range(0, len(weights), LONGEST)
    with precision():
        bound = arb(1)
        for start in cuts:
            end = min(start + LONGEST, len(weights))
            if start:
                low, high = sectors[start - 1]
                bound *= abs(low).max(abs(high))
            given = product_norms(weights[start:end], norms[start:end], budget // len(cuts))
            inner = sectors[start : end - 1]
            bound *= expanded(given, norms[start:end], radii[start:end], inner)
        return exact(bound.upper())


def expanded(
    given: Callable[[int, int], arb],
    norms: Sequence[arb],
    radii: Sequence[arb],
    sectors: Sequence[tuple[arb, arb]],
) -> arb:
    """f(n) of `averaged_norm`, given the norms of products."""
    f = [arb(1)]
    middles = [abs((low + high) / 2) for low, high in sectors]
    halves = [arb(1), *(((high - low) / 2).max(arb(0)) for low, high in sectors)]
    for k in range(1, len(norms) + 1):
        total = arb(0)
        inside, small, large = arb(1), arb(1), arb(1)
        for j in range(k - 1, -1, -1):
            small, large = small * norms[j], large * (norms[j] + radii[j])
            moved = arb(0) if all(r == 0 for r in radii[j:k]) else large - small
            total += f[j] * halves[j] * inside * (given(j, k - 1) + moved)
            if j:
                inside *= middles[j - 1]
        f.append(total.upper())
    return f[-1]
