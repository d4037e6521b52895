"""Tight rates: against the piecewise formula, its minimum, and gradient descent itself."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
from flint import arb
from scipy import optimize

from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import num, sym
from govcheck.bounds.rates import (
    best_scaled_step,
    best_tight_factor,
    long_step,
    middle_step,
    short_step,
    textbook_factor,
    tight_factor,
)

K = sym("kappa")


X = sym("x")


def at(formula, kappa, x=1):
    return float(evaluate(formula, {K: ball(Fraction(kappa)), X: ball(Fraction(x))}).mid())


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


def sympy_factors():
    k, x = sympy.symbols("k x", positive=True)
    short = ((k * (1 - x) + sympy.sqrt(4 - 2 * (1 + k) * (2 - x) * k * x)) / (2 + k)) ** 2
    middle = 1 - k * x * (4 - x**2) / (2 + k * x)
    long = (x - 1) ** 2 / ((x - 1) ** 2 + k * x * (2 - x))
    return k, x, short, middle, long


def test_the_regimes_meet_at_their_borders():
    k, x, short, middle, long = sympy_factors()
    one = 2 * (1 - k) / (2 + k)
    for k_value in (sympy.Rational(1, 7), sympy.Rational(2, 5), sympy.Integer(1)):
        assert sympy.simplify((short - one).subs({x: 1, k: k_value})) == 0
    assert sympy.simplify(middle.subs(x, 1) - one) == 0
    assert sympy.simplify((middle - long).subs(x, sympy.sqrt(3))) == 0


@pytest.mark.parametrize("kappa", KAPPAS)
def test_the_largest_formula_is_that_of_the_regime(kappa):
    for x in np.linspace(0.01, 1.99, 67):
        expected = float(piecewise(mpmath.mpf(kappa), mpmath.mpf(x)))
        assert at(tight_factor(K, X), kappa, x) == pytest.approx(expected, abs=1e-12)
        own = (short_step, middle_step, long_step)[int(x > 1) + int(x > 3**0.5)]
        assert at(own(K, X), kappa, x) == pytest.approx(expected, abs=1e-12)
        assert expected <= at(textbook_factor(K, X), kappa, x) + 1e-12


def test_balls_contain_the_exact_value():
    """Wide inputs give an upper end that is above the factor at every point of them."""
    kappa, x = ball(Fraction(3, 10)), ball(Fraction(17, 10))
    wide = {K: kappa + arb(0, 0.01), X: x + arb(0, 0.05)}
    top = evaluate(tight_factor(K, X), wide)
    for k in (0.29, 0.3, 0.31):
        for at_x in (1.65, 1.7, 1.73205, 1.75):
            assert top >= float(piecewise(mpmath.mpf(k), mpmath.mpf(at_x))) or top.contains(
                float(piecewise(mpmath.mpf(k), mpmath.mpf(at_x))))


@pytest.mark.parametrize("kappa", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("x", [0.4, 1.0, 1.12, 1.6, 1.74, 1.9])
def test_two_iterates_alone_prove_it(kappa, x):
    """The worst case over all that is used: PL at two iterates, smoothness between them.

    In ``a, b, c`` (squared gradients, their product) and the second loss it is a convex problem;
    nothing is asked of any third point.
    """
    def between(v):
        a, b, c, f = v
        curved = (a - 2 * c + b) / 4 - x * x * a / 4
        return np.array([1 - f - x * (a + c) / 2 - curved, f - 1 + x * (a + c) / 2 - curved])

    constraints = [
        {"type": "ineq", "fun": between},
        {"type": "ineq", "fun": lambda v: np.array([v[0] - 2 * kappa, v[1] - 2 * kappa * v[3],
                                                    v[0] * v[1] - v[2] ** 2])},
    ]
    best = 0.0
    for start in ([1, 0.5, 0.2, 0.5], [0.5, 0.4, -0.3, 0.4], [1.5, 0.2, 0.4, 0.2]):
        found = optimize.minimize(
            lambda v: -v[3], start, method="SLSQP", constraints=constraints,
            bounds=[(0, 2), (0, 2), (-2, 2), (0, 1)], options={"maxiter": 500, "ftol": 1e-14})
        slack = min(c["fun"](found.x).min() for c in constraints)
        if slack > -1e-9:
            best = max(best, found.x[3])
    assert best == pytest.approx(at(tight_factor(K, X), kappa, x), abs=2e-6)


@pytest.mark.parametrize("kappa", [0.05, 0.2, 0.4, 0.7, 0.95])
@pytest.mark.parametrize("x", [0.2, 0.5, 1.0, 1.1, 1.5, 1.75, 1.95])
def test_against_performance_estimation(kappa, x):
    """PEPit's semidefinite programme of the class, whose mu is half of ours."""
    pytest.importorskip("PEPit", reason="PEPit is not installed: pip install -e '.[pep]'")
    from PEPit import PEP
    from PEPit.functions import SmoothQuadraticLojasiewiczFunctionCheap

    problem = PEP()
    f = problem.declare_function(SmoothQuadraticLojasiewiczFunctionCheap, L=1.0, mu=kappa)
    least, start = f.stationary_point(), problem.set_initial_point()
    problem.set_initial_condition(f(start) - f(least) <= 1)
    problem.set_performance_metric(f(start - x * f.gradient(start)) - f(least))
    found = problem.solve(wrapper="cvxpy", solver="CLARABEL", verbose=0)
    assert found == pytest.approx(at(tight_factor(K, X), kappa, x), rel=1e-6)
