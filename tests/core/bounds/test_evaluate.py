"""Values in balls: enclosing, outward, and refusing what has no value."""

from decimal import Decimal
from fractions import Fraction

import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from govcheck.bounds.evaluate import (
    EvaluationError,
    ball,
    evaluate,
    free_symbols,
    interval,
    lower,
    upper,
)
from govcheck.bounds.expr import enclosed, function, num, power, sqrt, sym
from govcheck.bounds.recurrence import Recurrence

X, N = sym("x"), sym("n")


@settings(max_examples=300, derandomize=True)
@given(
    st.integers(-(10**40), 10**40),
    st.integers(-400, 400),
    st.integers(1, 12),
)
def test_decimals_lie_on_the_safe_side(mantissa, exponent, digits):
    x = arb(mantissa) * arb(2) ** exponent
    exact = Fraction(mantissa) * Fraction(2) ** exponent
    up, down = upper(x, digits), lower(x, digits)
    assert Fraction(down) <= exact <= Fraction(up)
    assert len(up.as_tuple().digits) <= digits
    if exact:
        assert Fraction(up) - Fraction(down) <= abs(exact) * Fraction(10) ** (2 - digits)


def test_a_wide_ball_rounds_to_both_sides():
    third = ball(Fraction(1, 3))
    assert lower(third, 3) == Decimal("0.333")
    assert upper(third, 3) == Decimal("0.334")
    box = interval(Fraction(1, 3), Fraction(2, 3))
    assert Fraction(lower(box)) <= Fraction(1, 3)
    assert Fraction(upper(box)) >= Fraction(2, 3)


def test_enclosed_constants_enter_as_intervals():
    c = enclosed("c", "1.1", "1.3")
    value = evaluate(c * 2, {})
    assert lower(value) <= Decimal("2.2")
    assert upper(value) >= Decimal("2.6")


def test_huge_and_tiny_numbers_have_decimals():
    big = evaluate(power(num(3), 100_000), {})
    assert upper(big, 4).adjusted() == 47712
    small = evaluate(power(num(Fraction(1, 3)), 100_000), {})
    assert lower(small, 4).adjusted() == -47713


@pytest.mark.parametrize(
    ("formula", "env", "message"),
    [
        (X + 1, {}, "symbol x has no value"),
        (X + 1, {X: ball(-1)}, "derived for x >= 0"),
        (1 / X, {X: ball(0)}, "division by zero"),
        (sqrt(1 - X), {X: ball(2)}, "root of a negative"),
        (function("log", X), {X: ball(0)}, "logarithm"),
    ],
)
def test_what_has_no_value_says_why(formula, env, message):
    with pytest.raises(EvaluationError, match=message):
        evaluate(formula, env)


def test_not_a_number():
    with pytest.raises(EvaluationError, match="not a finite number"):
        ball(float("nan"))


@pytest.mark.parametrize("count", [num(Fraction(1, 2)), num(-1)])
def test_a_repeat_count_is_a_whole_number(count):
    e = Recurrence((X,), (X * 2,)).output((count, num(1)), 0)
    with pytest.raises(EvaluationError, match="repeat count"):
        evaluate(e, {})


def test_states_of_a_recurrence_are_not_free():
    e = Recurrence((X,), (X * sym("a"),)).output((N, num(1)), 0)
    assert {s.payload.name for s in free_symbols(e, {})} == {"n", "a"}


def test_a_root_of_a_ball_around_zero_is_a_ball_around_zero():
    tiny = arb(0, 1e-30)
    value = evaluate(sqrt(X), {X: tiny})
    assert value.contains(0)
    assert upper(value) <= Decimal("1.1e-15")
