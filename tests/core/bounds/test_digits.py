"""Long products of rational factors do not collect digits without end."""

from __future__ import annotations

from fractions import Fraction

from flint import arb

from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import ONE, Expr, let, sym
from govcheck.bounds.walk import postorder

STEPS = 2000


def digits(e: Expr) -> int:
    """Bits of the longest coefficient in a node."""
    numbers = e.payload if isinstance(e.payload, tuple) else (e.payload,)
    return max((x.numerator.bit_length() + x.denominator.bit_length()
                for x in numbers if isinstance(x, int | Fraction)), default=0)


def chain(start: Expr) -> Expr:
    """Multiplied by 1 + i/STEPS and named, one time after the other."""
    e = start
    for i in range(1, STEPS):
        e = let(f"J@{i}", e * Fraction(STEPS + i, STEPS))
    return e


def test_coefficients_stay_short_and_values_right():
    j = sym("J")
    expected = 1
    for i in range(1, STEPS):
        expected *= Fraction(STEPS + i, STEPS)
    for start in (ONE, j):
        e = chain(start)
        assert max(map(digits, postorder(e))) < 2000
        value = evaluate(e, {j: arb(1)})
        ratio = value * arb(expected.denominator) / arb(expected.numerator)
        assert ratio.contains(1) and abs(ratio - 1) < 1e-12


def test_numbers_of_usual_length_are_not_named():
    j = sym("J")
    assert let("long", j * Fraction(10**30, 7)).op == "mul"
