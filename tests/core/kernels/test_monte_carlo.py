"""Random networks of finite width agree with the limits, and reject the printed variants.

A row of ``W x`` is Gaussian given x, with the Gram matrix of x as covariance; it is drawn
as such, which gives the same law as drawing W.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from govcheck.kernels.conv import Patches
from govcheck.kernels.dual import normalisation
from govcheck.kernels.gram import limiting_kernels
from govcheck.kernels.papers import conv_resnet_kernels, fc_kernels, resnet_kernels
from govcheck.numeric.build import build

torch.set_num_threads(1)

WIDTH, SEEDS, PASS = 4000, 150, 4.5
FUNCTIONS = {
    "softplus": (lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x))),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}


def rows(rng, gram, count=WIDTH):
    values, vectors = np.linalg.eigh(gram)
    root = vectors * np.sqrt(np.maximum(values, 0))
    return rng.standard_normal((count, len(gram))) @ root.T


def largest_z(draws, expected):
    draws = np.array(draws)
    upper = np.triu_indices(draws.shape[1])
    draws, expected = draws[:, *upper], expected[upper]
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    return float(np.abs((draws.mean(axis=0) - expected) / error).max())


def last_grams(x, prefactors, act, residual):
    """``G^(H)`` for each seed; prefactors without their ``1/sqrt(m)``."""
    value, slope = FUNCTIONS[act]
    found = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        gram, features = x @ x.T, None
        for h, pi in enumerate(prefactors):
            z = rows(rng, gram)
            if h == len(prefactors) - 1:
                a2 = rng.standard_normal((WIDTH, 1)) ** 2
                found.append(pi**2 / WIDTH * gram * (slope(z).T @ (a2 * slope(z))))
                break
            own = pi / np.sqrt(WIDTH) * value(z)
            features = own if h == 0 or not residual else features + own
            gram = features.T @ features
    return found


@pytest.mark.parametrize("act", ["softplus", "tanh"])
def test_fully_connected(act, inputs, dual):
    x, H = inputs["X3"], 2
    draws = last_grams(x, [normalisation(dual(act)) ** 0.5] * H, act, residual=False)
    assert largest_z(draws, fc_kernels(x, H, dual(act)).last) < PASS
    if act == "softplus":
        printed = fc_kernels(x, H, dual(act), as_printed=True).last
        assert largest_z(draws, printed) > PASS


@pytest.mark.parametrize(("act", "alphas", "key"), [
    ("softplus", [1.0, 1.0], "X3"),
    ("softplus", [0.7, 1.3, -0.8], "X3n"),
    ("tanh", [0.7, 1.3, -0.8], "X3n"),
])
def test_residual(act, alphas, key, inputs, dual):
    x, H = inputs[key], len(alphas) + 1
    prefactors = [normalisation(dual(act)) ** 0.5, *(a / H for a in alphas)]
    draws = last_grams(x, prefactors, act, residual=True)
    assert largest_z(draws, resnet_kernels(x, alphas, dual(act)).last) < PASS
    assert largest_z(draws, resnet_kernels(x, alphas, dual(act), as_printed=True).last) > PASS


def test_cross_terms_alone(dual):
    """One residual layer at norms 0.2 and 3: only swapped cross terms are wrong."""
    x = np.array([[0.2, 0.0], [1.8, 2.4]])
    c = normalisation(dual("softplus"))
    value = FUNCTIONS["softplus"][0]
    draws = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        first = np.sqrt(c / WIDTH) * value(rows(rng, x @ x.T))
        second = first + value(rows(rng, first.T @ first)) / (2 * np.sqrt(WIDTH))
        draws.append(second.T @ second)
    right = resnet_kernels(x, [1.0], dual("softplus")).features[2]
    swapped = resnet_kernels(x, [1.0], dual("softplus"), errata=frozenset({"cross"})).features[2]
    assert largest_z(draws, right) < PASS
    assert largest_z(draws, swapped) > 5 * PASS


def conv_draws(x, H, act, c_res, c):
    value, slope = FUNCTIONS[act]
    n, _, p = x.shape
    around = Patches.same((p,), (3,))
    rho = c_res / H
    features, last = [], []
    for seed in range(3 * SEEDS):
        rng = np.random.default_rng(seed)
        pixel, units = np.einsum("icl,jcr->ijlr", x, x), None
        for h in range(1, H + 1):
            patch = around.summed(pixel, 2)
            whole = patch.transpose(0, 2, 1, 3).reshape(n * p, n * p)
            z = rows(rng, whole).reshape(WIDTH, n, p)
            pi = np.sqrt(c) if h == 1 else rho
            if h == H:
                a = rng.standard_normal((WIDTH, 1, p))
                v = a * slope(z)
                inner = np.einsum("sil,sjr->ijlr", v, v, optimize=True)
                last.append(pi**2 / WIDTH * np.einsum("ijlr,ijlr->ij", patch, inner))
            own = pi / np.sqrt(WIDTH) * value(z)
            units = own if h == 1 else units + own
            pixel = np.einsum("sil,sjr->ijlr", units, units, optimize=True)
        features.append(pixel.transpose(0, 2, 1, 3).reshape(n * p, n * p))
    return features, last


@pytest.mark.parametrize("act", ["softplus", "tanh"])
def test_convolutional(act, images, dual):
    H, c_res = 3, 0.9
    own = dual(act)
    features, last = conv_draws(images, H, act, c_res, normalisation(own))

    def z(**wrong):
        found = conv_resnet_kernels(images, H, own, c_res=c_res, patch=3, **wrong)
        pixels = found.features[-1].transpose(0, 2, 1, 3).reshape(6, 6)
        return largest_z(last, found.last), largest_z(features, pixels)

    assert max(z()) < PASS
    assert z(errata=frozenset({"index"}))[0] > PASS
    assert z(errata=frozenset({"factor"}))[0] > PASS
    assert z(errata=frozenset({"skip"}))[1] > PASS
    if act == "softplus":
        assert z(errata=frozenset({"cross"}))[1] > PASS
    assert min(z(as_printed=True)) > PASS


def test_random_block_of_a_trained_factor_does_not_concentrate(inputs, dual):
    """Its mean is the kernel's; a draw varies as a chi-squared number does."""
    from govcheck.kernels.finite import finite_network

    value, slope = FUNCTIONS["softplus"]
    x, c = inputs["X3"], normalisation(dual("softplus"))
    blocks = []
    for seed in range(500):
        rng = np.random.default_rng(seed)
        m = 60
        weights = [rng.standard_normal((m, 3)), rng.standard_normal((m, m))]
        net = finite_network(x, weights, rng.standard_normal(m), value, slope, c_sigma=c,
                             alphas=[1.0])
        blocks.append(net.blocks["alpha"])
    mean = resnet_kernels(x, [1.0], dual("softplus")).factors[0]
    draws = np.array(blocks)[:, 0, 0]
    assert np.mean(draws) == pytest.approx(mean[0, 0], rel=0.2)
    assert 1.1 < np.std(draws) / np.mean(draws) < 1.7
    assert np.linalg.matrix_rank(blocks[0], tol=1e-10) == 1


