"""Laws of large Gaussian matrices against samples, and against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from govcheck.numeric.measure.laws import (
    distance,
    gaussian_cdf,
    shifted_density,
    shifted_edges,
    shifted_law,
)


@pytest.fixture(scope="module")
def gaussian():
    n = 700
    return np.random.default_rng(0).normal(size=(n, n)) / math.sqrt(n)


@pytest.mark.parametrize("tau", [0.3, 1.0, 2.5])
def test_samples(gaussian, tau):
    n = len(gaussian)
    plain = np.sort(np.linalg.svd(tau * gaussian, compute_uv=False))
    shifted = np.sort(np.linalg.svd(np.eye(n) + tau * gaussian, compute_uv=False))
    law = shifted_law(tau)
    assert distance(plain, gaussian_cdf(plain, tau)) < 0.006
    assert distance(shifted, law.at(shifted)) < 0.006
    # other laws are told apart
    assert distance(shifted, gaussian_cdf(shifted, tau)) > 0.02
    low, high = shifted_edges(tau)
    assert low - 0.02 < shifted[0] and abs(shifted[-1] - high) < 0.05


@pytest.mark.parametrize("tau", [0.2, 0.7, 1.0, 1.5, 10.0])
def test_edges_and_mass(tau):
    low, high = shifted_edges(tau)
    assert (low == 0) == (tau >= 1)
    # the cubic has a double root at an edge
    for s in {low, high} - {0.0}:
        roots = np.roots([-s * s, s * s, 1 - tau * tau, -1])
        assert min(abs(a - b) for i, a in enumerate(roots) for b in roots[:i]) < 1e-3
    law = shifted_law(tau)
    assert law.at(low) == 0 and law.at(high) == 1 and np.all(np.diff(law.values) >= 0)
    # the second moment is 1 + tau^2
    s = np.linspace(low, high, 200_001)
    moment = float(np.trapezoid(s * s * shifted_density(s, tau), s))
    assert moment == pytest.approx(1 + tau * tau, rel=2e-3)


def test_figures_of_the_two_readings():
    assert shifted_edges(1.0)[1] == pytest.approx(3 * math.sqrt(3) / 2)
    for tau, moved in ((10.0, 0.0032), (1.0, 0.236)):
        s = np.linspace(0, shifted_edges(tau)[1], 20_001)
        found = np.abs(shifted_law(tau).at(s) - gaussian_cdf(s, tau)).max()
        assert found == pytest.approx(moved, abs=1e-3)


def test_tau_is_positive():
    with pytest.raises(ValueError, match="positive"):
        shifted_law(0.0)
    with pytest.raises(ValueError, match="positive"):
        gaussian_cdf(1.0, -1.0)
