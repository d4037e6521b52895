"""Every structured and matrix-free result against dense derivatives by autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import jacrev

import govcheck
from govcheck.errors import InputError
from govcheck.numeric.build import build
from govcheck.numeric.measure.gram import by_rows, grams, layerwise, spectrum
from govcheck.numeric.measure.hessian import hessian_extremes, kept_within
from govcheck.numeric.measure.products import Products
from govcheck.numeric.measure.record import Budget
from govcheck.numeric.measure.subject import Subject

EXACT = {"rtol": 0.0, "atol": 1e-10}
LAYERS = (
    "affine", "token_affine", "conv", "batch_norm", "layer_norm", "group_norm", "instance_norm",
    "rms_norm", "scale", "rezero", "embedding", "positional_embedding", "self_attention",
    "multihead_attention", "channel_scale", "class_token",
)


def dense(s: Subject):
    return jacrev(lambda t: s(t).reshape(-1))(s.theta)


def check_products(s: Subject):
    generator = torch.Generator().manual_seed(9)

    def normal(n):
        return torch.randn(n, generator=generator, dtype=torch.float64)

    j = dense(s)
    p = Products(s)
    u, v = normal(s.rows), normal(s.parameters)
    assert torch.allclose(p.jtu(u), j.T @ u, **EXACT)
    assert torch.allclose(p.jv(v), j @ v, **EXACT)
    assert torch.allclose(p.gram(u), j @ (j.T @ u), **EXACT)
    jx = jacrev(lambda x: s(s.theta, x).reshape(-1))(s.x).reshape(s.rows, -1)
    px = Products(s, "input")
    w = normal(jx.shape[1])
    assert torch.allclose(px.jv(w), jx @ w, **EXACT)
    assert torch.allclose(px.jtu(u), jx.T @ u, **EXACT)
    # a second vector goes through the same graph
    assert torch.allclose(p.jv(2 * v), 2 * (j @ v), **EXACT)
    h = torch.autograd.functional.hessian(s.loss, s.theta)
    assert torch.allclose(p.hv(v), h @ v, **EXACT)


def check_grams(s: Subject):
    j = dense(s)
    found = grams(s)
    assert torch.allclose(found.total.matrix, j @ j.T, **EXACT)
    for name, place in s.slices.items():
        block = j[:, place]
        assert torch.allclose(found.blocks[name].matrix, block @ block.T, **EXACT), name
    return found


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_kind(name, example_subjects):
    subjects = example_subjects(name, 12)
    assert subjects
    for s in subjects:
        check_products(s)
        check_grams(s)


def test_layers_with_parameters_are_all_tested(registry, example_subjects):
    have = {n for n in registry.layers if example_subjects(n, 1)}
    assert have <= set(LAYERS)


def subject_of(text, tmp_path, make_subject, samples=3):
    file = tmp_path / "net.yaml"
    file.write_text(text)
    arch = govcheck.load(str(file))
    net = build(arch)
    generator = torch.Generator().manual_seed(1)
    shape = [int(d.number) for d in arch.input]
    x = torch.randn(samples, *shape, generator=generator, dtype=torch.float64)
    return make_subject(net, x)


NETWORKS = {
    "residual, weight normalised, with factors": """
govcheck: 1
input: [4]
layers:
  - affine: {out: 5, weight: entrywise, bias: false}
  - repeat:
      times: 2
      block:
        - residual:
            - affine: {out: 5, weight: weight_norm}
            - tanh
            - scale: {factor: 1/2, trainable: true, initial: 1}
  - affine: {out: 2}
""",
    "convolutions with strides, groups and padding": """
govcheck: 1
input: [2, 6, 6]
layers:
  - conv: {out: 4, kernel: 3, stride: 2, padding: 1}
  - softplus
  - conv: {out: 4, kernel: 3, padding: same, groups: 2, weight: weight_norm}
  - tanh
  - conv: {out: 2, kernel: 2, dilation: 1, weight: torch_weight_norm}
  - global_avg_pool
  - affine: {out: 3}
""",
    "batch norm in train mode": """
govcheck: 1
input: [2, 4, 4]
layers:
  - conv: {out: 3, kernel: 3, padding: 1}
  - batch_norm
  - softplus
  - conv: {out: 2, kernel: 3, padding: 1}
  - batch_norm
  - flatten
  - affine: {out: 2}
