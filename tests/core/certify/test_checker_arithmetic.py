"""Rounding in the checker is outward, for both signs and all sizes, against exact fractions."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

from govcheck.certify import checker


@pytest.mark.parametrize("bits", [64, 65, 200])
def test_bounds_are_rounded_up(bits: int) -> None:
    g, rng = checker.Grid(bits), random.Random(bits)
    for _ in range(500):
        a, b, c = (rng.choice([0, 1, 2, rng.getrandbits(rng.randrange(1, bits + 60))])
                   for _ in range(3))
        x, y, z = (Fraction(v, g.one) for v in (a, b, c))
        assert Fraction(g.times(a, b, c), g.one) >= x * y * z
        assert Fraction(g.root(a), g.one) ** 2 >= x
        assert Fraction(g.length(a, b, c), g.one) ** 2 >= x * x + y * y + z * z
        if b:
            assert Fraction(g.over(a, b), g.one) >= x / y
            assert Fraction(g.over(a, b) - 1, g.one) < x / y
        q = Fraction(rng.randrange(-10**30, 10**30), rng.randrange(1, 10**25))
        assert Fraction(g.down(q), g.one) <= q <= Fraction(g.up(q), g.one)
        assert g.up(q) - g.down(q) <= 1


def test_floats_of_all_sizes_and_signs_are_enclosed() -> None:
    g, rng = checker.Grid(64), random.Random(0)
    values = [0.0, -0.0, 5e-324, -5e-324, 1 / 3, -1 / 3, 2.0**100, -(2.0**100), 2.0**-64]
    values += [rng.choice([1, -1]) * rng.random() * 2.0 ** rng.randrange(-200, 100)
               for _ in range(300)]
    for v in values:
        (x,), e = g.floats([v])
        assert abs(Fraction(x, g.one) - Fraction(v)) <= Fraction(e, g.one)
        assert e == (0 if Fraction(v) * g.one == x else 1)


@pytest.mark.parametrize("seed", range(20))
def test_products_contain_all_products_of_what_is_in_the_balls(seed: int) -> None:
    rng = random.Random(seed)
    g, size = checker.Grid(64), 2 ** rng.choice([5, 30, 64, 80])
    n, m = rng.randrange(1, 5), rng.randrange(1, 6)

    def balls() -> tuple[checker.Balls, list[list[Fraction]]]:
        """An array and a point in it, often at a corner."""
        e = rng.choice([0, 1, 2**20, 2**50])
        rows = [[rng.randrange(-size, size + 1) for _ in range(m)] for _ in range(n)]
        return checker.Balls(rows, e), [[Fraction(x + rng.choice([-e, e, 0]), g.one) for x in r]
                                        for r in rows]

    def holds(b: checker.Balls, true: list[list[Fraction]]) -> bool:
        return all(abs(Fraction(x, g.one) - y) <= Fraction(b.error, g.one)
                   for r, s in zip(b.rows, true, strict=True) for x, y in zip(r, s, strict=True))

    (a, x), (b, y) = balls(), balls()
    assert holds(checker.times_balls(g, a, b),
                 [[p * q for p, q in zip(r, s, strict=True)] for r, s in zip(x, y, strict=True)])
    assert holds(checker.gram(g, a),
                 [[sum(p * q for p, q in zip(r, s, strict=True)) for s in x] for r in x])
    exact = [sum(p * p for p in r) for r in x]
    for row, true in zip(a.rows, exact, strict=True):
        assert Fraction(checker.norm(g, row, a.error), g.one) ** 2 >= true
    norm = float(np.linalg.norm([[float(p) for p in r] for r in x], 2))
    assert norm <= checker.operator_norm(g, a) / g.one * (1 + 1e-12)
    factor = checker.exact(rng.uniform(-3, 3).hex(), "factor")
    scaled = checker.Network.scaled(_Grid(g), a, factor)  # type: ignore[arg-type]
    assert holds(scaled, [[factor * p for p in r] for r in x])


class _Grid:
    """Stands for a network, of which only the grid is asked."""

    def __init__(self, g: checker.Grid) -> None:
        self.g = g


@pytest.mark.parametrize("text", [
    "nan", "inf", "0x1p0", "0X1.0000000000000P+0", "0x1.0000000000000p+128", "0x0.0p+1",
    "0x1.0000000000000p+00", "+0x1.0000000000000p+0", "0x1.0000000000000p-1080", "1", "",
    "0x1.0000000000000p+0 ", "\u0661", "0x1.00000000000000p+0", "0x1.0000000000000p+1024",
])
def test_numbers_have_one_form(text: str) -> None:
    with pytest.raises(checker.MalformedError):
        checker.real(text, "it")


