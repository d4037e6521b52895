"""Kernel steps of single layers against torch networks of finite width.

The same draws reject the limit that a plausible mistake would give.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from govcheck.bounds.answer import Unknown
from govcheck.kernels.gram import limiting_kernels
from govcheck.numeric.build import build

torch.set_num_threads(1)

WIDTH, SEEDS, PASS = 256, 60, 4.5

CONV = "  - conv: {{out: m, kernel: 3, padding: same, bias: false{more}}}\n  - softplus\n"
HEAD = "  - scale: {factor: 1/sqrt(m)}\n  - flatten\n  - affine: {out: 1, bias: false}\n"
STRIDED = CONV.format(more="") + (
    "  - scale: {factor: 1/sqrt(m)}\n"
    "  - conv: {out: m, kernel: 3, stride: STRIDE, padding: 1, dilation: DILATION}\n  - tanh\n"
)
GROUPED = CONV.format(more="").replace("out: m", "out: 256") + (
    "  - scale: {factor: 1/16}\n"
    "  - conv: {out: 256, kernel: 3, padding: same, groups: GROUPS, scale: SCALE}\n  - softplus\n"
)
AVERAGED = (
    CONV.format(more="") + "  - avg_pool: {kernel: 2, stride: STEP}\n"
    "  - scale: {factor: 1/sqrt(m)}\n"
    "  - conv: {out: m, kernel: 2, padding: 1}\n  - avg_pool: {kernel: 2, stride: 1}\n  - tanh\n"
)
BEFORE = (
    CONV.format(more="")
    + "  - scale: {factor: 1/sqrt(m)}\n  - avg_pool: {kernel: 2, stride: 1}\n"
)
NORMED = (
    "  - affine: {out: m}\n  - softplus\n"
    "  - affine: {out: m, weight: weight_norm, eps: EPS}\n  - tanh\n"
)


def images(size):
    return np.random.default_rng(size).standard_normal((3, 2, size)) / size**0.5


def draws(arch, x, seeds=SEEDS):
    """Gram matrices of the derivatives, by parameter, and of the outputs' values."""
    net = build(arch, {"m": str(WIDTH)})
    parameters = dict(net.named_parameters())
    found = {name: [] for name in parameters}
    init = arch.init
    for seed in range(seeds):
        torch.manual_seed(seed)
        for name, p in parameters.items():
            std = 1.0
            if init.method == "lecun":
                std = float(np.prod(p.shape[1:])) ** -0.5
            (torch.nn.init.zeros_(p) if name.endswith("bias")
             else torch.nn.init.normal_(p, std=std))
        u = net(torch.tensor(x)).reshape(-1)
        for name, p in parameters.items():
            rows = [torch.autograd.grad(v, p, retain_graph=True)[0].reshape(-1) for v in u]
            jac = torch.stack(rows).numpy()
            found[name].append(jac @ jac.T)
    return {name: np.array(grams) for name, grams in found.items()}


def largest_z(found, limit):
    worst = 0.0
    for name, grams in found.items():
        if f"block:{name}" not in limit.matrices:
            continue
        error = grams.std(axis=0, ddof=1) / np.sqrt(len(grams))
        scale = 1e-12 * np.abs(grams).max()
        # the mean at finite width is off by the order of 1/width
        bias = np.abs(grams.mean(axis=0)) / WIDTH
        gap = np.abs(grams.mean(axis=0) - limit[f"block:{name}"])
        worst = max(worst, float((gap / (error + bias + scale)).max()))
    return worst


