"""A thousand random and adversarial kernel matrices: the proven bound decided exactly.

A symmetric S has no eigenvalue below t if and only if no coefficient of ``det(x + S - t)`` is
negative (its roots are real). In rational arithmetic that decides both that the bound is not
above the smallest eigenvalue and that it is close to it, with no eigenvalue computed.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat

from govcheck.kernels.spectrum import smallest_eigenvalue

GAP = Fraction(1, 10**9)
KINDS = (
    "any", "near", "antiparallel", "nearly antiparallel", "duplicate", "clustered", "graded",
    "tiny", "huge", "low rank", "one sample", "two samples", "last bits", "large",
)


def points(rng, kind):
    n = {"one sample": 1, "two samples": 2, "large": 20}.get(kind, int(rng.integers(3, 9)))
    x = rng.standard_normal((n, 5))
    small = 10.0 ** rng.integers(-15, -2)
    match kind:
        case "near" | "two samples":
            x[-1] = x[0] + small * x[-1]
        case "nearly antiparallel":
            x[-1] = small * x[-1] - x[0]
        case "antiparallel":
            x[-1] = -x[0]
        case "duplicate":
            x[-1] = x[0]
        case "clustered":
            x = x[0] + small * x
    return x / np.linalg.norm(x, axis=1)[:, None]


def matrix(rng, kind):
    x = points(rng, kind)
    g = x @ x.T
    # odd, even and mixed kernels; the odd ones are singular for antiparallel inputs
    k = [g, g**3 + 0.1 * g, np.arcsin(0.9 * np.clip(g, -1, 1)), g**2, np.exp(g)][rng.integers(5)]
    match kind:
        case "graded":
            d = 10.0 ** rng.integers(-8, 1, len(k))
            k = d[:, None] * k * d
        case "tiny":
            k = k * 10.0 ** rng.integers(-306, -200)
        case "huge":
            k = k * 10.0 ** rng.integers(200, 300)
        case "low rank":
            v = rng.integers(-9, 10, (len(k), 2)).astype(float)
            k = v @ v.T + np.eye(len(k)) * rng.choice([0.0, 2.0**-40])
        case "last bits":
            k = np.ones_like(k) + np.triu(rng.integers(-3, 4, k.shape), 1) * 2.0**-52
    return np.triu(k) + np.triu(k, 1).T


def rational(f):
    f = Fraction(f)
    return fmpq(f.numerator, f.denominator)


def no_eigenvalue_below(s, t):
    """Whether ``S - t`` is positive semidefinite, decided exactly."""
    n = len(s)
    shifted = fmpq_mat(n, n, [
        rational(t - Fraction(v) if i == j else -Fraction(v))
        for i, row in enumerate(s.tolist()) for j, v in enumerate(row)
    ])
    # det(x - (t - S))
    return all(c >= 0 for c in shifted.charpoly().coeffs())


def check(seeds):
    counts = dict.fromkeys(KINDS, 0)
    for seed in seeds:
        kind = KINDS[seed % len(KINDS)]
        rng = np.random.default_rng([seed, 4])
        s = matrix(rng, kind)
        found = smallest_eigenvalue(s)
        trace = sum(Fraction(v) for v in np.diag(s).tolist())
        assert no_eigenvalue_below(s, found.lower), (seed, kind)
        assert not no_eigenvalue_below(s, found.lower + GAP * trace), (seed, kind)
        counts[kind] += found.certified_positive
    return counts


def test_below_the_truth_and_close():
    counts = check(range(1000))
    # a duplicate makes every kernel singular; distinct random points seldom do
    assert counts["duplicate"] == 0
    assert counts["any"] > 30 and counts["one sample"] > 50


def test_the_exact_decision_itself():
    s = np.array([[2.0, 1.0], [1.0, 2.0]])
    assert no_eigenvalue_below(s, Fraction(1))
    assert not no_eigenvalue_below(s, 1 + Fraction(1, 10**40))
    assert no_eigenvalue_below(np.zeros((3, 3)), Fraction(0))
    assert not no_eigenvalue_below(np.diag([1.0, -1e-300]), Fraction(0))


@pytest.mark.parametrize("entry_error", [2.0**-40, 1e-6])
def test_every_matrix_within_the_entry_error(entry_error):
    for seed in range(60):
        rng = np.random.default_rng([seed, 5])
        s = matrix(rng, "near")
        lower = smallest_eigenvalue(s, entry_error).lower
        own = np.linalg.eigh(s)[1][:, 0]
        # the worst signs are those of the eigenvector
        worst = [[Fraction(v) - Fraction(entry_error) * int(np.sign(a * b)) for b, v in
                  zip(own, row, strict=True)] for a, row in zip(own, s.tolist(), strict=True)]
        assert no_eigenvalue_below(np.array(worst, dtype=object), lower)