""",
}


@pytest.mark.parametrize("name", NETWORKS)
def test_whole_networks(name, tmp_path, make_subject):
    s = subject_of(NETWORKS[name], tmp_path, make_subject)
    assert s.coupled == ("batch norm" in name)
    check_products(s)
    check_grams(s)


def test_batch_norm_is_not_taken_sample_by_sample(tmp_path, make_subject):
    s = subject_of(NETWORKS["batch norm in train mode"], tmp_path, make_subject)
    parts = {}
    # what leaving the coupling out would give is another matrix
    layerwise(s, parts.__setitem__)
    exact = dense(s)
    assert not torch.allclose(sum(parts.values()), exact @ exact.T, atol=1e-3)


def test_blocks_of_rows(tmp_path, make_subject, monkeypatch):
    import govcheck.numeric.measure.gram as gram
    import govcheck.numeric.measure.gram_parts as gram_parts

    monkeypatch.setattr(gram, "SLICE_BYTES", 1500)
    monkeypatch.setattr(gram_parts, "SLICE_BYTES", 1500)
    for text in NETWORKS.values():
        check_grams(subject_of(text, tmp_path, make_subject))


def test_a_plain_torch_module(make_subject):
    net = nn.Sequential(
        nn.Linear(3, 4), nn.Tanh(), nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 2, 3), nn.Flatten(),
        nn.Linear(4, 2),
    )
    generator = torch.Generator().manual_seed(1)
    check_grams(make_subject(net, torch.randn(3, 3, generator=generator, dtype=torch.float64)))


def test_a_layer_used_twice_goes_by_rows(make_subject):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(torch.tanh(self.layer(x)))

    generator = torch.Generator().manual_seed(1)
    s = make_subject(Twice(), torch.randn(3, 3, generator=generator, dtype=torch.float64))
    assert not layerwise(s, lambda name, part: None)
    check_grams(s)


def test_work_in_place(make_subject):
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x.requires_grad_()
    s = make_subject(nn.Sequential(nn.Linear(3, 5), nn.ReLU(inplace=True), nn.Linear(5, 2)), x)
    found = check_grams(s)
    assert found.method.startswith("layer by layer")

    class Overwrites(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            y = x.clone()
            z = self.layer(y)
            y.mul_(2)
            return z + y

    s = make_subject(Overwrites(), x)
    # what the layer took in is gone
    assert not layerwise(s, lambda name, part: None)


def test_strips_of_rows(tmp_path, make_subject, monkeypatch):
    monkeypatch.setattr("govcheck.numeric.measure.gram_parts.STRIP", 2)
    text = NETWORKS["residual, weight normalised, with factors"].replace(
        "weight: weight_norm", "scale: 1/3")
    check_grams(subject_of(text, tmp_path, make_subject, samples=5))


def test_rows_and_layers_agree(tmp_path, make_subject):
    text = NETWORKS["convolutions with strides, groups and padding"]
    s = subject_of(text, tmp_path, make_subject)
    a, b = {}, {}
    assert layerwise(s, a.__setitem__)
    by_rows(s, b.__setitem__)
    assert a.keys() == b.keys()
    for name in a:
        assert torch.allclose(a[name], b[name], **EXACT)


def test_the_extremes_of_the_gram_matrix_are_enclosed(tmp_path, make_subject):
    s = subject_of(NETWORKS["batch norm in train mode"], tmp_path, make_subject)
    found = grams(s)
    largest, smallest = spectrum(found.total, s, found.expected, found.method)
    sigma = torch.linalg.svdvals(dense(s))
    assert abs(largest.value - float(sigma[0]) ** 2) <= largest.error
    assert abs(smallest.value - float(sigma[-1]) ** 2) <= smallest.error
    assert smallest.floor < 1e-10 * largest.value


@pytest.mark.parametrize("name", NETWORKS)
def test_hessian_extremes(name, tmp_path, make_subject):
    s = subject_of(NETWORKS[name], tmp_path, make_subject)
    values = np.linalg.eigvalsh(torch.autograd.functional.hessian(s.loss, s.theta).numpy())
    top, bottom, norm = hessian_extremes(s, tolerance=1e-13, max_steps=400)
    for found, exact in ((top, values[-1]), (bottom, values[0]), (norm, np.abs(values).max())):
        assert abs(found.value - exact) <= min(found.error, 1e-10), found
    # a rough run never overshoots, and an eigenvalue lies within its error
    top, bottom, _ = hessian_extremes(s, tolerance=0.1, seed=1)
    assert top.value <= values[-1] + top.floor and bottom.value >= values[0] - bottom.floor
    for found in (top, bottom):
        assert np.abs(values - found.value).min() <= found.error


@pytest.mark.parametrize("name", NETWORKS)
def test_what_float32_begins_float64_ends(name, tmp_path, make_subject, monkeypatch):
    monkeypatch.setattr("govcheck.numeric.measure.hessian.ROUGH_FROM", 0)
    s = subject_of(NETWORKS[name], tmp_path, make_subject)
    before = s.theta.clone()
    values = np.linalg.eigvalsh(torch.autograd.functional.hessian(s.loss, s.theta).numpy())
    for tolerance, near in ((1e-5, 1e-8), (1e-12, 1e-10)):
        top, bottom, norm = hessian_extremes(s, tolerance=tolerance, max_steps=400)
        assert "in float32 and" in top.method and top.dtype == "float64"
        for m, exact in ((top, values[-1]), (bottom, values[0])):
            # an eigenvalue is as near as the residual says, and it is the outermost
            assert abs(m.value - exact) <= max(m.error, 1e-13)
            assert abs(m.value - exact) <= near * np.abs(values).max()
        assert norm.value == max(abs(top.value), abs(bottom.value))
        assert top.error <= 2 * tolerance * norm.value + top.floor
    assert torch.equal(s.theta, before)


def test_what_float32_cannot_hold_begins_in_float64(make_subject, monkeypatch):
    monkeypatch.setattr("govcheck.numeric.measure.hessian.ROUGH_FROM", 0)
    s = make_subject(nn.Linear(3, 2), torch.full((2, 3), 1e25, dtype=torch.float64))
    top = hessian_extremes(s)[0]
    assert "float32" not in top.method
    # squares of the inputs, with a bias that counts nothing beside them
    assert top.value == pytest.approx(3e50, rel=1e-9)



def test_little_memory_means_more_restarts(tmp_path, make_subject):
    s = subject_of(NETWORKS["batch norm in train mode"], tmp_path, make_subject)
    values = np.linalg.eigvalsh(torch.autograd.functional.hessian(s.loss, s.theta).numpy())
    small = Budget(max_bytes=12 * 8 * s.parameters)
    assert kept_within(s, small) == 8 < kept_within(s, Budget())
    top, bottom, _ = hessian_extremes(s, tolerance=1e-9, max_steps=2000, budget=small)
    assert top.value == pytest.approx(values[-1], abs=1e-8)
    assert bottom.value == pytest.approx(values[0], abs=1e-8)
    with pytest.raises(InputError, match="float32"):
        hessian_extremes(s, budget=Budget(max_bytes=100))
