"""What the checker computes of a network, against torch and against itself at higher precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from govcheck.certify import checker

Array = NDArray[np.float64]


def _network(case: Any, bits: int) -> checker.Network:
    g, task = checker.Grid(bits), case.task
    parameters = {
        k: checker.Array(w.shape, [float(v) for v in np.ravel(w)])
        for k, w in task.parameters.items()
    }
    inputs = checker.Array(task.inputs.shape, [float(v) for v in np.ravel(task.inputs)])
    nodes = checker.program(task.operations, inputs.shape[1:], parameters)
    return checker.Network(
        g, nodes, checker.hold(g, parameters), checker.samples_of(g, inputs)
    )


def _floats(g: checker.Grid, balls: checker.Balls) -> Array:
    return np.array([[x / g.one for x in row] for row in balls.rows])


def _overlap(a: checker.Balls, low: int, b: checker.Balls, high: int) -> None:
    """Enclosures of the same numbers must meet; b is on a grid finer by high - low bits."""
    shift = high - low
    for r, s in zip(a.rows, b.rows, strict=True):
        for x, y in zip(r, s, strict=True):
            assert abs((x << shift) - y) <= (a.error << shift) + b.error
    assert a.error < 2 ** (low - 40)


def test_enclosures_meet_those_of_higher_precision(
    make_case: Callable[..., Any], kind: str
) -> None:
    for seed in range(2):
        case = make_case(kind, seed=seed, size=1.3)
        coarse, fine = _network(case, 80), _network(case, 240)
        for a, b in zip(coarse.values, fine.values, strict=True):
            _overlap(a, 80, b, 240)
        pa, pb = coarse.adjoints(), fine.adjoints()
        for a, b in zip(pa, pb, strict=True):
            _overlap(a, 80, b, 240)
        _overlap(checker.jacobian_gram(coarse, pa), 80, checker.jacobian_gram(fine, pb), 240)


def test_values_and_gram_are_those_of_torch(make_case: Callable[..., Any], kind: str) -> None:
    import torch

    import govcheck
    from govcheck.numeric.build import build

    torch.set_num_threads(1)
    case = make_case(kind, seed=3)
    net = _network(case, 128)
    conftest = make_case.__globals__
    text = (f"govcheck: 1\ninput: {conftest['INPUT'].get(kind, '[3]')}\n"
            f"layers: {conftest['LAYERS'][kind]}\n")
    module = build(govcheck.loads(text))
    named = dict(module.named_parameters())
    assert set(named) == set(case.task.parameters)
    with torch.no_grad():
        for name, w in case.task.parameters.items():
            named[name].copy_(torch.as_tensor(w).reshape(named[name].shape))
    x = torch.as_tensor(case.task.inputs)
    # a coupled batch is one sample there, with the samples along its last axis
    out = module(x[0].movedim(-1, 0)).T.reshape(1, -1) if case.task.batch else module(x)
    assert np.allclose(_floats(net.g, net.values[-1]), out.detach().numpy(), rtol=0, atol=1e-12)
    rows = []
    for value in out.reshape(-1):
        g = torch.autograd.grad(value, list(named.values()), retain_graph=True)
        rows.append(torch.cat([v.reshape(-1) for v in g]).numpy())
    jacobian = np.array(rows)
    gram = _floats(net.g, checker.jacobian_gram(net, net.adjoints()))
    assert np.allclose(gram, jacobian @ jacobian.T, rtol=0, atol=1e-10)
    run = case.net.forward(case.task.parameters)
    assert np.allclose(case.net.gram(case.task.parameters, run), gram, rtol=0, atol=1e-10)


def test_gradient_of_the_prover_is_the_seeded_sum(make_case: Callable[..., Any], kind: str) -> None:
    case = make_case(kind, seed=5)
    net, theta = case.net, case.task.parameters
    run = net.forward(theta)
    seed = np.random.default_rng(0).standard_normal(run.values[-1].shape)
    full = net.gradients(theta, run, net.jacobian_adjoints(theta, run))
    quick = net.gradient(theta, run, seed)
    for name, g in full.items():
        assert np.allclose(quick[name], np.tensordot(seed, g, axes=2), rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_norms_and_least_eigenvalue(n: int) -> None:
    rng = np.random.default_rng(n)
    g = checker.Grid(128)

    def balls(a: Array) -> checker.Balls:
        rows = [g.floats([float(v) for v in r])[0] for r in a]
        return checker.Balls(rows, 1)

    wide = rng.standard_normal((n, n + 3))
    norm = float(np.linalg.norm(wide, 2))
    assert norm <= checker.operator_norm(g, balls(wide)) / g.one * (1 + 1e-12)
    assert checker.operator_norm(g, balls(wide)) / g.one <= 1.1 * norm
    a = wide @ wide.T
    low = float(np.linalg.eigvalsh(a)[0])
    shift = low * 0.999
    factor = np.linalg.cholesky(a - shift * np.eye(n))
    rows = [g.floats([float(v) for v in row[: i + 1]])[0] for i, row in enumerate(factor)]
    at = g.floats([shift])[0][0]
    found = checker.least_eigenvalue(g, balls(a), rows, at) / g.one
    assert 0.99 * low <= found <= low * (1 + 1e-12)
    # a factor of another matrix proves less, never more than is true
    rows[-1][-1] += g.one // 8
    assert checker.least_eigenvalue(g, balls(a), rows, at) / g.one <= low
