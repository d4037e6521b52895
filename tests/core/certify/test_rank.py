"""Ranks that are known by construction or by exact elimination."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from govcheck.certify.rank import _minor_bits, exact_rank, rank_bounds


def eliminate(a):
    """Rank by Gaussian elimination in fractions."""
    rows = [[Fraction(x) for x in row] for row in a.tolist()]
    rank = 0
    for column in range(a.shape[1]):
        pivot = next((r for r in rows[rank:] if r[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(rank, pivot)
        for i in range(rank + 1, len(rows)):
            factor = rows[i][column] / pivot[column]
            if factor:
                rows[i] = [x - factor * y for x, y in zip(rows[i], pivot, strict=True)]
        rank += 1
    return rank


def test_random_small_matrices_match_exact_elimination():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        m, n = rng.integers(1, 7, 2)
        r = int(rng.integers(0, min(m, n) + 1))
        a = (rng.integers(-4, 5, (m, r)) @ rng.integers(-4, 5, (r, n))).astype(float)
        # powers of two on rows and columns keep the rank
        a = a * 2.0 ** rng.integers(-300, 300, (m, 1)) * 2.0 ** rng.integers(-200, 200, (1, n))
        truth = eliminate(a)
        assert rank_bounds(a) == (truth, truth)
        seen.add(truth)
    assert seen >= {0, 1, 2, 3, 4}


def test_rounded_products_match_exact_elimination():
    # rounding usually breaks the dependence: no tolerance is involved
    rng = np.random.default_rng(1)
    for _ in range(60):
        a = rng.standard_normal((5, 2)) @ rng.standard_normal((2, 4))
        assert exact_rank(a) == eliminate(a)


@pytest.mark.parametrize(("m", "n", "r"), [(60, 60, 59), (100, 80, 17), (40, 90, 40)])
def test_products_of_integer_matrices(m, n, r):
    rng = np.random.default_rng(m + r)
    a = rng.integers(-9, 10, (m, r)) @ rng.integers(-9, 10, (r, n))
    assert rank_bounds(a) == (r, r)


def test_column_that_is_a_sum_of_two():
    a = np.random.default_rng(2).integers(-1000, 1000, (64, 64)) / 1024
    a[:, 10] = a[:, 3] + a[:, 40]
    assert exact_rank(a) == 63
    a[0, 10] = np.nextafter(a[0, 10], 10)
    assert exact_rank(a) == 64


def test_repeats_and_zeros_are_free():
    rng = np.random.default_rng(3)
    a = np.zeros((400, 300))
    a[:50, :40] = rng.standard_normal((50, 40))
    a[50:100] = a[:50]
    assert rank_bounds(a, budget=0) == (40, 40)


def test_a_multiple_of_the_prime_does_not_mislead():
    # 2**31 - 1 is the first prime used: modulo it this matrix is 0
    assert exact_rank(np.array([[2.0**31 - 1]])) == 1
    assert exact_rank((2.0**31 - 1) * np.eye(3)) == 3
    a = np.diag([1.0, 2.0**31 - 1])
    assert rank_bounds(a) == (2, 2)


def test_a_small_budget_leaves_the_upper_bound_open():
    rng = np.random.default_rng(4)
    a = rng.integers(-9, 10, (80, 30)) @ rng.integers(-9, 10, (30, 70))
    assert rank_bounds(a, budget=1000) == (30, 70)


def test_bits_bound_every_minor():
    rng = np.random.default_rng(5)
    for _ in range(40):
        n = int(rng.integers(1, 6))
        mantissa = rng.integers(-15, 16, (n, n))
        shift = rng.integers(0, 9, (n, n)) * (mantissa != 0)
        exact = [[Fraction(int(x) << int(s)) for x, s in zip(*rows, strict=True)]
                 for rows in zip(mantissa, shift, strict=True)]
        assert abs(determinant(exact)) < 2 ** _minor_bits(mantissa, shift, n)


def determinant(a):
    if not a:
        return Fraction(1)
    return sum(
        (-1) ** j * a[0][j] * determinant([row[:j] + row[j + 1 :] for row in a[1:]])
        for j in range(len(a))
        if a[0][j]
    )