@pytest.mark.parametrize(("layers", "size", "right", "wrong"), [
    (STRIDED, 5, {"STRIDE": 2, "DILATION": 1}, {"STRIDE": 1, "DILATION": 1}),
    (STRIDED, 6, {"STRIDE": 1, "DILATION": 2}, {"STRIDE": 1, "DILATION": 1}),
    (GROUPED, 3, {"GROUPS": 2, "SCALE": 1}, {"GROUPS": 1, "SCALE": 1}),
    (AVERAGED, 5, {"STEP": 2}, {"STEP": 1}),
])
def test_images(layers, size, right, wrong, network):
    x = images(size)
    archs = []
    for settings in (right, wrong):
        text = layers
        for key, value in settings.items():
            text = text.replace(key, str(value))
        # a convolution in groups needs numbers of channels that divide
        head = HEAD.replace("sqrt(m)", "16") if "GROUPS" in layers else HEAD
        archs.append(network(text + head, shape=f"[2, {size}]"))
    found = draws(archs[0], x)
    limits = [limiting_kernels(a, x, ("blocks",)) for a in archs]
    assert {f"block:{n}" for n in found} == set(limits[0].matrices)
    assert largest_z(found, limits[0]) < PASS
    assert largest_z(found, limits[1]) > PASS


def test_grouped_sums_are_those_of_fewer_units(network, upper_triangle):
    """The limit of two groups is that of one with the weights made smaller."""
    x = images(3)
    two, one = (
        limiting_kernels(network(
            GROUPED.replace("GROUPS", g).replace("SCALE", s) + HEAD.replace("sqrt(m)", "16"),
            shape="[2, 3]"
        ), x, ("blocks",))
        for g, s in (("2", "1"), ("1", "1/sqrt(2)"))
    )
    for name, block in one.matrices.items():
        assert upper_triangle(two[name], block) < 1e-13


def test_average_of_the_outputs_of_a_layer(network):
    """Pooling takes independent offsets of the two pixels, unlike a convolution."""
    x = images(4)
    arch = network(BEFORE + "  - flatten\n  - affine: {out: 1, bias: false}\n", shape="[2, 4]")
    limit = limiting_kernels(arch, x, ("blocks",))
    found = draws(arch, x)
    assert largest_z(found, limit) < PASS
    plain = network(
        CONV.format(more="") + "  - scale: {factor: 1/sqrt(m)}\n  - flatten\n"
        "  - affine: {out: 1, bias: false}\n", shape="[2, 4]")
    assert largest_z(found, limiting_kernels(plain, x, ("blocks",))) > PASS


def test_pooling_in_one_piece_and_globally(network, upper_triangle):
    x = images(4)
    start = CONV.format(more="") + "  - scale: {factor: 1/sqrt(m)}\n"
    end = "  - affine: {out: 1, bias: false}\n"
    whole, windows = (
        limiting_kernels(network(start + text + end, shape="[2, 4]"), x, ("ntk", "output"))
        for text in ("  - global_avg_pool\n", "  - avg_pool: {kernel: 4}\n  - flatten\n")
    )
    for name in ("ntk", "output"):
        assert upper_triangle(whole[name], windows[name]) < 1e-14


@pytest.mark.parametrize(("init", "eps", "wrong"), [
    ("init: lecun", "1", "1/1000"), ("", "1", None),
])
def test_rows_divided_by_their_norms(init, eps, wrong, inputs, network):
    x = inputs["X3n"]
    last = "1" if init else "sqrt(m)"
    text = NORMED + f"  - affine: {{out: 1, bias: false, scale: 1/{last}}}\n"
    arch = network(text.replace("EPS", eps), init=init)
    limit = limiting_kernels(arch, x, ("blocks",))
    found = draws(arch, x, 200)
    kept = {n: g for n, g in found.items() if f"block:{n}" in limit.matrices}
    assert len(kept) >= 3
    assert largest_z(kept, limit) < PASS
    if wrong is not None:
        other = limiting_kernels(network(text.replace("EPS", wrong), init=init), x, ("blocks",))
        assert largest_z(kept, other) > PASS


@pytest.mark.parametrize(("layers", "reason"), [
    ("  - conv: {out: m, kernel: 3, padding: same, groups: 2}\n  - tanh\n" + HEAD,
     "groups of the channels of the data"),
    (GROUPED.replace("GROUPS", "256").replace("SCALE", "1") + HEAD.replace("sqrt(m)", "16"),
     "single channel"),
])
def test_no_limit_of_groups(layers, reason, network):
    found = limiting_kernels(network(layers, shape="[2, 3]"), images(3))
    assert isinstance(found, Unknown) and reason in found.reason
