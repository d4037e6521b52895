"""Expressions: interning, exact simplification, and agreement with sympy."""

import copy
import pickle
from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import (
    ONE,
    ZERO,
    absolute,
    add,
    enclosed,
    function,
    largest_eigenvalue,
    let,
    maximum,
    minimum,
    mul,
    num,
    power,
    root_sum_square,
    sqrt,
    sym,
)
from govcheck.bounds.walk import postorder, substitute, symbols_of

X, Y = sym("x"), sym("y")
S = sym("s", nonneg=False)


def test_equal_formulas_are_one_object():
    assert (X + Y) * 2 is 2 * X + 2 * Y
    assert X * X is X**2
    assert X + X is 2 * X
    assert (X - X) is ZERO
    assert X / X is ONE
    assert copy.deepcopy(X + Y) is X + Y
    assert pickle.loads(pickle.dumps(sqrt(X) + 1)) is sqrt(X) + 1


def test_roots():
    assert sqrt(X) ** 2 is X
    assert sqrt(X**2) is X
    assert sqrt(S**2) is absolute(S)
    assert absolute(S) ** 2 is S**2
    assert sqrt(num(45)) is 3 * sqrt(5)
    assert sqrt(num(Fraction(3, 4))) is sqrt(3) / 2
    assert sqrt(X**2 * Y / 4) is X * sqrt(Y) / 2
    assert sqrt(2) * sqrt(2) is num(2)
    assert power(X, Y) ** Fraction(1, 2) is power(X, Y / 2)
    with pytest.raises(ValueError, match="not a real number"):
        sqrt(-1)
    with pytest.raises(ZeroDivisionError):
        power(0, -1)


def test_a_root_of_a_square_of_unknown_sign_is_its_absolute_value():
    s = sym("t", nonneg=False)
    scale = absolute((1 - s) / sqrt(X))
    assert scale * sqrt(X) is absolute(1 - s)
    assert evaluate(absolute(1 - s), {s: ball(3)}) == 2


def test_extrema_fold_numbers():
    assert maximum(1, 3, X, 2) is maximum(X, 3)
    assert maximum(0, X) is X
    assert minimum(0, X) is ZERO
    assert maximum(0, S).op == "max"
    assert maximum(X, maximum(Y, X)) is maximum(X, Y)


def test_sign_of_composites():
    assert (X + Y * 2).nonneg
    assert not (X - Y).nonneg
    assert (S**2).nonneg
    assert not (S**3).nonneg
    assert function("exp", S).nonneg
    assert not function("log", X).nonneg


def test_floats_are_refused():
    with pytest.raises(TypeError, match=r"Fraction\('0.1'\)"):
        X + 0.1


def test_let_names_only_what_is_long():
    short = X + 1
    assert let("a", short) is short
    long = sum((sym(f"a{i}") for i in range(20)), ZERO)
    named = let("b", long)
    assert named.size == 1
    assert named.args[0] is long


def test_enclosure_order():
    with pytest.raises(ValueError, match="enclosure"):
        enclosed("c", "2", "1")


def test_largest_eigenvalue_against_sympy():
    p, q, r = 3, Fraction(5, 2), -1
    ours = evaluate(largest_eigenvalue(p, q, r), {})
    exact = max(sympy.Matrix([[p, sympy.Rational(5, 2)], [sympy.Rational(5, 2), r]]).eigenvals())
    assert abs(float(ours.mid()) - float(exact)) < 1e-15
    assert largest_eigenvalue(X, 0, Y) is maximum(X, Y)
    assert largest_eigenvalue(X, S, X) is X + absolute(S)


def test_substitute_and_symbols():
    e = sqrt(X * Y + 1) / Y
    assert set(symbols_of(e)) == {X, Y}
    assert substitute(e, {X: Y}) is sqrt(Y**2 + 1) / Y
    assert root_sum_square(X, 0) is X
    assert postorder(e)[-1] is e


LEAVES = st.one_of(
    st.sampled_from([X, Y, S]),
    st.fractions(-4, 4, max_denominator=6).map(num),
)
TREES = st.recursive(
    LEAVES,
    lambda t: st.one_of(
        st.tuples(st.sampled_from([add, mul, maximum, minimum]), t, t).map(
            lambda f: f[0](f[1], f[2])
        ),
        t.map(absolute),
        t.map(lambda e: sqrt(e**2)),
        t.map(lambda e: e**3),
        t.map(lambda e: function("exp", minimum(e, 2))),
        st.tuples(t, t).map(lambda f: f[0] - f[1]),
    ),
    max_leaves=12,
)


@settings(max_examples=300, derandomize=True)
@given(TREES, st.fractions(0, 3, max_denominator=7), st.fractions(-3, 3, max_denominator=7))
def test_simplification_keeps_the_value(e, x, s):
    """The node as built has the value that sympy gives its parts."""
    env = {X: ball(x), Y: ball(Fraction(7, 3)), S: ball(s)}
    ours = evaluate(e, env)
    memo = {}
    for n in postorder(e):
        a = [memo[c] for c in n.args]
        match n.op:
            case "num":
                memo[n] = sympy.Rational(n.payload.numerator, n.payload.denominator)
            case "sym":
                memo[n] = {"x": sympy.Rational(str(x)), "y": sympy.Rational(7, 3)}.get(
                    n.payload.name, sympy.Rational(str(s))
                )
            case "add":
                memo[n] = sympy.Rational(str(n.payload[0])) + sum(
                    sympy.Rational(str(c)) * v for c, v in zip(n.payload[1:], a, strict=True)
                )
            case "mul":
                memo[n] = sympy.Rational(str(n.payload[0])) * sympy.prod(
                    v ** sympy.Rational(str(c)) for c, v in zip(n.payload[1:], a, strict=True)
                )
            case "max" | "min":
                memo[n] = sympy.Max(*a) if n.op == "max" else sympy.Min(*a)
            case "fn":
                memo[n] = sympy.Abs(a[0]) if n.payload == "abs" else sympy.exp(a[0])
            case "const":
                memo[n] = sympy.E
    exact = float(sympy.N(memo[e], 30))
    assert abs(float(ours.mid()) - exact) <= 1e-12 * max(1, abs(exact))
    assert not e.nonneg or exact >= 0
