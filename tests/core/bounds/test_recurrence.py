"""Closed forms of recurrences against iteration and against sympy."""

from fractions import Fraction
from itertools import combinations_with_replacement
from math import prod

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import ONE, ZERO, maximum, num, sqrt, sym
from govcheck.bounds.printing import recurrences
from govcheck.bounds.recurrence import complete_symmetric, iterate

H = sym("H")
X, Y, Z = sym("X"), sym("Y"), sym("Z")
A, C = sym("a"), sym("c")

RATIOS = st.fractions(0, 3, max_denominator=4)


@settings(max_examples=60, derandomize=True)
@given(st.lists(RATIOS, min_size=1, max_size=4), st.integers(-3, 7))
def test_complete_symmetric_is_the_sum_of_monomials(ratios, degree):
    value = evaluate(complete_symmetric(degree, *map(num, ratios)), {})
    monomials = combinations_with_replacement(ratios, max(degree, 0))
    exact = sum(map(prod, monomials)) if degree >= 0 else 0
    assert value.overlaps(ball(Fraction(exact)))
    assert float(value.rad()) < 1e-25


@settings(max_examples=80, derandomize=True)
@given(RATIOS, RATIOS, RATIOS, st.fractions(0, 2, max_denominator=3), st.integers(0, 9))
def test_driven_recurrences_have_closed_forms(a, b, c, x0, steps):
    """X' = a X + c;  Y' = b Y + (X/2 + 1)^2;  Z' = Z + X Y."""
    state = {
        "X": (X, num(x0), num(a) * X + num(c)),
        "Y": (Y, ZERO, num(b) * Y + (X / 2 + 1) ** 2),
    }
    solved = iterate(state, H)
    assert not recurrences(*solved.values())
    x, y = x0, Fraction(0)
    for _ in range(steps):
        x, y = a * x + c, b * y + (x / 2 + 1) ** 2
    env = {H: ball(steps)}
    for name, exact in (("X", x), ("Y", y)):
        value = evaluate(solved[name], env)
        assert value.overlaps(ball(exact))
        assert float(value.rad()) < 1e-20 * max(1, float(exact))


def test_a_product_of_two_driven_states_is_closed():
    state = {
        "X": (X, ONE, A * X + 1),
        "Y": (Y, ZERO, C * Y + 2),
        "Z": (Z, ZERO, Z + X * Y),
    }
    solved = iterate(state, H)
    assert not recurrences(*solved.values())
    env = {A: ball(2), C: ball(3)}
    x, y, z = 1, 0, 0
    for k in range(8):
        assert evaluate(solved["Z"], env | {H: ball(k)}) == z
        x, y, z = 2 * x + 1, 3 * y + 2, z + x * y


def test_equal_ratios_need_no_case_distinction():
    solved = iterate({"X": (X, ZERO, A * X + C)}, H)["X"]
    for a in (Fraction(1), Fraction(1) + Fraction(1, 10**9), Fraction(2)):
        exact = sum(a**k for k in range(5)) * 3
        assert evaluate(solved, {A: ball(a), C: ball(3), H: ball(5)}).overlaps(ball(exact))


def test_geometric_sum_agrees_with_sympy():
    solved = iterate({"X": (X, ZERO, A * X + 1)}, H)["X"]
    k, a = sympy.symbols("k a", positive=True)
    closed = sympy.summation(a**k, (k, 0, 9))
    for value in (Fraction(1, 3), Fraction(7, 5)):
        exact = closed.subs(a, sympy.Rational(str(value)))
        ours = evaluate(solved, {A: ball(value), H: ball(10)})
        assert ours.overlaps(ball(Fraction(str(exact))))


@pytest.mark.parametrize("steps", range(6))
def test_what_is_not_linear_is_iterated(steps):
    state = {
        "X": (X, ONE, maximum(A * X, C)),
        "Y": (Y, ONE, sqrt(X) * Y + X),
    }
    solved = iterate(state, H)
    assert len(recurrences(*solved.values())) == 2
    x, y = 1.0, 1.0
    for _ in range(steps):
        x, y = max(0.5 * x, 0.9), x**0.5 * y + x
    env = {A: ball(Fraction(1, 2)), C: ball("0.9"), H: ball(steps)}
    assert abs(float(evaluate(solved["X"], env).mid()) - x) < 1e-12
    assert abs(float(evaluate(solved["Y"], env).mid()) - y) < 1e-12
