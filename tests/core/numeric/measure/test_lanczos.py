"""Extremes and densities of operators with known spectra."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from govcheck.numeric.measure.lanczos import density, extremes

LIKE = torch.zeros(300, dtype=torch.float64)


def diagonal(values):
    d = torch.as_tensor(values, dtype=torch.float64)
    return lambda v: d * v


def test_both_ends_through_restarts():
    values = np.concatenate([np.linspace(-1, 1, 298), [-1.05, 1.02]])
    found = extremes(diagonal(values), LIKE, tolerance=1e-10, max_steps=2000, keep=20)
    assert found.converged and found.steps > 20
    assert found.largest.value == pytest.approx(1.02, abs=1e-12)
    assert found.smallest.value == pytest.approx(-1.05, abs=1e-12)
    v = found.largest.vector
    assert float(torch.linalg.vector_norm(diagonal(values)(v) - 1.02 * v)) < 1e-9


def test_stopping_early_leaves_honest_errors():
    values = np.linspace(0, 1, 300)
    for steps in (1, 2, 5, 20):
        found = extremes(diagonal(values), LIKE, max_steps=steps)
        assert found.steps == steps and not found.converged
        for pair in (found.largest, found.smallest):
            assert np.abs(values - pair.value).min() <= pair.residual + 1e-14
            assert -1e-14 <= pair.value <= 1 + 1e-14
    assert extremes(diagonal(values), LIKE, max_seconds=0.0).steps == 1


def test_few_eigenvalues_are_found_exactly():
    values = np.where(np.arange(300) < 7, 5.0, -2.0)
    found = extremes(diagonal(values), LIKE)
    assert found.converged and found.steps <= 3
    assert found.largest.value == pytest.approx(5, abs=1e-12)
    assert found.smallest.value == pytest.approx(-2, abs=1e-12)
    assert extremes(diagonal([0.0]), torch.zeros(1, dtype=torch.float64)).largest.value == 0
    nothing = extremes(lambda v: 0 * v, LIKE)
    assert nothing.converged and nothing.largest.value == 0


def test_the_same_seed_gives_the_same_bits():
    values = np.linspace(0, 1, 300) ** 3
    a, b = (extremes(diagonal(values), LIKE, seed=4, max_steps=9) for _ in range(2))
    assert a.largest.value == b.largest.value and torch.equal(a.largest.vector, b.largest.vector)


@pytest.mark.parametrize("atom", [0.0, 0.4])
def test_density(atom):
    n = 4000
    generator = np.random.default_rng(0)
    values = np.sort(np.where(generator.random(n) < atom, 0.0, generator.random(n) * 2 - 1))
    like = torch.zeros(n, dtype=torch.float64)
    d = density(diagonal(values), like, probes=4, steps=60)
    assert d.weights.sum() == pytest.approx(1) and (d.probes, d.steps) == (4, 60)
    # averaged over the resolution, the distribution is within a few standard errors
    grid = np.linspace(-1.1, 1.1, 50)

    def smooth(nodes, weights):
        share = np.clip((grid[:, None] - nodes + d.resolution) / (2 * d.resolution), 0, 1)
        return share @ weights

    apart = np.abs(smooth(d.nodes, d.weights) - smooth(values, np.full(n, 1 / n))).max()
    assert 0 < d.error < 0.02 and apart < 4 * d.error + 0.02


def test_density_in_a_hurry_has_fewer_steps():
    d = density(diagonal(np.linspace(0, 1, 300)), LIKE, steps=60, max_seconds=1e-9)
    assert d.steps == 10 and d.resolution > 0.09