POOLED = """
  - conv: {out: m, kernel: 3, padding: same, bias: false}
  - softplus
  - scale: {factor: 1/sqrt(m)}
  - residual:
      - conv: {out: m, kernel: 3, padding: same, bias: false}
      - softplus
      - scale: {factor: 1/(2*sqrt(m))}
  - global_avg_pool
  - affine: {out: 1, bias: false}
"""
BEFORE = """
  - affine: {out: m}
  - residual:
      - tanh
      - affine: {out: m, scale: 1/sqrt(m)}
  - tanh
  - affine: {out: 1, scale: 1/sqrt(m)}
"""


@pytest.mark.parametrize(("layers", "shape"), [(POOLED, "[2, 3]"), (BEFORE, "[3]")])
def test_torch_networks_have_the_blocks_of_the_engine(layers, shape, network, images, inputs):
    x = images if shape == "[2, 3]" else inputs["X3n"]
    arch = network(layers, shape=shape)
    limit = limiting_kernels(arch, x, ("blocks",))
    net = build(arch, {"m": "400"})
    parameters = dict(net.named_parameters())
    draws = {name: [] for name in parameters}
    for seed in range(40):
        torch.manual_seed(seed)
        for name, p in parameters.items():
            (torch.nn.init.zeros_ if name.endswith("bias") else torch.nn.init.normal_)(p)
        u = net(torch.tensor(x)).reshape(-1)
        for name, p in parameters.items():
            rows = [torch.autograd.grad(v, p, retain_graph=True)[0].reshape(-1) for v in u]
            jac = torch.stack(rows).numpy()
            draws[name].append(jac @ jac.T)
    for name, grams in draws.items():
        expected = limit[f"block:{name}"]
        spread = np.std(grams, axis=0, ddof=1) / np.sqrt(len(grams)) + 1e-12
        assert (np.abs(np.mean(grams, axis=0) - expected) < PASS * spread).all(), name
