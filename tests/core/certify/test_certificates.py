"""Certificates in experiment: what they promise happens, and where it does not they stay open."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

import govcheck
from govcheck.certify import checker
from govcheck.certify.closing import stretched
from govcheck.certify.program import Task, task
from govcheck.certify.prover import Plan, Prover
from govcheck.certify.search import certify
from govcheck.certify.tight import tight_rate


def _runs_as_promised(found: Task, file: dict[str, Any], steps: int) -> None:
    """Gradient descent in float64 from the certified parameters."""
    c = checker.certificate(file)
    prover = Prover(found)
    theta = {
        name: np.array(a.values).reshape(a.shape) for name, a in c.parameters.items()
    }
    start = np.concatenate([w.ravel() for w in theta.values()])
    radius, step = float(c.claims["radius"]), float(c.step)
    loss = prover.loss(prover.net.forward(theta))
    exact = tight_rate(file)
    if exact is not None:
        assert 0 <= exact < float(c.claims["rate"])
    for _ in range(steps):
        run = prover.net.forward(theta)
        g = prover.net.gradient(theta, run, prover.residual(run))
        theta = {name: w - step * g[name] for name, w in theta.items()}
        now = prover.loss(prover.net.forward(theta))
        if prover.square:
            best = min(float(c.claims["rate"]), exact or 1.0)
            assert now**2 <= best * loss**2 * (1 + 1e-9) + 1e-24
        else:
            assert now <= loss * (1 + 1e-12)
        loss = now
        away = np.concatenate([w.ravel() for w in theta.values()]) - start
        assert np.linalg.norm(away) <= radius * (1 + 1e-9)


@pytest.mark.parametrize("aim", ["steps", "rate"])
def test_gradient_descent_does_what_is_certified(make_case: Callable[..., Any], aim: Any) -> None:
    closed = []
    for kind, seed in product(make_case.__globals__["LAYERS"], range(2)):
        case = make_case(kind, seed=seed, samples=2, size=0.9)
        outcome = certify(case.task, steps=600, aim=aim)
        closed.append(outcome.file is not None)
        if outcome.file is not None:
            _runs_as_promised(case.task, outcome.file, 40)
    assert sum(closed) >= 0.6 * len(closed)


@pytest.mark.slow
def test_two_hundred_instances(make_case: Callable[..., Any]) -> None:
    """Minutes: 200 certified networks, each run for a while."""
    closed, seed = 0, 100
    while closed < 200:
        for kind in make_case.__globals__["LAYERS"]:
            case = make_case(kind, seed=seed, samples=2, size=0.9)
            outcome = certify(case.task, steps=1000)
            if outcome.file is not None:
                closed += 1
                _runs_as_promised(case.task, outcome.file, 30)
        seed += 1
        assert seed < 200, "too few networks close"


PRODUCT = """
govcheck: 1
input: [1]
layers: [{affine: {out: 1, bias: false}}, {affine: {out: 1, bias: false}}]
cost: summed_square
data: {sphere: {n: 1, seed: 0}}
"""


def _product(target: float, start: float = 1.25) -> Task:
    """``F = a b`` on one sample x = 1 from a = b: at a target below 0 descent ends in the
    saddle at 0, and ``h = (start^2 - target)/(2 start^2)`` crosses 1/2 at target 0."""
    found = task(govcheck.loads(PRODUCT))
    parameters = {name: np.full(w.shape, start) for name, w in found.parameters.items()}
    return replace(found, parameters=parameters, inputs=np.array([[1.0]]),
                   targets=np.array([[target]]))


def test_the_theorem_is_sharp_where_descent_stalls() -> None:
    closes, stalls = _product(0.02), _product(-0.02)
    prover = Prover(closes)
    at = prover.measure(closes.parameters)
    assert at.h == pytest.approx(0.5 * (1 - 0.02 / 1.25**2), rel=1e-9)
    radius = 1.02 * at.loss / np.sqrt(at.eigenvalue)
    # the largest area is at R = sigma/L
    plan = Plan(np.sqrt(at.eigenvalue) / at.lipschitz * (1 - 1e-3), 1e-3)
    assert plan.radius > radius
    file, lines = prover.certificate(closes.parameters, plan)
    assert all(x.holds for x in lines), lines
    assert checker.check(file).accepted

    prover = Prover(stalls)
    at = prover.measure(stalls.parameters)
    assert at.h == pytest.approx(0.5 * (1 + 0.02 / 1.25**2), rel=1e-9)
    for stretch in np.linspace(0.05, 1.3, 12):
        for delta in (1e-9, 1e-3, 0.1, 0.5):
            plan = Plan(float(stretch * np.sqrt(at.eigenvalue) / at.lipschitz), delta)
            _, lines = prover.certificate(stalls.parameters, plan)
            assert not all(x.holds for x in lines)
    theta = stalls.parameters
    for _ in range(1000):
        run = prover.net.forward(theta)
        g = prover.net.gradient(theta, run, prover.residual(run))
        theta = {name: w - 0.05 * g[name] for name, w in theta.items()}
    # the best that two equal factors can do
    assert prover.loss(prover.net.forward(theta)) >= 0.02


@pytest.mark.parametrize("layers", [
    "[{affine: {out: 1}}]",
    "[{affine: {out: 5}}, {affine: {out: 2, bias: false}}]",
    "[{scale: {factor: 2, trainable: true, initial: 1}}, {affine: {out: 1}}]",
])
def test_linear_networks_close_at_once_or_soon(layers: str) -> None:
    """Where nothing bends, L is 0; where nothing is hidden, nothing drifts."""
    found = task(govcheck.loads(
        f"govcheck: 1\ninput: [4]\nlayers: {layers}\ncost: summed_square\n"
        "data: {sphere: {n: 3, seed: 0}}\n"))
    outcome = certify(found, steps=2000)
    assert outcome.file is not None
    assert checker.check(outcome.file).accepted
    if found.operations[0]["op"] == "linear" and len(found.operations) == 1:
        assert outcome.steps == 0
        readout = Prover(found)
        at = readout.measure(found.parameters)
        plan = readout._by_readout(found.parameters, at, "steps", None)
        assert plan is not None
        _, lines = readout.certificate(found.parameters, plan)
        assert all(x.holds for x in lines)


def test_claims_that_lie_are_refused() -> None:
    found = _product(0.3)
    outcome = certify(found, steps=0)
    assert outcome.file is not None
    better = {
        "eigenvalue": 1.001, "lipschitz": 0.999, "jacobian": 0.999, "residual": 0.999,
        "delta": 0.99,
    }
    for name, factor in better.items():
        file = copy.deepcopy(outcome.file)
        value = float.fromhex(file["claims"][name]) * factor
        file["claims"][name] = value.hex()
        assert not checker.check(file).accepted, name
    file = copy.deepcopy(outcome.file)
    rate = 1 - float.fromhex(file["claims"]["rate"])
    file["claims"]["rate"] = (1 - 1.001 * rate).hex()
    assert not checker.check(file).accepted
    file = copy.deepcopy(outcome.file)
    file["claims"]["rate"] = (1 - 0.5 * rate).hex()  # weaker and still true
    assert checker.check(file).accepted


def test_a_given_step_is_the_one_certified(make_case: Callable[..., Any]) -> None:
    case = make_case("one hidden layer", samples=2, cost="half_square")
    outcome = certify(case.task, steps=5000, step=0.05)
    assert outcome.file is not None
    c = checker.certificate(outcome.file)
    assert c.written == (Fraction(0.05), Fraction(1, 2))
    _runs_as_promised(case.task, outcome.file, 50)


def test_the_readout_step_that_closes(make_case: Callable[..., Any]) -> None:
    """With that factor descent with two step sizes converges at the rate of the certificate."""
    for seed in range(20):
        case = make_case("one hidden layer", samples=2, seed=seed)
        outcome = certify(case.task, steps=0)
        if outcome.file is None:
            break
    factor = outcome.readout_step
    assert factor is not None and factor > 1
    prover, theta = Prover(case.task), case.task.parameters

    def with_factor(m: float) -> tuple[Prover, Plan | None]:
        operations, parameters = stretched(prover, theta, m)
        other = Prover(replace(case.task, operations=operations, parameters=parameters))
        return other, other.plan(parameters, other.measure(parameters), "steps", None)

    assert with_factor(factor / 1.05)[1] is None
    other, plan = with_factor(factor)
    assert plan is not None
    start, name = other.task.parameters, case.task.operations[-1]["weight"]
    file, lines = other.certificate(start, plan)
    assert all(x.holds for x in lines)
    c = checker.certificate(file)
    loss = prover.loss(prover.net.forward(theta))
    for _ in range(50):
        run = prover.net.forward(theta)
        g = prover.net.gradient(theta, run, prover.residual(run))
        theta = {k: w - float(c.step) * (factor if k == name else 1.0) * g[k]
                 for k, w in theta.items()}
        now = prover.loss(prover.net.forward(theta))
        assert now**2 <= float(c.claims["rate"]) * loss**2 * (1 + 1e-9)
        loss = now


def test_open_proofs_say_what_is_missing(make_case: Callable[..., Any]) -> None:
    case = make_case("one hidden layer", samples=3)
    zero = {name: 0 * w if name.startswith("affine_2") else w
            for name, w in case.task.parameters.items()}
    outcome = certify(case.task, start=zero, steps=0)
    if outcome.file is None:
        assert outcome.at.h >= 0.4 or outcome.lines
        assert outcome.scale is None or outcome.scale > 1
