"""Gradient descent in numpy: its identities, and what leaving a block out does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from govcheck.certify.floats import FUNCTIONS
from govcheck.kernels.trajectory import Given, descend, gram

X3 = np.array([[1, 0, 0], [0.6, 0.8, 0], [2 / 3, -1 / 3, 2 / 3]])
Y3 = np.array([1, -0.5, 0.25])
C = {"softplus": 1.08548650298834, "tanh": 2.53617543321745}


def given(act: str, H: int, alphas: tuple[float, ...] | None, multiplier: float = 1.0) -> Given:
    """The network of five units with deterministic weights."""
    r = np.arange(5)[:, None]

    def weights(h: int, inputs: int) -> np.ndarray:
        return np.sin(h + 3 * r + 7 * np.arange(inputs)[None, :])

    return Given(
        X3, Y3, tuple(weights(h, 3 if h == 1 else 5) for h in range(1, H + 1)),
        np.cos(1 + 2 * np.arange(5)), lambda z: FUNCTIONS[act](z)[0],
        lambda z: FUNCTIONS[act](z)[1], C[act], alphas, multiplier,
    )


@pytest.mark.parametrize(
    ("act", "H", "alphas", "after"),
    [
        ("softplus", 2, None, (-0.23550517507099, -0.25325313882021, -0.237352455559)),
        ("tanh", 3, None, (0.0017234753648838, -0.006823098415635, -0.0059501812907438)),
        ("softplus", 3, (0.7, 1.3), (-0.0992528318744, -0.12898172012485, -0.202948010057)),
    ],
)
def test_one_step_of_known_networks(act, H, alphas, after):
    run = descend(given(act, H, alphas), 0.01, 1)
    np.testing.assert_allclose(run.last.outputs, after, rtol=0, atol=1e-12)


@pytest.mark.parametrize("alphas", [None, (0.7, 1.3)])
def test_a_step_is_of_first_order_up_to_the_square(alphas):
    start = given("softplus", 3, alphas)
    etas = np.array([1e-2, 1e-3, 1e-4])
    left = np.array([float(descend(start, eta, 1).second[0]) for eta in etas])
    np.testing.assert_allclose(np.diff(np.log10(left)), -2, atol=0.05)


def test_without_the_block_of_the_factors_a_step_is_not_of_first_order():
    start = given("softplus", 3, (0.7, 1.3))
    net, r = start.start, Y3 - start.start.outputs
    etas = np.array([1e-3, 1e-4])
    left = [
        np.linalg.norm(descend(start, eta, 1).last.outputs - net.outputs
                       - eta * gram(net, 0.0) @ r)
        for eta in etas
    ]
    assert np.log10(left[0] / left[1]) == pytest.approx(1, abs=0.05)


def test_factors_that_are_not_trained_stay():
    run = descend(given("softplus", 3, (0.7, 1.3), 0.0), 0.01, 5)
    assert run.factors.max() == 0 and run.weights.max() > 0
    assert len(run.residuals) == 5 and (np.diff(run.residuals) < 0).all()


def test_a_run_ends_when_it_diverges_or_arrives():
    start = given("softplus", 2, None)
    assert len(descend(start, 1e9, 50).residuals) < 50
    assert np.isfinite(descend(start, 1e9, 50).residuals).all()
    done = descend(start, 0.3, 5000, reduction=0.5)
    assert 1 < len(done.residuals) < 5000


@pytest.mark.parametrize(("eta", "steps"), [(0.0, 3), (0.1, 0)])
def test_no_descent(eta, steps):
    with pytest.raises(ValueError, match="no gradient descent"):
        descend(given("softplus", 2, None), eta, steps)


def test_the_step_of_the_factors_is_a_multiple_of_the_common_one():
    one = descend(given("softplus", 3, (0.7, 1.3), 1.0), 1e-3, 1).factors[0]
    half = descend(replace(given("softplus", 3, (0.7, 1.3)), multiplier=0.5), 1e-3, 1).factors[0]
    assert half == pytest.approx(one / 2, rel=1e-9)
