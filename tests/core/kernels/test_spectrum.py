"""Smallest eigenvalues: never above the truth, close to it, and honest about the floor."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from govcheck.kernels.spectrum import smallest_eigenvalue, spectrum


def kernel(rng, kind):
    n = int(rng.integers(2, 7))
    x = rng.standard_normal((n, 4))
    x /= np.linalg.norm(x, axis=1)[:, None]
    if kind == "near":
        x[1] = x[0] + 10.0 ** rng.integers(-12, -3) * x[1]
    elif kind == "twice":
        x[1] = x[0]
    elif kind == "opposite":
        x[1] = -x[0]
    g = x @ x.T
    k = g**3 + 0.1 * g
    return np.triu(k) + np.triu(k, 1).T


@pytest.mark.parametrize("kind", ["any", "near", "twice", "opposite"])
def test_below_and_close(kind):
    rng = np.random.default_rng(0)
    for _ in range(250):
        k = kernel(rng, kind)
        found = smallest_eigenvalue(k)
        with mpmath.workdps(40):
            truth = min(mpmath.eigsy(mpmath.matrix(k.tolist()), eigvals_only=True))
            truth = Fraction(mpmath.nstr(truth, 35))
        assert found.lower <= truth + Fraction(1, 10**33)
        assert truth - found.lower < Fraction(1, 10**9) * Fraction(float(np.trace(k)))
        if kind in ("twice", "opposite"):
            assert not found.certified_positive


def test_entry_errors_are_taken_off():
    k = np.diag([1.0, 2.0, 3.0])
    assert smallest_eigenvalue(k).certified_positive
    wide = smallest_eigenvalue(k, entry_error=0.25)
    assert float(wide.lower) == pytest.approx(0.25)
    assert wide.floor == 0.75
    assert not wide.certified_positive
    # a matrix that the error allows
    worst = k - 0.25 * np.ones((3, 3))
    assert np.linalg.eigvalsh(worst)[0] >= float(wide.lower)


def test_values_below_the_floor_are_not_certified():
    k = np.diag([1.0, 1e-11])
    found = smallest_eigenvalue(k)
    assert found.lower > 0
    assert not found.certified_positive
    assert smallest_eigenvalue(k, relative_floor=1e-12).certified_positive
    assert "floor 5e-11" in str(found)


def test_both_ends():
    k = np.diag([3.0, 0.5, 1.0])
    found = spectrum(k)
    assert (found.n, found.trace, found.largest, found.condition) == (3, 4.5, 3.0, 6.0)
    assert found.smallest == smallest_eigenvalue(k)
    close = spectrum(np.diag([3.0, 0.1, 1.0]), 1e-3, balls=True).smallest
    assert 0 < Fraction(0.1) - 3 * Fraction(1e-3) - close.lower < Fraction(1, 10**16)
    assert spectrum(np.diag([1.0, -1.0])).condition == float("inf")
    with pytest.raises(ValueError, match="not symmetric"):
        spectrum(np.array([[1.0, 2.0], [0.0, 1.0]]))
