"""Tight rates: against the piecewise formula, its minimum, and gradient descent itself."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import num, sym
from govcheck_plugins.theorems._rates import best_scaled_step, best_tight_factor, tight_factor

K = sym("kappa")


def at(formula, kappa):
    return float(evaluate(formula, {K: ball(Fraction(kappa))}).mid())


def piecewise(k, x):
    """The factor of the literature on 0 < x < 2, with x = beta step."""
    if x <= 1:
        root = mpmath.sqrt(4 - 2 * (1 + k) * (2 - x) * k * x)
        return ((k * (1 - x) + root) / (2 + k)) ** 2
    if x <= mpmath.sqrt(3):
        return 1 - k * x * (4 - x**2) / (2 + k * x)
    return (x - 1) ** 2 / ((x - 1) ** 2 + k * x * (2 - x))


KAPPAS = [0.001, 0.1, 0.2, 0.5, 0.9, 1.0]


@pytest.mark.parametrize("kappa", KAPPAS)
def test_step_one_over_beta(kappa):
    found = at(tight_factor(K), kappa)
    assert found == pytest.approx(float(piecewise(kappa, mpmath.mpf(1))), abs=1e-12)
    assert found == pytest.approx(float(piecewise(kappa, mpmath.mpf("1.0000000001"))), abs=1e-8)
    assert found <= 1 - kappa + 1e-15


@pytest.mark.parametrize("kappa", KAPPAS)
def test_best_step_solves_the_cubic_and_is_the_minimum(kappa):
    x, factor = at(best_scaled_step(K), kappa), at(best_tight_factor(K), kappa)
    assert kappa * x**3 + 3 * x**2 - 4 == pytest.approx(0, abs=1e-12)
    assert 1 <= x <= 2 / np.sqrt(3) + 1e-12
    assert factor == pytest.approx(float(piecewise(kappa, mpmath.mpf(x))), abs=1e-12)
    grid = [float(piecewise(kappa, mpmath.mpf(g))) for g in np.linspace(0.01, 1.99, 400)]
    assert factor <= min(grid) + 1e-12
    assert factor >= min(grid) - 1e-3


def test_known_value():
    # kappa = 0.2, x = 0.5
    assert float(piecewise(mpmath.mpf("0.2"), mpmath.mpf("0.5"))) == pytest.approx(0.833, abs=5e-4)


@pytest.mark.parametrize("scale", [1.0, 1.2])
def test_a_nonconvex_function_obeys_it(scale):
    """f = x^2 + 3 sin(x)^2 has f'' in [-4, 8]; its PL constant is found on a grid."""
    x = np.linspace(-12, 12, 240_001)
    x = x[np.abs(x) > 1e-3]
    f, g = x**2 + 3 * np.sin(x) ** 2, 2 * x + 3 * np.sin(2 * x)
    beta, mu = 8.0, float((g**2 / f).min()) * 0.999
    kappa = mu / (2 * beta)
    assert 0 < kappa < 0.1
    best = at(best_scaled_step(K), kappa)
    steps = {1.0: (1 / beta, at(tight_factor(K), kappa)),
             1.2: (best / beta, at(best_tight_factor(K), kappa))}
    eta, factor = steps[scale]
    after = x - eta * g
    assert ((after**2 + 3 * np.sin(after) ** 2) / f).max() <= factor


def test_numbers_come_out_exact_at_the_ends():
    assert at(tight_factor(num(1)), 1) == 0
    assert at(best_tight_factor(num(1)), 1) == 0
    assert at(best_scaled_step(num(0)), 0) == pytest.approx(2 / np.sqrt(3), abs=1e-15)
