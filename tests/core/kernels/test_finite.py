"""Finite networks at given weights: reference vectors, one step of gradient descent, autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from govcheck.kernels.finite import finite_network

torch.set_num_threads(1)

FUNCTIONS = {
    "softplus": (lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x))),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}


def reference(case, x):
    m, H = case["m"], case["H"]
    r = np.arange(m)[:, None]
    weights = [
        np.sin(h + 3 * r + 7 * np.arange(x.shape[1] if h == 1 else m)) for h in range(1, H + 1)
    ]
    return weights, np.cos(1 + 2 * np.arange(m))


def evaluate(case, x, weights, readout, alphas):
    value, slope = FUNCTIONS[case["act"]]
    return finite_network(
        x, weights, readout, value, slope, c_sigma=case["c_sigma"], alphas=alphas
    )


@pytest.mark.parametrize("index", range(3))
def test_reference_vectors(index, vectors, inputs):
    case = vectors["V5_finite"][index]
    x, y, alphas = inputs["X3"], np.array(case["y"]), case["alpha_2_to_H"]
    weights, readout = reference(case, x)
    net = evaluate(case, x, weights, readout, alphas)
    assert net.outputs == pytest.approx(case["u"], abs=1e-13)
    assert set(net.blocks) == set(case["G_blocks"])
    for name, block in case["G_blocks"].items():
        assert net.blocks[name] == pytest.approx(np.array(block), abs=1e-13)
    assert net.last == pytest.approx(np.array(case["G_blocks"][f"W{case['H']}"]), abs=1e-13)
    r = net.outputs - y
    assert r @ r / 2 == pytest.approx(case["loss"], abs=1e-13)
    slopes, a, factors = net.gradient(y)
    norms = case["grad_norms"]
    assert np.linalg.norm(a) == pytest.approx(norms["a"], abs=1e-13)
    for h, g in enumerate(slopes):
        assert np.linalg.norm(g) == pytest.approx(norms[f"W{h + 1}"], abs=1e-13)
    eta = case["eta"]
    moved = [w - eta * g for w, g in zip(weights, slopes, strict=True)]
    stepped = None if alphas is None else list(np.array(alphas) - eta * factors)
    after = evaluate(case, x, moved, readout - eta * a, stepped)
    assert after.outputs == pytest.approx(case["u_after_one_step"], abs=1e-13)
    gram = sum(net.blocks.values())
    linear = (np.eye(3) - eta * gram) @ (y - net.outputs)
    assert linear == pytest.approx(case["linear_prediction_of_residual"], abs=1e-13)


def test_the_linear_prediction_needs_the_factors_block(vectors, inputs):
    """Without the alphas' block the one-step defect falls like eta, with it like eta^2."""
    case = next(c for c in vectors["V5_finite"] if c["arch"] == "res")
    x, y, alphas = inputs["X3"], np.array(case["y"]), np.array(case["alpha_2_to_H"])
    weights, readout = reference(case, x)
    net = evaluate(case, x, weights, readout, list(alphas))
    slopes, a, factors = net.gradient(y)
    whole = sum(net.blocks.values())
    slopes_of_defect = []
    for gram in (whole, whole - net.blocks["alpha"]):
        defects = []
        for eta in (1e-3, 5e-4):
            moved = [w - eta * g for w, g in zip(weights, slopes, strict=True)]
            after = evaluate(case, x, moved, readout - eta * a, list(alphas - eta * factors))
            predicted = (np.eye(3) - eta * gram) @ (y - net.outputs)
            defects.append(np.linalg.norm(y - after.outputs - predicted))
        slopes_of_defect.append(np.log2(defects[0] / defects[1]))
    assert slopes_of_defect[0] == pytest.approx(2, abs=0.02)
    assert slopes_of_defect[1] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("alphas", [None, [0.7, -1.3]])
def test_against_autograd(alphas):
    rng = np.random.default_rng(3)
    x, m = rng.standard_normal((4, 3)), 6
    weights = [rng.standard_normal((m, 3)), *rng.standard_normal((2, m, m))]
    readout = rng.standard_normal(m)
    net = finite_network(x, weights, readout, np.tanh, lambda z: 1 - np.tanh(z) ** 2,
                         c_sigma=2.0, alphas=alphas)
    ws = [torch.tensor(w, requires_grad=True) for w in weights]
    a = torch.tensor(readout, requires_grad=True)
    al = torch.tensor(alphas or [0.0, 0.0], dtype=torch.float64, requires_grad=True)
    h = (2.0 / m) ** 0.5 * torch.tanh(torch.tensor(x) @ ws[0].T)
    for k, w in enumerate(ws[1:]):
        z = torch.tanh(h @ w.T)
        h = (2.0 / m) ** 0.5 * z if alphas is None else h + al[k] / (3 * m**0.5) * z
    u = h @ a
    assert net.outputs == pytest.approx(u.detach().numpy(), abs=1e-13)
    groups = {"W1": [ws[0]], "W2": [ws[1]], "W3": [ws[2]], "a": [a]}
    if alphas is not None:
        groups["alpha"] = [al]
    for name, parameters in groups.items():
        rows = [torch.cat([g.reshape(-1) for g in
                           torch.autograd.grad(v, parameters, retain_graph=True)]) for v in u]
        jac = torch.stack(rows).numpy()
        assert net.blocks[name] == pytest.approx(jac @ jac.T, abs=1e-12)


def test_wrong_number_of_factors():
    with pytest.raises(ValueError, match="1 residual factors"):
        finite_network(np.eye(2), [np.eye(2), np.eye(2)], np.ones(2), np.tanh, np.cos,
                       c_sigma=1, alphas=[])
