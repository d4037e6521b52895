"""Eigenvalue bounds against mpmath and closed forms."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from govcheck.certify import symmetric
from govcheck.certify.symmetric import gram, lambda_max_upper, lambda_min_lower


def eigenvalues(s):
    with mpmath.workdps(40):
        found = mpmath.eigsy(mpmath.matrix(s.tolist()), eigvals_only=True)
        return sorted(Fraction(mpmath.nstr(v, 35)) for v in found)


@pytest.mark.parametrize("kind", ["any", "definite", "semidefinite", "graded", "tiny", "huge"])
def test_never_on_the_wrong_side_and_tight(kind):
    rng = np.random.default_rng(len(kind))
    for _ in range(30):
        n = int(rng.integers(1, 7))
        b = rng.standard_normal((n, n))
        match kind:
            case "any":
                s = b + b.T
            case "definite":
                s = b @ b.T
            case "semidefinite":
                column = rng.integers(-3, 4, (n, 1)).astype(float)
                s = column @ column.T
            case "graded":
                d = 10.0 ** rng.integers(-9, 1, n)
                s = d[:, None] * (b + b.T) * d
            case "tiny":
                s = (b + b.T) * 1e-305
            case "huge":
                s = (b + b.T) * 1e300
        s = np.tril(s) + np.tril(s, -1).T
        truth = eigenvalues(s)
        size = max(abs(v) for v in truth)
        slack, gap = size / 10**30, size / 10**12
        assert truth[0] - gap <= lambda_min_lower(s) <= truth[0] + slack
        assert truth[-1] - slack <= lambda_max_upper(s) <= truth[-1] + gap


def test_second_difference_matrix():
    n = 300
    s = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    with mpmath.workdps(40):
        truth = Fraction(mpmath.nstr(4 * mpmath.sin(mpmath.pi / (2 * (n + 1))) ** 2, 35))
    assert 0 < lambda_min_lower(s) <= truth
    assert truth - lambda_min_lower(s) < Fraction(1, 10**9)


def test_allowance_is_taken_off():
    s = np.diag([1.0, 3.0])
    assert lambda_min_lower(s, 0.25) == lambda_min_lower(s) - Fraction(1, 4)
    assert lambda_max_upper(s, Fraction(1, 4)) == lambda_max_upper(s) + Fraction(1, 4)


@pytest.mark.parametrize("allowance", [-0.1, float("nan"), float("inf")])
def test_allowance_must_make_sense(allowance):
    with pytest.raises(ValueError, match="error"):
        lambda_min_lower(np.eye(2), allowance)


def test_witness_may_be_any_matrix(monkeypatch):
    """The proof does not care where the factor comes from."""
    rng = np.random.default_rng(0)
    s = np.array([[2.0, 1.0], [1.0, 2.0]])
    right = np.linalg.cholesky
    for noise in (1e-8, 1e-2, 10.0):
        monkeypatch.setattr(
            np.linalg, "cholesky", lambda a, e=noise: right(a) + e * rng.standard_normal((2, 2))
        )
        assert lambda_min_lower(s) <= 1
        assert lambda_max_upper(s) >= 3


@pytest.mark.parametrize("t", [0.9, 1.0, 1.5, 2.9])
def test_a_shift_that_is_too_large_proves_nothing(monkeypatch, t):
    s = np.array([[2.0, 1.0], [1.0, 2.0]]) / 4
    for factor in (np.zeros((2, 2)), np.eye(2) / 2, np.array([[0.6, 0.0], [0.3, 0.1]])):
        monkeypatch.setattr(np.linalg, "cholesky", lambda a, f=factor: f)
        # the eigenvalues are 1/4 and 3/4
        assert symmetric.shifted_witness(s, t / 4) <= Fraction(1, 4)


def test_without_any_witness_a_trivial_bound_is_left(monkeypatch):
    def broken(a):
        raise np.linalg.LinAlgError("no")

    monkeypatch.setattr(np.linalg, "cholesky", broken)
    assert symmetric.lambda_min_lower(np.eye(3)) <= 1
    assert symmetric.lambda_min_lower(np.eye(3)) > -2


@pytest.mark.parametrize("scale", [2.0**-600, 1.0, 2.0**300])
def test_a_guess_decides_nothing_but_closeness(scale):
    rng = np.random.default_rng(5)
    b = rng.standard_normal((6, 6))
    s = (b + b.T) * scale
    truth = eigenvalues(s / scale)[0]
    own = float(np.linalg.eigvalsh(s)[0])
    for guess in (own, own + scale, own - scale, 0.0, 1e3 * scale, -1e3 * scale):
        bound = lambda_min_lower(s, guess=guess) / Fraction(scale)
        assert bound <= truth + Fraction(1, 10**30)
    close = lambda_min_lower(s, guess=own) / Fraction(scale)
    assert truth - close < Fraction(1, 10**12)


def test_gram_is_enclosed():
    rng = np.random.default_rng(3)
    for scale in (1.0, 1e-160, 1e100):
        a = rng.standard_normal((40, 6)) * scale
        g = gram(a)
        columns = [[Fraction(x) for x in c] for c in a.T.tolist()]
        exact = [[sum(x * y for x, y in zip(c, d, strict=True)) for d in columns]
                 for c in columns]
        square = sum(
            (Fraction(float(g.matrix[i, j])) - exact[i][j]) ** 2
            for i in range(6) for j in range(6)
        )
        assert square <= g.error**2
        size = sum(exact[i][i] for i in range(6))
        assert g.error <= size / 10**13 + Fraction(1, 10**290)


def test_gram_gives_singular_values():
    a = np.random.default_rng(4).standard_normal((30, 5))
    g = gram(a)
    truth = np.linalg.svd(a, compute_uv=False)[-1] ** 2
    assert 0 < float(lambda_min_lower(g.matrix, g.error)) <= truth * (1 + 1e-12)


@pytest.mark.parametrize("bad", [[[1.0, 2.0]], [[1.0, 2.0], [2.5, 1.0]], [[float("nan")]]])
def test_refuses_what_is_not_symmetric(bad):
    with pytest.raises(ValueError):
        lambda_min_lower(bad)


def test_gram_refuses_overflow():
    with pytest.raises(ValueError, match="too large"):
        gram([[1e200]])
