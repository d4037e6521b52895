"""Formulas against Python's own arithmetic, and where their errors point."""

import math
import random
import time
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from govcheck.bounds.evaluate import EvaluationError, ball, evaluate
from govcheck.bounds.expr import (
    PI,
    E,
    absolute,
    add,
    function,
    maximum,
    minimum,
    mul,
    num,
    power,
    sym,
)
from govcheck.bounds.printing import text
from govcheck.spec import FormulaError, parse_formula

M, H, W = sym("m"), sym("H"), sym("w", nonneg=False)
SYMBOLS = {"m": M, "H": H, "w": W}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0", 0),
        ("010", 10),
        ("1e-3", Fraction(1, 1000)),
        ("1E+2", 100),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("1.25e1", Fraction(25, 2)),
        ("1/10", Fraction(1, 10)),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("-2^2", -4),
        ("(-2)^2", 4),
        ("2^-1", Fraction(1, 2)),
        ("2**3**2", 512),
        ("2^3^2", 512),
        ("8/4/2", 1),
        ("8/4*2", 4),
        ("1 - 2 - 3", -4),
        ("--3", 3),
        ("-+-3", 3),
        ("2*-3", -6),
        ("sqrt(1/4)", Fraction(1, 2)),
        ("4^(3/2)", 8),
        ("4^0.5", 2),
        ("abs(-7/3)", Fraction(7, 3)),
        ("max(1, 2, 3/2)", 2),
        ("min(1, -2)", -2),
        ("0^0", 1),
        ("( ( 3 ) )", 3),
        ("1\n + 1", 2),
    ],
)
def test_rational_values_are_exact(written, value):
    assert parse_formula(written, {}) is num(value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("pi", math.pi),
        ("e", math.e),
        ("2*e^2", 2 * math.e**2),
        ("exp(1/2)", math.exp(0.5)),
        ("log(2)/log(10)", math.log10(2)),
        ("sqrt(2)*pi^-2", math.sqrt(2) / math.pi**2),
        ("2^(1/3)", 2 ** (1 / 3)),
        ("2^pi", 2**math.pi),
        ("max(pi, e) - min(pi, e)", math.pi - math.e),
        ("exp(-abs(-pi))", math.exp(-math.pi)),
    ],
)
def test_real_values(written, value):
    assert float(evaluate(parse_formula(written, {}), {}).mid()) == pytest.approx(value, rel=1e-14)


def _random_formula(rng, depth):
    """A formula and the same in Python, where every literal is a Fraction."""
    if depth == 0 or rng.random() < 0.2:
        literal = rng.choice(["3", "0.25", "1e-2", "7", "12.5", "2"])
        return literal, f"Fraction('{literal}')"
    kind = rng.choice("+-*/^n(")
    a, pa = _random_formula(rng, depth - 1)
    b, pb = _random_formula(rng, depth - 1)
    if kind == "^":
        x = rng.choice([0, 1, 2, 3])
        return f"({a})^{x}", f"({pa})**{x}"
    if kind == "n":
        return f"-{a}" if a[0] != "-" else a, f"-{pa}" if a[0] != "-" else pa
    if kind == "(":
        return f"({a})", f"({pa})"
    # no parentheses: precedence and associativity are what is tested
    return f"{a} {kind} {b}", f"{pa} {kind} {pb}"


def test_arithmetic_agrees_with_fractions():
    rng = random.Random(20)
    compared = 0
    for _ in range(600):
        ours, theirs = _random_formula(rng, 4)
        try:
            wanted = eval(theirs, {"Fraction": Fraction})
        except ZeroDivisionError:
            with pytest.raises(FormulaError, match="division by zero"):
                parse_formula(ours, {})
            continue
        assert parse_formula(ours, {}) is num(wanted), ours
        compared += 1
    assert compared > 500


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("m*m", M**2),
        ("(1 - w)/sqrt(m)", (1 - W) / M ** Fraction(1, 2)),
        ("2^H", power(2, H)),
        ("m^(H - 1)", power(M, H - 1)),
        ("sqrt(w^2)", absolute(W)),
        ("m/m", num(1)),
        ("max(m, 0, m)", maximum(M, 0)),
        ("pi*e", PI * E),
    ],
)
def test_symbols(written, expected):
    assert parse_formula(written, SYMBOLS) is expected


