"""Eigenvalue bounds in ball arithmetic: never above the truth and closer than float64."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from flint import arb, arb_mat

from govcheck.certify.balls import lambda_min_ball, positive_definite
from govcheck.certify.symmetric import lambda_min_lower


def smallest(s):
    with mpmath.workdps(60):
        values = mpmath.eigsy(mpmath.matrix(s.tolist()), eigvals_only=True)
        return Fraction(mpmath.nstr(min(values), 50))


@pytest.mark.parametrize("kind", ["any", "definite", "twice", "graded"])
@pytest.mark.parametrize("scale", [2.0**-300, 1.0, 2.0**200])
def test_below_the_truth_and_very_close(kind, scale):
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 9):
        b = rng.standard_normal((n, n))
        if kind == "twice":
            b[-1] = b[0]
        if kind == "graded":
            b *= 10.0 ** -np.arange(n)[:, None]
        s = b + b.T if kind == "any" else b @ b.T
        s = (np.tril(s) + np.tril(s, -1).T) * scale
        truth, found = smallest(s / scale), lambda_min_ball(s) / Fraction(scale)
        size = Fraction(float(np.abs(s / scale).max()))
        assert found <= truth + size / 10**45
        assert truth - found <= n * size / 2**59


def test_closer_than_floats():
    x = np.random.default_rng(1).standard_normal((12, 3))
    k = x @ x.T
    k = np.tril(k) + np.tril(k, -1).T
    truth = smallest(k)
    assert truth - lambda_min_ball(k) < (truth - lambda_min_lower(k)) / 100


def test_errors_are_taken_off():
    assert lambda_min_ball(np.diag([1.0, 3.0]), 0.25) == pytest.approx(0.75)
    assert lambda_min_ball(np.zeros((2, 2)), 0.5) <= Fraction(-1, 2)


def test_wide_balls_prove_nothing():
    eye = [[int(i == j) for j in range(9)] for i in range(9)]
    assert positive_definite(arb_mat(eye))
    wide = arb_mat([[arb(v, 0.5) for v in row] for row in eye])
    assert not positive_definite(wide)
    assert not positive_definite(arb_mat(eye) * 0)
    assert not positive_definite(arb_mat(eye) * -1)


@pytest.mark.parametrize("bad", [[[1.0, 2.0]], [[1.0, 2.0], [2.5, 1.0]], [[float("inf")]]])
def test_refuses_what_is_not_symmetric(bad):
    with pytest.raises(ValueError):
        lambda_min_ball(bad)
