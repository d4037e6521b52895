"""The bound of the Jacobian's Lipschitz constant, attacked by search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from govcheck.certify import checker
from govcheck.certify.second import second_order

Array = NDArray[np.float64]


class Flat:
    """The Jacobian as a function of one vector."""

    def __init__(self, case: Any) -> None:
        self.net, self.start = case.net, case.task.parameters
        self.at = np.concatenate([w.ravel() for w in self.start.values()])

    def split(self, x: Array) -> dict[str, Array]:
        found, i = {}, 0
        for name, w in self.start.items():
            found[name] = x[i : i + w.size].reshape(w.shape)
            i += w.size
        return found

    def jacobian(self, x: Array) -> Array:
        theta = self.split(x)
        run = self.net.forward(theta)
        g = self.net.gradients(theta, run, self.net.jacobian_adjoints(theta, run))
        rows = self.net.samples * self.net.outputs
        return np.concatenate([g[name].reshape(rows, -1) for name in self.start], axis=1)

    def second(self, x: Array, u: Array) -> Array:
        """Derivative of the Jacobian along u, by central differences."""
        h = 1e-5
        return (self.jacobian(x + h * u) - self.jacobian(x - h * u)) / (2 * h)


def _largest_second(flat: Flat, x: Array, rng: np.random.Generator, steps: int = 25) -> float:
    """Alternating maximisation of ``c . D^2F[u, v]`` over unit vectors."""
    u = rng.standard_normal(len(x))
    u /= np.linalg.norm(u)
    best = 0.0
    for _ in range(steps):
        _, s, v = np.linalg.svd(flat.second(x, u), full_matrices=False)
        best = max(best, float(s[0]))
        u = v[0] + 0.3 * np.sign(v[0] @ u or 1.0) * u
        u /= np.linalg.norm(u)
    return best


def _bound(case: Any, radius: float, bits: int = 96) -> float:
    g = checker.Grid(bits)
    task = case.task
    parameters = {
        k: checker.Array(w.shape, [float(v) for v in np.ravel(w)])
        for k, w in task.parameters.items()
    }
    inputs = checker.Array(task.inputs.shape, [float(v) for v in np.ravel(task.inputs)])
    nodes = checker.program(task.operations, inputs.shape[1:], parameters)
    net = checker.Network(
        g, nodes, checker.hold(g, parameters), checker.samples_of(g, inputs)
    )
    found = checker.second_order(net, net.adjoints(), int(radius * 2**bits))
    return found / g.one


@pytest.mark.parametrize("size", [0.3, 1.2])
def test_search_never_exceeds_the_bound_at_a_point(
    make_case: Callable[..., Any], kind: str, size: float
) -> None:
    for seed in range(2):
        case = make_case(kind, seed=seed, size=size)
        flat = Flat(case)
        found = max(
            _largest_second(flat, flat.at, np.random.default_rng(s), 15) for s in range(2)
        )
        bound = _bound(case, 0.0)
        assert found <= bound * (1 + 1e-6)
        loose = 2000 if kind == "batch norm of images" else 200
        assert bound <= loose * found, "the bound is useless"


def test_one_hidden_layer_is_bounded_tightly(make_case: Callable[..., Any]) -> None:
    ratios = []
    for seed in range(6):
        case = make_case("one hidden layer", seed=seed, size=0.5)
        flat = Flat(case)
        found = max(_largest_second(flat, flat.at, np.random.default_rng(s)) for s in range(3))
        ratios.append(_bound(case, 0.0) / found)
    assert min(ratios) >= 1
    assert np.median(ratios) < 1.6


@pytest.mark.parametrize("radius", [0.05, 0.4, 2.0])
def test_the_bound_holds_everywhere_in_the_ball(
    make_case: Callable[..., Any], kind: str, radius: float
) -> None:
    rng = np.random.default_rng(1)
    case = make_case(kind, seed=7, size=0.8)
    flat = Flat(case)
    bound = _bound(case, radius)
    for _ in range(2):
        d = rng.standard_normal(len(flat.at))
        # climb along the direction in which the second derivative grows
        x = flat.at + radius * d / np.linalg.norm(d)
        for _ in range(3):
            here = _largest_second(flat, x, rng, steps=4)
            assert here <= bound * (1 + 1e-6)
            trial = x + 0.3 * radius * rng.standard_normal(len(x)) / np.sqrt(len(x))
            away = trial - flat.at
            trial = flat.at + away * min(1.0, radius / np.linalg.norm(away))
            if _largest_second(flat, trial, rng, steps=4) > here:
                x = trial
    a, b = (flat.at + radius * (d / np.linalg.norm(d)) for d in
            rng.standard_normal((2, len(flat.at))))
    change = np.linalg.norm(flat.jacobian(a) - flat.jacobian(b), 2)
    assert change <= bound * np.linalg.norm(a - b) * (1 + 1e-9)


@pytest.mark.parametrize("radius", [0.0, 0.2])
def test_both_computations_of_the_bound_agree(
    make_case: Callable[..., Any], kind: str, radius: float
) -> None:
    case = make_case(kind, seed=2)
    theta = case.task.parameters
    floats = second_order(case.net, theta, case.net.forward(theta), radius)
    # the checker bounds norms by repeated squaring, a few percent above
    assert floats * (1 - 1e-9) <= _bound(case, radius) <= 1.15 * floats
