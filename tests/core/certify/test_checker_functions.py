"""Activations of the checker against python-flint at high precision."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import pytest
from flint import arb, ctx, fmpq

from govcheck.certify import checker

Three = tuple[arb, arb, arb]


def _bell(x: arb) -> arb:
    return (-x * x / 2).exp() / (2 * arb.pi()).sqrt()


def _below(x: arb) -> arb:
    return (1 + (x / arb(2).sqrt()).erf()) / 2


def _sigmoid(x: arb) -> arb:
    return 1 / (1 + (-x).exp())


def _tanh(x: arb) -> Three:
    t = x.tanh()
    return t, 1 - t * t, -2 * t * (1 - t * t)


EXACT: dict[str, Callable[[arb], Three]] = {
    "tanh": _tanh,
    "sigmoid": lambda x: (
        s := _sigmoid(x), s * _sigmoid(-x), s * _sigmoid(-x) * (1 - 2 * s)),
    "softplus": lambda x: (
        (1 + x.exp()).log(), s := _sigmoid(x), s * (1 - s)),
    "erf": lambda x: (
        x.erf(), d := 2 / arb.pi().sqrt() * (-x * x).exp(), -2 * x * d),
    "gelu": lambda x: (
        x * _below(x), _below(x) + x * _bell(x), _bell(x) * (2 - x * x)),
    "identity": lambda x: (x, arb(1), arb(0)),
}


@pytest.mark.parametrize("name", sorted(checker.FUNCTIONS))
@pytest.mark.parametrize("bits", [64, 128, 700])
def test_values_and_derivatives_are_within_two_units(name: str, bits: int) -> None:
    rng = random.Random(bits)
    before, ctx.prec = ctx.prec, 4 * bits + 6000
    try:
        places = [0, 1, -1, (30 << bits) + 1, -(30 << bits), 700 << bits, -(700 << bits)]
        places += [round(rng.gauss(0, 2) * 2**40) << (bits - 40) for _ in range(30)]
        places += [rng.randrange(-(2 ** (bits - 20)), 2 ** (bits - 20)) for _ in range(5)]
        # where series end, where a value is rounded to its limit, the largest that may enter
        w = bits + checker.GUARD
        for edge in ((0.7 * w) ** 0.5, (1.4 * w) ** 0.5, 0.69 * w, float(w)):
            near = round(edge * rng.uniform(0.98, 1.02) * 2**40) << (bits - 40)
            places += [near, -near]
        places += [sign * (checker.LARGEST << bits) for sign in (1, -1)]
        for x in places:
            found = checker.FUNCTIONS[name].at(x << checker.GUARD, bits + checker.GUARD)
            exact = EXACT[name](arb(fmpq(x, 1 << bits)))
            for have, true in zip(found, exact, strict=True):
                assert abs(arb(have >> checker.GUARD) - true * arb(2) ** bits) < 2, (name, x)
    finally:
        ctx.prec = before


@pytest.mark.parametrize("name", sorted(checker.FUNCTIONS))
def test_bounds_of_derivatives_hold_and_are_tight(name: str) -> None:
    f = checker.FUNCTIONS[name]
    w = 64 + checker.GUARD
    grid = [i * (1 << w) // 100 for i in range(-600, 601)]
    values = [f.at(x, w) for x in grid]
    slope = max(abs(b) for _, b, _ in values)
    bend = max(abs(c) for _, _, c in values)
    third = max(abs(b[2] - a[2]) for a, b in pairwise(values)) * 100
    for found, bound in ((slope, f.slope), (bend, f.curvature), (third, f.third)):
        assert Fraction(found, 1 << w) <= bound
        assert Fraction(found, 1 << w) >= bound * Fraction(99, 100)


def test_logarithm_and_pi() -> None:
    before, ctx.prec = ctx.prec, 2000
    try:
        for w in (160, 300, 1000):
            assert abs(arb(checker.pi(w)) - arb.pi() * arb(2) ** w) < w
            for e in (0, 1, 1 << (w - 3), 1 << w):
                true = (1 + arb(fmpq(e, 1 << w))).log() * arb(2) ** w
                assert abs(arb(checker.log_one_plus(e, w)) - true) < w
    finally:
        ctx.prec = before
