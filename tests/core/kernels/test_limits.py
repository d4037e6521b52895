"""Leading terms of formulas in the width."""

from __future__ import annotations

from fractions import Fraction

import pytest

from govcheck.bounds.evaluate import ball
from govcheck.bounds.expr import PI, enclosed, function, let, num, sqrt, sym
from govcheck.kernels.limits import Limits, NoKernelError

M, W, H = sym("m"), sym("w"), sym("H")
LIMITS = Limits({M: ball(10), H: ball(3)}, frozenset({M, W}))


@pytest.mark.parametrize(("formula", "value"), [
    (num(3), 3.0),
    (M * (2 / M), 2.0),
    (M * (sqrt(H / M)) ** 2, 3.0),
    ((M + 3) / (2 * M - 1), 0.5),
    (sqrt(M**2 + M) / (M + 1) * PI, 3.141592653589793),
    (M * W / (M * W + 5), 1.0),
    ((M + W) ** 0, 1.0),
    (num(0) * M, 0.0),
    (M ** (H - 3), 1.0),
    (function("exp", H - 3), 1.0),
    (let("q", (M + 1) * (M + 2) * (M + 3) * (M + 4) * (M + 5), at_least=1) / M**5, 1.0),
    (enclosed("e1", "1", "1") * 4, 4.0),
])
def test_limits(formula, value):
    assert LIMITS.limit(formula, "it") == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(("formula", "reason"), [
    (M, "diverges like m as"), (sqrt(M), r"diverges like m\^\(1/2\)"),
    (1 / M, r"vanishes like m\^\(-1\)"), (M / W, "goes like"),
    (M + W, "against each other"), (M - sqrt(M**2) + 0 * W + sqrt(M + 1) - sqrt(M), "cancel"),
    (function("exp", M), "no sum of powers"), (H * sym("z"), "symbol z has no value"),
    (1 / ((M + 1) * num(0) + H - 3), "division by zero"), (sqrt(num(2) * M - 3 * M), "negative"),
])
def test_no_limit(formula, reason):
    with pytest.raises(NoKernelError, match=reason):
        LIMITS.limit(formula, "it")


def test_values_of_widths_are_not_used():
    with pytest.raises(NoKernelError, match="diverges"):
        Limits({M: ball(10)}, frozenset({M})).limit(M / 10, "it")
    assert Limits({M: ball(10)}, frozenset()).limit(M / 10, "it") == 1


def test_exponents_are_exact():
    e = M ** Fraction(1, 3)
    assert LIMITS.limit(e * e * e / M, "it") == 1
