"""Frobenius norms, scaling and intervals against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from govcheck.certify.intervals import Range
from govcheck.certify.rounding import exact, frobenius, frobenius_upper, product_error, scaled


@pytest.mark.parametrize("scale", [1.0, 1e-310, 1e-160, 1e200, 1e308])
def test_frobenius_encloses_the_exact_sum_of_squares(scale):
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, (23, 31)) * scale * 10.0 ** -rng.integers(0, 5, (23, 31))
    square = sum(Fraction(x) ** 2 for x in a.ravel().tolist())
    ends = Range.of(frobenius(a))
    assert ends.low**2 <= square <= ends.high**2
    assert (ends.high - ends.low) * 10**30 < ends.high


def test_long_sums_do_not_overflow():
    a = np.full((1000, 1500), float(2**53 - 1))
    square = 1500000 * (2**53 - 1) ** 2
    ends = Range.of(frobenius(a))
    assert ends.low**2 <= square <= ends.high**2


def test_perfect_square_is_exact():
    assert Range.of(frobenius([[3.0, 4.0]])) == Range.point(5)


def test_product_error_bounds_the_error():
    rng = np.random.default_rng(1)
    for k in (1, 7, 60):
        a, b = rng.standard_normal((4, k)), rng.standard_normal((k, 3)) * 1e-3
        rows = [[Fraction(x) for x in r] for r in a.tolist()]
        columns = [[Fraction(x) for x in c] for c in b.T.tolist()]
        computed = a @ b
        square = sum(
            (Fraction(float(computed[i, j]))
             - sum(x * y for x, y in zip(rows[i], columns[j], strict=True))) ** 2
            for i in range(4) for j in range(3)
        )
        bound = exact(product_error(k, frobenius_upper(a), frobenius_upper(b), 12).upper())
        assert 0 < square <= bound**2


def test_scaling_is_by_a_power_of_two():
    a = np.array([[3.0, -1e300], [1e-5, 0.0]])
    b, e = scaled(a)
    assert 0.5 <= np.abs(b).max() < 1
    assert (np.ldexp(b, e) == a).all()
    assert scaled(np.zeros((2, 2)))[1] == 0


def test_scaling_loses_little_to_underflow():
    b, e = scaled(np.array([[1e300, 1e-30]]))
    assert abs(Fraction(b[0, 1]) * Fraction(2) ** e - Fraction(1e-30)) <= Fraction(2) ** (e - 1000)
    assert Fraction(b[0, 0]) * Fraction(2) ** e == Fraction(1e300)


def test_ball_contains_the_range_and_keeps_its_lower_end():
    rng = np.random.default_rng(2)
    for _ in range(300):
        low = Fraction(2) ** int(rng.integers(-900, 900)) * int(rng.integers(0, 1000))
        high = low + Fraction(2) ** int(rng.integers(-900, 900)) * int(rng.integers(0, 1000))
        ball = Range(low, high).ball
        around = Range.of(ball)
        assert around.low <= low
        assert high <= around.high <= low + (high - low) * Fraction("1.0001") + abs(high) / 2**100
        assert (around.low > 0) == (low > 0)
        assert around.low >= 0


def test_a_range_is_not_empty():
    with pytest.raises(ValueError, match="empty"):
        Range(Fraction(2), Fraction(1))
