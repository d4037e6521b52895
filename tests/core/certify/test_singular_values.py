"""Singular values against mpmath, closed forms and known ranks: never on the wrong side."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from govcheck.certify import singular
from govcheck.certify.matrices import (
    norm_upper,
    sigma_min_lower,
    sigma_min_upper,
    spectral_facts,
)


def reference(a, digits=60):
    """Singular values by mpmath, largest first, as fractions good to many digits."""
    with mpmath.workdps(digits):
        m = mpmath.matrix(a.tolist())
        values = mpmath.svd_r(m, compute_uv=False)
        return [as_fraction(v) for v in values]


def as_fraction(x):
    sign, mantissa, exponent, _ = mpmath.mpf(x)._mpf_
    return (-1) ** sign * int(mantissa) * Fraction(2) ** int(exponent)


def adversarial(rng, kind):
    """A small matrix with something that commonly breaks bounds."""
    m, n = rng.integers(1, 6, 2)
    a = rng.standard_normal((m, n))
    match kind:
        case 0:
            return a
        case 1:
            # a last column that nearly repeats the first
            a[:, -1] = a[:, 0] * (1 + rng.choice([0.0, 2.0**-52, 1e-12, 1e-6]))
        case 2:
            a = rng.integers(-3, 4, (m, n)).astype(float)
        case 3:
            a = a * 10.0 ** rng.integers(-12, 13, (1, n))
        case 4:
            a = np.outer(a[:, 0], a[0]) + 2.0 ** -int(rng.integers(20, 60)) * a
        case 5:
            a = a * 10.0 ** float(rng.choice([-200, 200, -140, 150]))
        case 6:
            a = np.where(rng.random((m, n)) < 0.6, 0.0, a)
    return a


@pytest.mark.parametrize("kind", range(7))
def test_never_on_the_wrong_side_and_tight(kind):
    rng = np.random.default_rng(kind)
    for _ in range(150):
        a = adversarial(rng, kind)
        values = reference(a)
        facts = spectral_facts(a)
        # mpmath's result has an error of its own
        slack = values[0] / 10**40
        assert facts.sigma_max.low <= values[0] + slack, a
        assert facts.sigma_max.high >= values[0] - slack, a
        assert facts.sigma_min.low <= values[-1] + slack, a
        assert facts.sigma_min.high >= values[-1] - slack, a
        assert facts.sigma_max.high - facts.sigma_max.low <= values[0] / 10**12
        assert facts.sigma_min.high - facts.sigma_min.low <= max(
            values[-1] / 10**6, Fraction(0)
        ), a
        assert facts.rank_exact
        assert (facts.rank == min(a.shape)) == (facts.sigma_min.low > 0)
        assert facts.rank == sum(v > values[0] / 10**35 for v in values)


@pytest.mark.parametrize("n", [3, 8, 12, 20])
def test_hilbert(n):
    # the entries 1/(i+j+1) are rounded; the reference takes the rounded ones
    a = 1.0 / (np.arange(n)[:, None] + np.arange(n)[None, :] + 1)
    with mpmath.workdps(100):
        truth = as_fraction(min(abs(v) for v in mpmath.eigsy(mpmath.matrix(a.tolist()),
                                                             eigvals_only=True)))
    low, high = sigma_min_lower(a), sigma_min_upper(a)
    assert low <= truth <= high
    assert high - low < truth / 10**10


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)])
def test_badly_scaled_diagonal(shape):
    a = np.zeros(shape)
    a[[0, 1, 2], [0, 1, 2]] = [2.0**900, 1.0, 2.0**-900]
    facts = spectral_facts(a)
    assert facts.sigma_min.low <= Fraction(1, 2**900) <= facts.sigma_min.high
    assert facts.sigma_min.low > Fraction(1, 2**901)
    assert facts.sigma_max.low <= 2**900 <= facts.sigma_max.high


@pytest.mark.parametrize("n", [16, 64, 128])
def test_closed_forms(n):
    hadamard = np.ones((1, 1))
    while len(hadamard) < n:
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    facts = spectral_facts(hadamard)
    # all singular values are sqrt(n)
    for ends in (facts.sigma_min, facts.sigma_max):
        assert ends.low**2 <= n <= ends.high**2
        assert ends.high - ends.low < Fraction(1, 10**9)


def test_second_difference_matrix():
    n = 100
    a = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    with mpmath.workdps(40):
        small = as_fraction(4 * mpmath.sin(mpmath.pi / (2 * (n + 1))) ** 2)
        large = as_fraction(4 * mpmath.cos(mpmath.pi / (2 * (n + 1))) ** 2)
    facts = spectral_facts(a)
    assert facts.sigma_min.low <= small <= facts.sigma_min.high
    assert facts.sigma_max.low <= large <= facts.sigma_max.high
    assert facts.sigma_min.high - facts.sigma_min.low < small / 10**8


@pytest.mark.parametrize(("m", "n"), [(200, 120), (120, 200), (300, 300)])
def test_known_spectrum_in_the_hundreds(m, n):
    # sparse rotations by 3-4-5 triangles of a diagonal matrix, all in exact arithmetic
    rng = np.random.default_rng(m)
    k = min(m, n)
    values = rng.integers(1, 50, k)
    low, high = int(values.min()), int(values.max())
    a = np.zeros((m, n))
    a[range(k), range(k)] = values
    for axis, size in ((0, m), (1, n)):
        for _ in range(6):
            order = rng.permutation(size)
            i, j = order[: size // 2], order[size // 2 : size // 2 * 2]
            p, q = np.take(a, i, axis), np.take(a, j, axis)
            b = a * 5
            if axis == 0:
                b[i], b[j] = 3 * p + 4 * q, -4 * p + 3 * q
            else:
                b[:, i], b[:, j] = 3 * p + 4 * q, -4 * p + 3 * q
            a = b
    # rotated pairs are scaled by 5 as well, so a is 5**12 times an orthogonal transform
    assert np.abs(a).max() < 2**53
    facts = spectral_facts(a)
    assert facts.sigma_min.low <= low * 5**12 <= facts.sigma_min.high
    assert facts.sigma_max.low <= high * 5**12 <= facts.sigma_max.high
    assert facts.sigma_max.high - facts.sigma_max.low < Fraction(high * 5**12, 10**9)
    assert facts.sigma_min.low > 0


def test_wide_and_tall_moduli():
    a = np.random.default_rng(0).standard_normal((3, 7))
    assert spectral_facts(a).surjectivity.low > 0
    assert spectral_facts(a).injectivity.high == 0
    assert spectral_facts(a.T).surjectivity.high == 0
    assert spectral_facts(a.T).injectivity == spectral_facts(a.T).sigma_min


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (4, 0), (1, 1), (3, 2)])
def test_zero_and_empty(shape):
    facts = spectral_facts(np.zeros(shape))
    assert facts.sigma_max.high == facts.sigma_min.high == 0
    assert (facts.rank, facts.rank_exact) == (0, True)


@pytest.mark.parametrize("value", [3.0, -1e-320, 1e308, 5e-324])
def test_one_by_one_is_exact_up_to_rounding(value):
    facts = spectral_facts(np.array([[value]]))
    assert facts.sigma_min.low <= abs(Fraction(value)) <= facts.sigma_max.high
    assert facts.sigma_max.high - facts.sigma_min.low <= abs(Fraction(value)) / 2**100


def test_norm_above_the_range_of_float64():
    a = np.full((2, 2), 1.7e308)
    assert norm_upper(a) >= 2 * Fraction(1.7e308)
    assert norm_upper(a) < Fraction("2.0000001") * Fraction(1.7e308)


@pytest.mark.parametrize("bad", [[[float("nan")]], [[float("inf"), 1.0]], [1.0, 2.0], [[1j]],
                                 [["a"]], [[2**53 + 1]]])
def test_refuses_what_is_not_a_finite_matrix(bad):
    with pytest.raises(ValueError):
        spectral_facts(bad)


@pytest.mark.parametrize("noise", [1e-9, 1e-4, 0.05, 1.0, 50.0])
def test_bounds_stand_on_any_decomposition(monkeypatch, noise):
    """A wrong float64 decomposition may cost tightness, never soundness."""
    rng = np.random.default_rng(5)
    right = np.linalg.svd
    a = rng.standard_normal((6, 4))
    truth = reference(a)

    def wrong(b, full_matrices):
        u, s, vt = right(b, full_matrices=full_matrices)
        return u + noise * rng.standard_normal(u.shape), s * (1 + noise), vt - noise

    monkeypatch.setattr(np.linalg, "svd", wrong)
    found = singular.extremes(a)
    assert found.largest.low <= truth[0] <= found.largest.high
    assert found.smallest.low <= truth[-1] <= found.smallest.high


@pytest.mark.parametrize("fails", ["raises", "nan"])
def test_bounds_without_a_decomposition(monkeypatch, fails):
    def broken(b, full_matrices):
        if fails == "raises":
            raise np.linalg.LinAlgError("did not converge")
        return b * np.nan, b[0] * np.nan, b * np.nan

    a = np.array([[3.0, 0.0], [4.0, 5.0]])
    monkeypatch.setattr(np.linalg, "svd", broken)
    found = singular.extremes(a)
    # singular values sqrt(45) and sqrt(5)
    assert found.largest.low**2 <= 45 <= found.largest.high**2
    assert found.smallest.low**2 <= 5 <= found.smallest.high**2


def test_large_matrix_stays_quick_and_resolves_its_floor():
    a = np.random.default_rng(1).standard_normal((784, 1000))
    facts = spectral_facts(a)
    computed = np.linalg.svd(a, compute_uv=False)
    assert abs(float(facts.sigma_max.high) / computed[0] - 1) < 1e-8
    assert abs(float(facts.sigma_min.low) / computed[-1] - 1) < 1e-7
    assert 0 < facts.floor < 1e-6 * computed[-1]
    assert facts.rank == 784


@pytest.mark.parametrize("wrong", [
    lambda u, s, vt: (2 * u, s / 2, vt),
    lambda u, s, vt: (u / 2, 2 * s, vt),
    lambda u, s, vt: (u, s / 2, 2 * vt),
    lambda u, s, vt: (u, 2 * s, vt / 2),
    lambda u, s, vt: (u, 2 * s, vt),
    lambda u, s, vt: (u, s / 2, vt),
    lambda u, s, vt: (u, s * [1, 1, 1, 0], vt),
    lambda u, s, vt: (u, s * [0, 1, 1, 1], vt),
    lambda u, s, vt: (u[:, ::-1], s, vt),
    lambda u, s, vt: (0 * u, s, vt),
])
def test_each_part_of_the_decomposition_is_checked(monkeypatch, wrong):
    """Factors that are not orthonormal, or that do not give the matrix back."""
    a = np.random.default_rng(6).standard_normal((6, 4))
    truth = reference(a)
    right = np.linalg.svd
    monkeypatch.setattr(
        np.linalg, "svd", lambda b, full_matrices: wrong(*right(b, full_matrices=full_matrices))
    )
    found = singular.extremes(a)
    assert found.largest.low <= truth[0] <= found.largest.high
    assert found.smallest.low <= truth[-1] <= found.smallest.high
