"""Lengths and directions of samples: decided exactly where floats cannot tell."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from govcheck.certify import sample_facts
from govcheck.certify.sample_facts import directions, lengths


def sphere(n, d, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1)[:, None]


def cosine_square(a, b):
    """Exactly."""
    a, b = ([Fraction(float(v)) for v in row] for row in (a, b))
    inner = sum(u * v for u, v in zip(a, b, strict=True))
    return inner**2 / (sum(u * u for u in a) * sum(v * v for v in b))


def test_lengths():
    assert lengths(np.eye(3)).status == "proved"
    assert lengths(np.array([[0.5, 0.5, -0.5, 0.5]])).status == "proved"
    found = lengths(np.array([[1.0, 0.0], [0.6, 0.8]]))
    assert found.status == "rounded"
    truth = abs(Fraction(0.6) ** 2 + Fraction(0.8) ** 2 - 1)
    assert 0 < truth <= Fraction(found.deviation) < Fraction(1, 10**14)
    found = lengths(np.array([[1.0, 0.0], [0.6, 0.8 + 1e-9], [0.0, 2.0]]))
    assert found.status == "refuted" and found.offending == (1, 2)
    assert 3 <= found.deviation < 3.001
    assert "1, 2" in found.explanation


@pytest.mark.parametrize("d", [1, 2, 30, 1000])
def test_normalised_samples_pass(d):
    assert lengths(sphere(200, d)).status in ("rounded", "proved")
    assert lengths(sphere(50, d) * (1 + 1e-10)).status == "refuted"


def test_directions_of_ordinary_samples():
    x = sphere(40, 3) * np.linspace(1e-200, 1e150, 40)[:, None]
    found = directions(x)
    assert found.status == "proved" and not found.close
    worst = max(cosine_square(x[i], x[j]) for i, j in combinations(range(40), 2))
    assert worst <= Fraction(found.cosine) ** 2
    assert cosine_square(*x[list(found.nearest)]) == pytest.approx(float(worst), abs=1e-12)
    assert found.cosine == pytest.approx(float(worst) ** 0.5, abs=1e-12)


def test_offending_pairs():
    x = sphere(6, 4)
    x[3] = 4 * x[1]
    x[5] = -0.25 * x[0]
    x[2] = 0
    found = directions(x)
    assert found.parallel == ((1, 3),)
    assert found.antiparallel == ((0, 5),)
    assert found.zero == (2,)
    assert found.status == "refuted"
    for part in ("(1, 3)", "(0, 5)", "are 0: 2"):
        assert part in found.explanation


def test_pairs_that_floats_cannot_tell_are_decided_exactly():
    x = np.array([[1.0, 1.0], [1.0, 1.0 + 2.0**-52], [3.0, 3.0], [-5.0, -5.0 * (1 - 2.0**-50)]])
    found = directions(x)
    assert found.parallel == ((0, 2),) and found.antiparallel == ()
    assert set(found.close) == {(0, 1), (0, 3), (1, 2), (1, 3), (2, 3)}
    assert directions(x[:2]).status == "proved"
    assert "no more than rounding" in directions(x[:2]).explanation
    # a third of a vector is not a multiple of it once it is rounded
    thirds = np.array([[0.1, 0.7], [0.1, 0.7]]) / np.array([[1.0], [3.0]])
    exactly = Fraction(0.1) * Fraction(0.7 / 3) == Fraction(0.7) * Fraction(0.1 / 3)
    assert (directions(thirds).status == "refuted") == exactly


@pytest.mark.parametrize("tile", [3, 7, 1024])
def test_tiles_cover_all_pairs(monkeypatch, tile):
    monkeypatch.setattr(sample_facts, "TILE", tile)
    rng = np.random.default_rng(1)
    x = rng.integers(-2, 3, (30, 2)).astype(float)
    found = directions(x)
    lines = {
        (i, j): x[i] @ x[j]
        for i, j in combinations(range(30), 2)
        if x[i].any() and x[j].any() and x[i][0] * x[j][1] == x[i][1] * x[j][0]
    }
    assert set(found.parallel) == {p for p, s in lines.items() if s > 0}
    assert set(found.antiparallel) == {p for p, s in lines.items() if s < 0}
    assert found.zero == tuple(np.flatnonzero(~x.any(axis=1)))


def test_too_many_close_pairs_are_counted(monkeypatch):
    monkeypatch.setattr(sample_facts, "DECIDED", 3)
    x = np.array([[1.0, 1.0 + k * 2.0**-52] for k in range(4)])
    found = directions(x)
    assert len(found.close) == 3 and found.undecided == 3
    assert found.status == "unknown"
    assert "3 more pairs" in found.explanation


def test_orthogonal_and_single_samples():
    found = directions(np.eye(3))
    assert found.status == "proved" and found.cosine < 1e-12
    one = directions(np.ones((1, 2, 2)))
    assert one.status == "proved" and one.explanation == "there is one sample"


@pytest.mark.parametrize("x", [np.zeros((0, 2)), np.array([[np.nan, 1.0]])])
def test_bad_samples(x):
    for ask in (lengths, directions):
        with pytest.raises(ValueError):
            ask(x)
