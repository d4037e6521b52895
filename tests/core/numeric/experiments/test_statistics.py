import numpy as np
import pytest

from govcheck.numeric.experiments.statistics import (
    band,
    compare,
    decide,
    kolmogorov,
    ordering,
)


def test_six_wins_of_six_have_the_smallest_exact_p_value():
    c = compare("a", "b", np.zeros(6), np.arange(1.0, 7), 0)
    assert (c.wins, c.p_larger, c.p_smaller) == (6, 1 / 64, 1.0)
    assert c.mean == 3.5


def test_the_p_value_counts_sign_flips():
    d = np.array([3.0, -1.0, 2.0])
    c = compare("a", "b", np.zeros(3), d, 0)
    sums = [a * 3 + b * 1 + e * 2 for a in (1, -1) for b in (1, -1) for e in (1, -1)]
    assert c.p_larger == sum(s >= 4 for s in sums) / 8
    assert c.p_smaller == sum(s <= 4 for s in sums) / 8


def test_equal_values_say_nothing():
    c = compare("a", "b", np.ones(8), np.ones(8), 0)
    assert (c.wins, c.p_larger, c.p_smaller) == (0, 1.0, 1.0)


def test_the_test_keeps_its_level():
    rng = np.random.default_rng(0)
    p = [compare("a", "b", np.zeros(8), rng.standard_normal(8), 0).p_larger for _ in range(300)]
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.09


@pytest.mark.parametrize(("steps", "decision"), [
    ((1, 1, 1), "holds"), ((1, -1, 1), "reversed"), ((1, 0, 1), "undecided"),
])
def test_an_order_is_decided_by_its_weakest_step(steps, decision):
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((4, 10))
    noise -= noise.mean(1, keepdims=True)
    levels = np.concatenate([[0], np.cumsum(steps)])
    values = [10 * level + n for level, n in zip(levels, noise, strict=True)]
    assert decide(ordering("abcd", values, 0)) == decision


def test_kolmogorov_has_both_signs():
    a, b = np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6])
    assert kolmogorov(a, b) == (0.5, 0.0)
    assert kolmogorov(b, a) == (0.0, 0.5)
    assert kolmogorov(a, a) == (0.0, 0.0)


def test_a_band_is_the_standard_error():
    mean, error = band(np.array([[1.0, 5], [3, 5]]))
    assert mean.tolist() == [2, 5] and error.tolist() == [1, 0]
