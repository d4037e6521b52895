"""Widths by route: the march against a fine solution, the searches, what closes really closes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from govcheck.certify import checker, widths
from govcheck.certify.newton import gauss_newton
from govcheck.certify.prover import Prover
from govcheck.certify.search import certify


def data(n=4, d=6, seed=0):
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True), np.sign(draw.standard_normal(n))


def test_least_width_of_a_threshold():
    for bound in (2, 3, 17, 100, 1000):
        found = widths.least_width(lambda m, b=bound: m >= b, 2, 4096)
        assert bound <= found <= bound * 1.03 + 1
    assert widths.least_width(lambda m: False, 2, 64) is None


@pytest.mark.parametrize("close", [widths.by_path, widths.by_march, widths.by_product])
def test_descent_converges_where_a_route_closes(close):
    x, y = data()
    m = widths.least_width(lambda k: close(widths.random_task(x, y, k)), 4)
    task = widths.random_task(x, y, m)
    prover, theta = Prover(task), task.parameters
    at = prover.measure(theta)
    step = 0.01 / (at.top + at.lipschitz * at.loss)
    before = at.loss
    for _ in range(30):
        run = prover.net.forward(theta)
        g = prover.net.gradient(theta, run, prover.residual(run))
        theta = {k: w - step * g[k] for k, w in theta.items()}
        now = prover.loss(prover.net.forward(theta))
        assert now < before
        before = now


def test_gradient_flow_moves_less_than_the_march_allows():
    """A closed march keeps ``|X| s`` below sigma_a, and so does the real motion, by far."""
    x, y = data()
    task = widths.random_task(x, y, 200)
    assert widths.by_march(task)
    prover, theta = Prover(task), {k: w.copy() for k, w in task.parameters.items()}
    sigma = np.linalg.svd(np.tanh(x @ theta["w0"].T), compute_uv=False)[-1]
    step = 0.2 / prover.measure(theta).top
    for _ in range(2000):
        run = prover.net.forward(theta)
        g = prover.net.gradient(theta, run, prover.residual(run))
        theta = {k: w - step * g[k] for k, w in theta.items()}
    moved = np.linalg.norm(theta["w0"] - task.parameters["w0"])
    assert prover.loss(prover.net.forward(theta)) < 1e-3
    assert np.linalg.norm(x, 2) * moved < sigma


def test_the_march_needs_less_than_the_path_and_the_path_less_than_products():
    x, y = data(6, 8)
    least = [widths.least_width(lambda m, c=c: c(widths.random_task(x, y, m)), 8)
             for c in (widths.by_march, widths.by_path, widths.by_product)]
    assert least[0] < least[1] <= least[2]


def test_an_anchored_certificate_is_accepted():
    x, y = data()
    found = widths.by_anchor(widths.random_task(x, y, 3))
    assert found.file is not None and all(line.holds for line in found.lines)
    assert math.isfinite(found.at.h)


def test_gauss_newton_closes_sooner_than_descent_and_nothing_rises():
    x, y = data(5, 6)
    task = widths.random_task(x, y, 6, depth=2)
    losses = [at.loss for _, _, at, _ in gauss_newton(Prover(task), task.parameters, 40, "steps",
                                                      None)]
    assert all(b < a for a, b in pairwise(losses))
    soon = widths.by_anchor(task)
    slow = certify(task, steps=5000)
    assert soon.file is not None and checker.check(soon.file).accepted
    assert slow.file is not None and 10 * soon.steps < slow.steps
