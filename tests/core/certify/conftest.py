"""Small networks of all kinds that certificates cover, as programs with random parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import linalg

import govcheck
from govcheck.certify.floats import FloatNetwork
from govcheck.certify.program import Task, task
from govcheck.certify.prover import Prover
from govcheck.certify.second import input_drift, second_order
from govcheck.graph.architecture import Architecture

LAYERS = {
    "one hidden layer": "[{affine: {out: 5}}, tanh, {affine: {out: 1}}]",
    "three layers, two outputs": (
        "[{affine: {out: 4}}, tanh, {affine: {out: 4, scale: 3/2}}, softplus, {affine: {out: 2}}]"
    ),
    "residual": (
        "[{affine: {out: 4}}, sigmoid, {residual: [{affine: {out: 4, bias: false}}, erf,"
        " {scale: {factor: 1/2, trainable: true, initial: 1}}]}, gelu, {affine: {out: 1}}]"
    ),
    "row norm": (
        "[{affine: {out: 4, weight: weight_norm, eps: 1/2}}, tanh,"
        " {affine: {out: 2, weight: weight_norm, bias: false, scale: 2}}]"
    ),
    "entrywise": (
        "[{affine: {out: 4, weight: entrywise, eps: 1/2, bias: false}}, tanh,"
        " {affine: {out: 4, weight: entrywise, scale: 1/2}}, {softplus: {beta: 2}},"
        " {affine: {out: 1}}]"
    ),
    "branches": (
        "[{affine: {out: 3}}, {parallel: {join: concat, branches: [[tanh], [sigmoid,"
        " {affine: {out: 2}}], []]}}, tanh, {affine: {out: 1}}]"
    ),
    "layer norm": (
        "[{affine: {out: 4}}, {layer_norm: {eps: 1/4}}, tanh, {affine: {out: 4}},"
        " {layer_norm: {eps: 1, affine: false}}, softplus, {affine: {out: 2}}]"
    ),
    "batch norm": (
        "[{affine: {out: 4}}, {batch_norm: {eps: 1/4}}, tanh, {residual: [{affine: {out: 4}},"
        " {batch_norm: {eps: 1, affine: false}}, softplus]}, {affine: {out: 2}}]"
    ),
    "batch norm of images": (
        "[{conv: {out: 2, kernel: 2, stride: 1, padding: 1}}, {batch_norm: {eps: 1/2}}, tanh,"
        " {avg_pool: {kernel: 2, stride: 1}}, {conv: {out: 2, kernel: 2, weight: weight_norm,"
        " scale: 2}}, sigmoid, flatten, {affine: {out: 3, weight: entrywise}},"
        " {batch_norm: {eps: 1}}, {affine: {out: 1}}]"
    ),
    "groups": (
        "[{conv: {out: 4, kernel: 2}}, {group_norm: {groups: 2, eps: 1}}, tanh,"
        " {batch_norm: {mode: eval, running_var: 1/2, running_var_max: 1/2}},"
        " {layer_norm: {axes: 1, eps: 2, affine: false}}, flatten, {affine: {out: 2}}]"
    ),
    "images": (
        "[{conv: {out: 2, kernel: 2, stride: 1, padding: 1}}, tanh, {avg_pool: {kernel: 2,"
        " stride: 1}}, {conv: {out: 2, kernel: 2, weight: weight_norm, scale: 2}}, sigmoid,"
        " flatten, {affine: {out: 1}}]"
    ),
    "signals": (
        "[{conv: {out: 3, kernel: 3, padding: same, dilation: 1, bias: false}}, gelu,"
        " global_avg_pool, {affine: {out: 2}}]"
    ),
}
INPUT = {"images": "[1, 3, 3]", "batch norm of images": "[1, 3, 3]", "groups": "[1, 3, 4]",
         "signals": "[2, 5]"}


@dataclass(frozen=True)
class Case:
    """A task with its network in float64, and the architecture it was made of."""

    task: Task
    net: FloatNetwork
    arch: Architecture


@pytest.fixture
def make_case() -> Callable[..., Case]:
    """A network by name: random weights of size `size`, N random samples of unit length."""

    def make(name: str, samples: int = 3, seed: int = 0, size: float = 0.7,
             cost: str = "summed_square", **more: Any) -> Case:
        text = (
            f"govcheck: 1\ninput: {INPUT.get(name, '[3]')}\nlayers: {LAYERS[name]}\n"
            f"cost: {cost}\ndata: {{sphere: {{n: {samples}, classes: 2, seed: {seed}}}}}\n"
        )
        arch = govcheck.loads(text)
        found = task(arch)
        rng = np.random.default_rng(seed)
        found.parameters.update(
            {k: np.asarray(size * rng.standard_normal(w.shape))
             for k, w in found.parameters.items()}
        )
        shapes = {k: w.shape for k, w in found.parameters.items()}
        return Case(found, FloatNetwork(found.operations, shapes, found.inputs), arch)

    return make


@pytest.fixture(params=sorted(LAYERS))
def kind(request: pytest.FixtureRequest) -> str:
    """Each of the networks in turn."""
    return str(request.param)


@pytest.fixture
def claims_hold() -> Callable[[dict[str, Any]], bool]:
    """Whether what a certificate claims is so, in float64, without the checker."""
    return _claims_hold


def _claims_hold(file: dict[str, Any]) -> bool:
    """What the file claims, computed in float64 from the file without the checker."""
    def array(a: Any) -> Any:
        return np.array([float.fromhex(v) for v in a["values"]]).reshape(a["shape"])

    theta = {k: array(a) for k, a in file["parameters"].items()}
    cost, claim = file["cost"], {k: float.fromhex(v) for k, v in file["claims"].items()}
    prover = Prover(Task(file["program"], theta, array(file["data"]["inputs"]),
                         array(file["data"]["targets"]), cost["kind"], cost["numerator"],
                         cost["denominator"]), claim.get("target"))
    step = float.fromhex(file["step"]) * cost["numerator"] / cost["denominator"]
    for _ in range(file.get("shadow", {"steps": 0})["steps"]):
        run = prover.net.forward(theta)
        g = prover.net.gradient(theta, run, prover.residual(run))
        theta = {name: w - step * g[name] for name, w in theta.items()}
    run = prover.net.forward(theta)
    values = linalg.eigvalsh(prover.net.gram(theta, run))
    least = values[0]
    radius, curved, delta = claim["radius"], claim["lipschitz"], claim["delta"]
    sigma, tiny = math.sqrt(claim["eigenvalue"]), 1 + 1e-7
    loss = claim["residual" if prover.square else "loss"]
    path = radius
    if not prover.square:
        path -= step * claim["jacobian"] * math.sqrt(2) * min(loss, math.sqrt(len(run.values[0])))
        bend = claim["jacobian"] ** 2 / 2 + curved * math.sqrt(2) * min(
            loss, math.sqrt(len(run.values[0])))
    else:
        bend = claim["jacobian"] ** 2 + curved * loss
    fall = curved * radius
    if "hidden" in claim:
        inputs = prover.net.input_gram(run)
        assert inputs is not None
        least, fall, far = linalg.eigvalsh(inputs)[0], claim["drift"], claim["hidden"]
        adjoints = prover.net.jacobian_adjoints(theta, run)
        closed = (
            input_drift(prover.net, theta, run, far, adjoints) <= fall * tiny and fall < sigma
            and loss <= 2 * (1 - delta) * (sigma - fall / 2) * far * tiny
            and loss <= (1 - delta) * (sigma - fall) * radius * tiny
        )
    else:
        closed = prover.need(loss) <= (1 - delta) * (sigma * path - curved * path**2 / 2) * tiny
    rate = 1 - 2 * step * (1 - delta) * max(sigma - fall, 0) ** 2
    return all((
        claim["eigenvalue"] <= least * tiny, prover.loss(run) <= loss * tiny,
        second_order(prover.net, theta, run, radius) <= curved * tiny,
        math.sqrt(values[-1]) + curved * radius <= claim["jacobian"] * tiny,
        step > 0, step * bend / 2 <= delta * tiny, 0 < delta < 1, path > 0,
        closed, not prover.square or rate <= claim["rate"] * tiny < tiny,
    ))
