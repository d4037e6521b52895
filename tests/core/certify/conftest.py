"""Small networks of all kinds that certificates cover, as programs with random parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import govcheck
from govcheck.certify.floats import FloatNetwork
from govcheck.certify.program import Task, task

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
INPUT = {"images": "[1, 3, 3]", "signals": "[2, 5]"}


@dataclass(frozen=True)
class Case:
    """A task with its network in float64."""

    task: Task
    net: FloatNetwork


@pytest.fixture
def make_case() -> Callable[..., Case]:
    """A network by name: random weights of size `size`, N random samples of unit length."""

    def make(name: str, samples: int = 3, seed: int = 0, size: float = 0.7,
             cost: str = "summed_square", **more: Any) -> Case:
        text = (
            f"govcheck: 1\ninput: {INPUT.get(name, '[3]')}\nlayers: {LAYERS[name]}\n"
            f"cost: {cost}\ndata: {{sphere: {{n: {samples}, classes: 2, seed: {seed}}}}}\n"
        )
        found = task(govcheck.loads(text))
        rng = np.random.default_rng(seed)
        found.parameters.update(
            {k: np.asarray(size * rng.standard_normal(w.shape))
             for k, w in found.parameters.items()}
        )
        shapes = {k: w.shape for k, w in found.parameters.items()}
        return Case(found, FloatNetwork(found.operations, shapes, found.inputs))

    return make


@pytest.fixture(params=sorted(LAYERS))
def kind(request: pytest.FixtureRequest) -> str:
    """Each of the networks in turn."""
    return str(request.param)