@pytest.mark.parametrize(
    ("written", "offset", "part"),
    [
        ("", 0, "expected here"),
        ("  ", 0, "expected here"),
        ("1 +", 3, "ends too early"),
        ("1 + )", 4, "unexpected ')'"),
        ("(1 + 2", 0, "not closed"),
        ("2*(m", 2, "not closed"),
        ("1:30", 1, "unexpected character ':'"),
        ("2m", 1, "operator is missing"),
        ("m 2", 2, "operator is missing"),
        ("1_000", 1, "unexpected character '_'"),
        ("0x10", 1, "operator is missing"),
        ("1.2.3", 3, "operator is missing"),
        ("m(2)", 1, "operator is missing"),
        ("1/0", 2, "division by zero"),
        ("1 + 1/(2 - 2)", 6, "division by zero"),
        ("0^-1", 0, "division by zero"),
        ("1/(sqrt(2)*sqrt(2) - 2)", 2, "division by zero"),
        ("1/log(1)", 2, "division by zero"),
        ("sqrt(-1)", 5, "square root of a negative"),
        ("2*sqrt(1 - pi)", 7, "square root of a negative"),
        ("(-8)^(1/3)", 0, "root of a negative"),
        ("log(0)", 4, "logarithm"),
        ("log(-2)", 4, "logarithm"),
        ("m + q", 4, "symbol 'q' is not declared"),
        ("N*2", 0, "number of samples"),
        ("sqrt", 0, "needs an argument"),
        ("sin(1)", 0, "no function 'sin'"),
        ("sqrt(1, 2)", 6, "unexpected ','"),
        ("max()", 4, "unexpected ')'"),
        ("1 = 1", 2, "unexpected character '='"),
        ("√2", 0, "unexpected character '√'"),
        ("٣", 0, "unexpected character"),
        ("__import__('os')", 0, "unexpected character '_'"),
        ("m.real", 1, "unexpected character '.'"),
        ("3 % 2", 2, "unexpected character '%'"),
        ("1e401", 0, "exponent"),
        ("1e99999999999999", 0, "exponent"),
        ("9" * 401, 0, "digits"),
        ("9^9^9", 0, "exponents are limited"),
        ("9^99999", 0, "too large"),
        ("((7^1000)^1000)^1000", 1, "too large"),
        ("2^(1/3)^9000000", 2, "exponents are limited"),
        ("(2^(1/3))^900000", 0, "too large"),
        ("(m^10000)^1000", 0, "exponents are limited"),
        ("m^(1/99991)*m^(1/99989)", 0, "exponents are limited"),
        ("(" * 80 + "1" + ")" * 80, 50, "nested deeper"),
        ("1^" * 80 + "1", 101, "nested deeper"),
        ("1" + "+1" * 2500, 0, "characters"),
    ],
)
def test_errors_point_at_the_character(written, offset, part):
    with pytest.raises(FormulaError) as caught:
        parse_formula(written, SYMBOLS)
    assert part in caught.value.message
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("2m", "write 2*m for a product"),
        ("squrt(2)", "did you mean 'sqrt'?"),
        ("HH", "did you mean 'H'? otherwise declare it under symbols"),
        ("zebra", "declare it under symbols, as in symbols: {zebra: null}"),
        ("2×m", "write *"),
    ],
)
def test_errors_have_hints(written, hint):
    with pytest.raises(FormulaError) as caught:
        parse_formula(written, SYMBOLS)
    assert caught.value.hint == hint


def test_hostile_formulas_are_refused_quickly():
    start = time.process_time()
    for hostile in (
        "9^9^9^9^9^9", "+".join("1/7e399" for _ in range(300)), "*".join(["7e399"] * 300),
        "-" * 3999 + "m", "+".join(f"m^{k}/7e300" for k in range(300)), "((" * 1999,
        "*".join(["(m+1)^1000000"] * 280), "exp(" * 40 + "9" + ")" * 40,
    ):
        try:
            parse_formula(hostile, SYMBOLS)
        except FormulaError as error:
            assert 0 <= error.offset <= len(hostile)
    assert time.process_time() - start < 5


LEAVES = st.one_of(
    st.sampled_from([M, H, W, PI, E]),
    st.fractions(min_value=-5, max_value=5, max_denominator=12).map(num),
)
RATIONAL = st.sampled_from([Fraction(-1), Fraction(-1, 2), Fraction(1, 2), Fraction(2),
                            Fraction(3, 2), Fraction(-2), Fraction(1, 3)])


def _guarded(make):
    def build(*args):
        try:
            return make(*args)
        except (ZeroDivisionError, ValueError):
            return num(1)

    return build


def _grow(inner):
    two = st.tuples(inner, inner)
    return st.one_of(
        two.map(lambda p: add(*p)),
        two.map(lambda p: mul(*p)),
        two.map(lambda p: p[0] - p[1]),
        two.map(lambda p: maximum(*p)),
        two.map(lambda p: minimum(*p)),
        st.tuples(inner, RATIONAL).map(lambda p: _guarded(power)(*p)),
        two.map(lambda p: _guarded(power)(*p)),
        inner.map(absolute),
        inner.map(lambda a: function("exp", a)),
        inner.map(lambda a: function("log", a)),
    )


POINTS = [{M: ball(m), H: ball(h), W: ball(w)}
          for m, h, w in ((64, 8, Fraction(-1, 3)), (Fraction(5, 7), 2, 2), (3, 1, -4))]


def _values(e):
    for point in POINTS:
        try:
            value = evaluate(e, point)
        except EvaluationError:
            continue
        if value.is_finite():
            yield point, value


@settings(max_examples=300, deadline=None)
@given(st.recursive(LEAVES, _grow, max_leaves=12))
def test_printed_formulas_read_back(e):
    values = list(_values(e))
    assume(values or e.op == "sym")
    shown = text(e)
    try:
        back = parse_formula(shown, SYMBOLS)
    except FormulaError as error:
        # a constant without a real value may occur beside one that has a value
        assume(error.code not in ("not-real", "division-by-zero"))
        raise
    if back is not e:
        for point, value in values:
            assert evaluate(back, point).overlaps(value), shown
