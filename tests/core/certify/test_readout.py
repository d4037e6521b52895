"""Proofs from the readout's part of the Gram matrix: promises are kept, lies refused."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import linalg

import govcheck
from govcheck.certify import checker
from govcheck.certify.floats import FloatNetwork
from govcheck.certify.program import Task, task
from govcheck.certify.prover import Prover
from govcheck.certify.search import certify
from govcheck.certify.second import input_drift
from govcheck.certify.tight import tight_rate

File = dict[str, Any]
WIDE = {
    "tanh": "[{affine: {out: 64, bias: false}}, tanh, {affine: {out: 1}}]",
    "two outputs": "[{affine: {out: 48}}, erf, {affine: {out: 2, scale: 3}}]",
    "residual": (
        "[{affine: {out: 64}}, tanh, {residual: [{affine: {out: 64, bias: false, scale: 1/200}},"
        " erf, {scale: {factor: 1/10, trainable: true, initial: 1}}]},"
        " {affine: {out: 1, bias: false}}]"
    ),
}


def _wide(name: str, seed: int = 0) -> Task:
    """A wide network with a readout near zero, so that its outputs are small beside its width."""
    found = task(govcheck.loads(
        f"govcheck: 1\ninput: [4]\nlayers: {WIDE[name]}\ncost: half_square\n"
        f"data: {{sphere: {{n: 3, classes: 2, seed: {seed}}}}}\n"
    ))
    rng = np.random.default_rng(seed)
    last = sorted(k for k in found.parameters if k.startswith("affine"))[-2:]
    for key, w in found.parameters.items():
        size = 0.01 if key in last else 1.0
        found.parameters[key] = np.asarray(size * rng.standard_normal(w.shape))
    return found


@pytest.fixture(scope="module")
def files() -> dict[str, File]:
    """Certificates that rest on the readout, from initial weights."""
    found = {}
    for name in WIDE:
        prover = Prover(_wide(name))
        theta = prover.task.parameters
        at = prover.measure(theta)
        plan = prover._by_readout(theta, at, "steps", None)
        assert plan is not None and plan.hidden is not None, name
        file, lines = prover.certificate(theta, plan)
        assert all(x.holds for x in lines), lines
        found[name] = file
    return found


@pytest.mark.parametrize("name", WIDE)
def test_descent_does_what_is_certified(name: str, files: dict[str, File]) -> None:
    file, prover = files[name], Prover(_wide(name))
    c = checker.certificate(file)
    assert checker.check(file).accepted and c.readout
    theta = prover.task.parameters
    net = prover.net
    own = {net.nodes[-1].weight, net.nodes[-1].bias}
    hidden = whole = 0.0
    loss = prover.loss(net.forward(theta))
    exact = tight_rate(file)
    assert exact is not None and exact < float(c.claims["rate"])
    for _ in range(3000):
        run = net.forward(theta)
        moved = {k: float(c.step) * g
                 for k, g in net.gradient(theta, run, prover.residual(run)).items()}
        theta = {k: w - moved[k] for k, w in theta.items()}
        hidden += np.sqrt(sum((v**2).sum() for k, v in moved.items() if k not in own))
        whole += np.sqrt(sum((v**2).sum() for v in moved.values()))
        now = prover.loss(net.forward(theta))
        assert now**2 <= exact * loss**2 * (1 + 1e-9) + 1e-24
        loss = now
    assert hidden <= float(c.claims["hidden"])
    assert whole <= float(c.claims["radius"])
    assert 0 < hidden < whole


@pytest.mark.parametrize("name", WIDE)
def test_lies_are_refused(name: str, files: dict[str, File]) -> None:
    for key, factor, line in (
        ("drift", 0.999, "drift"), ("hidden", 0.8, "hidden"), ("radius", 0.9, "path"),
        ("eigenvalue", 1.001, "eigenvalue"), ("hidden", 1.5, "drift"),
    ):
        file = copy.deepcopy(files[name])
        file["claims"][key] = (float.fromhex(file["claims"][key]) * factor).hex()
        failed = {x.name for x in checker.check(file).lines if not x.holds}
        assert line in failed, (key, factor, failed)
    for more in ({"hidden": None}, {"drift": None}, {"hidden": None, "drift": None}):
        file = copy.deepcopy(files[name])
        for key in more:
            del file["claims"][key]
        with contextlib.suppress(checker.MalformedError):
            # without both the file speaks of J J^T, of which the factor is none
            assert not checker.check(file).accepted


@pytest.mark.parametrize(("key", "value"), [
    ("shadow", {"steps": 1, "reach": (0.1).hex()}),
    ("normalise", "rows"),
    ("last", {"op": "activation", "from": [4], "function": "identity"}),
])
def test_other_networks_are_refused(key: str, value: Any, files: dict[str, File]) -> None:
    file = copy.deepcopy(files["tanh"])
    if key == "normalise":
        file["program"][-1] |= {"normalise": value, "eps": (1.0).hex()}
    elif key == "last":
        file["program"].append({**value, "from": [len(file["program"])]})
    else:
        file[key] = value
    with pytest.raises(checker.MalformedError, match="proof from the readout"):
        checker.check(file)


def _hidden(net: FloatNetwork) -> list[str]:
    last = net.nodes[-1]
    return [n for k in net.nodes[:-1] for n in (k.weight, k.bias) if n is not None
            and n not in (last.weight, last.bias)]


@pytest.mark.parametrize("radius", [0.05, 0.4, 2.0])
def test_no_motion_changes_the_input_more(
    kind: str, radius: float, make_case: Callable[..., Any]
) -> None:
    """Ascent in the hidden weights: the change of the readout's input stays below the bound."""
    case = make_case(kind, seed=3)
    net, theta = case.net, case.task.parameters
    last, hidden = net.nodes[-1], _hidden(net)
    if last.op != "linear":
        pytest.skip("the last operation is no linear map")
    run = net.forward(theta)
    start = run.values[last.sources[0]]
    bound = input_drift(net, theta, run, radius, net.jacobian_adjoints(theta, run))
    c = checker.Grid(128)
    held = {k: checker.Held(w.shape, *c.floats(w.ravel())) for k, w in theta.items()}
    inputs = checker.Array(net.inputs.shape, list(net.inputs.ravel()))
    exact = checker.Network(c, net.nodes, held, checker.samples_of(c, inputs))
    known = checker.input_drift(exact, exact.adjoints(), c.up(checker.Fraction(radius))) / c.one
    assert bound * (1 - 1e-9) <= known <= 1.12 * bound
    rng, best = np.random.default_rng(0), 0.0

    def change(h: dict[str, Any]) -> float:
        size = np.sqrt(sum((v**2).sum() for v in h.values()))
        moved = theta | {k: theta[k] + radius / size * v for k, v in h.items()}
        now = net.forward(moved).values[last.sources[0]]
        return float(abs(float(last.scale)) * np.linalg.norm(now - start))

    for _ in range(3):
        at = {k: rng.standard_normal(theta[k].shape) for k in hidden}
        value, size = change(at), 1.0
        for _ in range(150):
            other = {k: v + size * rng.standard_normal(v.shape) for k, v in at.items()}
            new = change(other)
            at, value, size = (other, new, 1.3 * size) if new > value else (at, value, 0.9 * size)
        best = max(best, value)
    assert best <= bound * (1 + 1e-9)
    assert radius > 1 or best > 0.03 * bound


def test_the_drift_is_star_shaped(kind: str, make_case: Callable[..., Any]) -> None:
    """``E(s)/s`` does not fall with s, which the area under ``sigma - E(s)`` relies on."""
    case = make_case(kind, seed=1)
    net, theta = case.net, case.task.parameters
    run = net.forward(theta)
    adjoints = net.jacobian_adjoints(theta, run)
    ratios = [input_drift(net, theta, run, s, adjoints) / s for s in np.geomspace(1e-3, 30, 40)]
    assert all(b >= a * (1 - 1e-12) for a, b in pairwise(ratios))


def test_it_closes_where_the_path_theorem_does_not(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "examples" / "certify_initial.yaml").read_text()
    outcome = certify(task(govcheck.loads(text)), steps=0)
    assert outcome.file is not None and outcome.at.h > 0.5
    c = checker.certificate(outcome.file)
    assert c.readout
    prover = Prover(task(govcheck.loads(text)))
    gram = prover.net.input_gram(prover.net.forward(prover.task.parameters))
    assert gram is not None
    assert float(c.claims["eigenvalue"]) == pytest.approx(linalg.eigvalsh(gram)[0], rel=1e-6)
