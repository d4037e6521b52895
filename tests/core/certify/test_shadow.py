"""Steps of gradient descent that the checker follows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from govcheck.certify import checker
from govcheck.certify.prover import Prover
from govcheck.certify.search import certify


def _shadowed(case: Any, bits: int = 96) -> dict[str, Any]:
    outcome = certify(case.task, steps=3000, shadow=True, bits=bits)
    assert outcome.file is not None
    assert outcome.file["shadow"]["steps"] == outcome.steps > 1
    return outcome.file


@pytest.mark.parametrize("kind", ["one hidden layer", "residual", "row norm"])
def test_the_true_trajectory_is_within_the_error(make_case: Callable[..., Any], kind: str) -> None:
    """Two precisions enclose the same parameters; float64 is near them."""
    case = make_case(kind, seed=3, samples=2, size=0.9)
    file = _shadowed(case)
    assert checker.check(file).accepted
    coarse = checker.certificate(file)
    fine = coarse._replace(grid=checker.Grid(256))
    a, b = (checker.follow(c, lambda text: None) for c in (coarse, fine))
    shift = 256 - 96
    for name, h in a.parameters.items():
        for x, y in zip(h.entries, b.parameters[name].entries, strict=True):
            assert abs((x << shift) - y) <= (a.error << shift) + b.error
    assert a.error < 2**40
    prover, theta = Prover(case.task), case.task.parameters
    for _ in range(coarse.steps):
        run = prover.net.forward(theta)
        g = prover.net.gradient(theta, run, prover.residual(run))
        theta = {n: w - float(coarse.step) * g[n] for n, w in theta.items()}
    for name, h in b.parameters.items():
        found = np.array([x / 2**256 for x in h.entries]).reshape(h.shape)
        assert np.allclose(found, theta[name], rtol=0, atol=1e-9)


def test_the_start_is_what_is_in_the_file(make_case: Callable[..., Any]) -> None:
    case = make_case("one hidden layer", seed=3, samples=2, size=0.9)
    file = _shadowed(case)
    for name, w in case.task.parameters.items():
        values = [float.fromhex(v) for v in file["parameters"][name]["values"]]
        assert np.array_equal(np.array(values).reshape(w.shape), w)
    assert "first" in checker.check(file).statement


def test_other_steps_and_reaches_are_refused_or_true(make_case: Callable[..., Any]) -> None:
    case = make_case("one hidden layer", seed=3, samples=2, size=0.9)
    file = _shadowed(case)
    steps = file["shadow"]["steps"]
    mutants: list[dict[str, Any]] = []
    for wrong in (0, -1, True, 10**7, "5", 1, steps - 1):
        mutants.append({**file["shadow"], "steps": wrong})
    for reach in ("0x0.0p+0", "-0x1.0000000000000p-4", "nan", (1e-40).hex(), (1e40).hex()):
        mutants.append({**file["shadow"], "reach": reach})
    for shadow in (*mutants, {}, {"steps": 1}, None, []):
        mutant = copy.deepcopy(file)
        mutant["shadow"] = shadow
        try:
            assert not checker.check(mutant).accepted, shadow
        except checker.MalformedError as error:
            assert str(error)
    mutant = copy.deepcopy(file)
    del mutant["shadow"]  # the start itself is not certified
    assert not checker.check(mutant).accepted


def test_steps_on_cross_entropy_are_refused(make_case: Callable[..., Any]) -> None:
    from govcheck.errors import InputError

    case = make_case("three layers, two outputs", cost="cross_entropy")
    with pytest.raises(InputError, match="square costs"):
        certify(case.task, shadow=True)


def test_cross_entropy_reaches_its_target(make_case: Callable[..., Any]) -> None:
    case = make_case("three layers, two outputs", samples=3, seed=1, cost="cross_entropy")
    last = len(case.task.operations)
    wide = replace(case.task, operations=[*case.task.operations, {
        "op": "scale", "from": [last], "factor": (2.0**12).hex(), "parameter": None}],
        parameters={n: 0 * w if n.startswith("affine_3") else w
                    for n, w in case.task.parameters.items()})
    outcome = certify(wide, steps=0, target=1.9)
    assert outcome.file is not None, outcome
    c = checker.certificate(outcome.file)
    prover, theta = Prover(wide), wide.parameters
    start = np.concatenate([w.ravel() for w in theta.values()])
    loss = before = prover.loss(prover.net.forward(theta))
    assert before > float(c.claims["target"])
    for _ in range(500):
        run = prover.net.forward(theta)
        loss = prover.loss(run)
        assert loss <= before * (1 + 1e-12)
        before = loss
        if loss <= float(c.claims["target"]):
            break
        g = prover.net.gradient(theta, run, prover.residual(run))
        theta = {n: w - float(c.step) * g[n] for n, w in theta.items()}
    assert loss <= float(c.claims["target"])
    away = np.concatenate([w.ravel() for w in theta.values()]) - start
    assert np.linalg.norm(away) <= float(c.claims["radius"])
    worse = copy.deepcopy(outcome.file)
    for name, factor in (("target", 1e-3), ("loss", 0.999), ("radius", 0.5)):
        worse = copy.deepcopy(outcome.file)
        worse["claims"][name] = (float.fromhex(worse["claims"][name]) * factor).hex()
        assert not checker.check(worse).accepted, name
