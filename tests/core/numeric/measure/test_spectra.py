"""Singular values of layers over the batch: every method against the dense matrix."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import govcheck
from govcheck.errors import InputError
from govcheck.numeric.build import build
from govcheck.numeric.measure import spectra_ops
from govcheck.numeric.measure.record import Budget
from govcheck.numeric.measure.spectra import derivative, layer_spectrum, spectrum_costs
from govcheck.numeric.measure.spectra_exact import dense
from govcheck.numeric.measure.spectra_inertia import Inertia
from govcheck.numeric.measure.spectra_linear import linearise
from govcheck.numeric.measure.spectra_ops import Automatic
from govcheck.numeric.measure.spectra_place import layers, locate, names

torch.set_num_threads(1)

NET = """
govcheck: 1
name: places
input: [2, 4, 4]
layers:
  - conv: {out: 4, kernel: 3, padding: same, bias: false}
  - batch_norm
  - relu
  - repeat:
      times: 2
      block:
        - residual:
            - batch_norm
            - tanh
            - conv: {out: 4, kernel: 3, padding: 1, bias: false}
  - parallel:
      join: concat
      branches:
        - - conv: {out: 2, kernel: 2, stride: 2, bias: false}
        - - avg_pool: {kernel: 2}
          - batch_norm
  - parallel:
      join: sum
      branches:
        - - conv: {out: 6, kernel: 3, padding: same, bias: false}
          - batch_norm
          - relu
        - []
  - flatten
  - affine: {out: 5}
"""


def randomise(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            noise = torch.randn(p.shape, generator=generator, dtype=torch.float64)
            p.copy_(1 + 0.3 * noise if p.dim() == 1 else noise / math.sqrt(p[0].numel()))
    return module.double()


@pytest.fixture(scope="module")
def network():
    return randomise(build(govcheck.loads(NET)))


def normal(*shape, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.fixture(scope="module")
def batch():
    return normal(3, 2, 4, 4)


def jacobian(part, x):
    """One backward pass of the module itself for each output."""
    at = x.clone().requires_grad_()
    out = part(at).reshape(-1)
    rows = [torch.autograd.grad(y, at, retain_graph=True)[0].reshape(-1) for y in out]
    return torch.stack(rows).detach()


def batch_norm(channels):
    return nn.BatchNorm2d(channels, track_running_stats=False)


def layer(channels=8):
    return randomise(nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, bias=False), batch_norm(channels), nn.ReLU()))


def rough(values):
    """What is below rounding counts as 0."""
    return np.where(values < 1e-12 * values.max(), 0.0, values)


def test_products_at_every_place(network, batch):
    for name in [*names(network), "network", "conv..relu", "batch_norm..repeat"]:
        place = locate(network, name, batch)
        j = jacobian(place.part, place.x)
        y, op = linearise(place.part, place.x)
        assert torch.allclose(y, place.part(place.x), rtol=0, atol=1e-12), name
        v, u = normal(*place.x.shape), normal(*y.shape, seed=4)
        scale = float(torch.linalg.matrix_norm(j, 2))
        assert torch.allclose(op.jv(v).reshape(-1), j @ v.reshape(-1), rtol=0, atol=1e-11 * scale)
        assert torch.allclose(op.jtu(u).reshape(-1), j.T @ u.reshape(-1), rtol=0,
                              atol=1e-11 * scale), name


def test_normalisation_in_blocks_of_samples(monkeypatch):
    groups = """
govcheck: 1
input: [4, 3, 3]
layers:
  - %s
"""
    x = normal(5, 4, 3, 3).double()
    for layer in ("batch_norm", "layer_norm", "instance_norm"):
        network = randomise(build(govcheck.loads(groups % layer)))
        _, op = linearise(network, x)
        v, whole = normal(5, 4, 3, 3, seed=4), []
        for size in (2**21, 2 * 36 * 8):
            monkeypatch.setattr(spectra_ops, "BLOCK_BYTES", size)
            whole.append((op.jv(v), op.jtu(v)))
        j = jacobian(network, x)
        assert torch.allclose(whole[1][0].reshape(-1), j @ v.reshape(-1), rtol=0, atol=1e-12)
        assert all(torch.allclose(a, b, rtol=0, atol=1e-13) for a, b in zip(*whole, strict=True))


def test_known_layers_need_no_automatic_derivatives(network, batch):
    for name in ("conv..relu", "repeat", "parallel_2", "affine"):
        place = locate(network, name, batch)
        _, op = linearise(place.part, place.x)
        assert not any(isinstance(m, Automatic) for m in op.modules()), name


def test_inputs_of_places(network, batch):
    seen, handles = {}, []
    for name in layers(network):
        owner, _, node = name.rpartition(".")
        module = network.get_submodule(owner)._modules[node]
        handles.append(module.register_forward_pre_hook(
            lambda m, given, name=name: seen.__setitem__(name, given[0])))
    with torch.no_grad():
        network(batch)
    for handle in handles:
        handle.remove()
    for name in layers(network):
        assert torch.equal(locate(network, name, batch).x, seen[name]), name


@pytest.mark.parametrize("name", ["conv..relu", "repeat", "repeat.1.residual", "parallel",
                                  "parallel_2", "network"])
def test_inertia_counts_are_those_of_the_dense_matrix(network, batch, name):
    place = locate(network, name, batch)
    j = jacobian(place.part, place.x)
    true = torch.linalg.svdvals(j).numpy()
    d = derivative(network, name, batch)
    assert np.allclose(dense(d), true, rtol=0, atol=1e-12 * true.max())
    assert d.coupled and d.rank > 0
    counts = Inertia(d)
    for s in np.linspace(2 * counts.floor, 1.1 * true.max(), 40):
        assert counts.below(s) == int((true < s).sum()), s


def test_the_rank_through_statistics_and_the_weyl_bar(network, batch):
    d = derivative(network, "conv..relu", batch)
    d.freeze(True)
    frozen = dense(d)
    d.freeze(False)
    true = dense(d)
    assert d.rank == 2 * 4
    assert np.abs(frozen - true).max() > 1e-3 * true.max()
    for s in np.linspace(0.01, true.max(), 50):
        assert abs(int((frozen < s).sum()) - int((true < s).sum())) <= d.rank
    found = layer_spectrum(network, "conv..relu", batch, method="structured")
    assert found.distribution.error == d.rank / d.count
    assert found.distribution.certainty == "proven" and "Weyl" in found.distribution.basis
    assert found.distribution.violation(rough(true), 1e-11) == 0
    assert found.largest.side == "at least" and found.largest.value <= true.max() * (1 + 1e-5)


@pytest.mark.parametrize("method", ["dense", "structured", "inertia", "lanczos"])
@pytest.mark.parametrize("kind", ["plain", "before", "shrinking", "convolution", "wide"])
def test_every_method_within_its_stated_error(method, kind):
    x = normal(3, 4, 5, 5)
    modules = {
        "plain": layer(4),
        "before": nn.Sequential(batch_norm(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)),
        "shrinking": nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1), batch_norm(4), nn.ReLU(),
            nn.Conv2d(4, 6, 3, padding=1, stride=2), batch_norm(6), nn.Tanh()),
        "convolution": nn.Conv2d(4, 4, 3, padding=1),
        "wide": nn.Conv2d(4, 12, 3),
    }
    module = randomise(modules[kind])
    module = module if kind != "convolution" else nn.Sequential(module)
    true = np.sort(rough(torch.linalg.svdvals(jacobian(module, x)).numpy()))
    found = layer_spectrum(module, "network", x, method=method, tolerance=0.04, probes=4)
    d = found.distribution
    assert d.count == len(true)
    assert d.violation(true, 1e-6 if method == "lanczos" else 1e-11) == 0
    # a few random vectors of some hundred entries tell no more
    assert d.error <= {"dense": 0, "inertia": 0.0401}.get(method, 0.25)
    assert found.largest.low <= true[-1] <= found.largest.high + 1e-12
    assert found.smallest.low <= true[0] <= found.smallest.high + 1e-12
    # other singular values contradict it
    if method == "inertia":
        assert d.violation(1.3 * true, 1e-11) > 0


def test_structure_of_single_layers(network, batch):
    w = nn.Linear(7, 4).double()
    x = normal(3, 5, 7)
    found = layer_spectrum(nn.Sequential(w), "network", x, method="structured")
    true = torch.linalg.svdvals(jacobian(w, x)).numpy()
    assert found.distribution.violation(true, 1e-12) == 0 and "⊗ Id" in found.share.method
    assert found.distribution.count == 60 and len(found.distribution.places) == 4
    relu = layer_spectrum(network, "relu", batch)
    assert relu.share.method == "diagonal"
    assert set(relu.distribution.places) == {0.0, 1.0}
    conv = layer_spectrum(network, "conv", batch)
    assert "the same for all samples" in conv.share.method
    place = locate(network, "conv", batch)
    true = torch.linalg.svdvals(jacobian(place.part, place.x)).numpy()
    assert conv.distribution.violation(true, 1e-12) == 0


class Plus(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return x + self.body(x)


def test_atoms_stay_jumps():
    # half of the rows of the branch are 0, so that many singular values are exactly 1
    torch.manual_seed(0)
    weight = torch.randn(600, 600, dtype=torch.float64) / math.sqrt(600)
    weight[:540] = 0
    linear = nn.Linear(600, 600, bias=False).double()
    with torch.no_grad():
        linear.weight.copy_(weight)
    module = nn.Sequential(Plus(nn.Sequential(linear)))
    x = normal(1, 600)
    true = torch.linalg.svdvals(torch.eye(600, dtype=torch.float64) + weight).numpy()
    share = float((np.abs(true - 1) < 1e-9).mean())
    assert share > 0.7
    found = layer_spectrum(module, "network", x, method="lanczos", probes=8, steps=40)
    d = found.distribution
    assert len(d.atoms) == 1 and abs(d.atoms[0] - 1) < 1e-3
    jump = float(d.at(1 + 2 * d.width) - d.at(1 - 2 * d.width))
    assert abs(jump - share) < 2 * d.error
    assert d.violation(true, 1e-5) == 0
    exact = layer_spectrum(module, "network", x, method="inertia")
    assert len(exact.distribution.atoms) == 1
    assert abs(exact.distribution.at(1.001) - exact.distribution.at(0.999) - share) < 0.02


def test_probes_cover_over_seeds():
    """The stated error, wherever the random vectors point."""
    module, x = layer(4), normal(4, 4, 5, 5)
    true = rough(torch.linalg.svdvals(jacobian(module, x)).numpy())
    for seed in range(12):
        found = layer_spectrum(module, "network", x, method="lanczos", probes=1, steps=40,
                               seed=seed)
        assert found.distribution.violation(true, 1e-5) == 0
        # and it is of the size of the fluctuation, not of the curve
        assert found.distribution.error < 0.25


def test_repeatable_and_labelled():
    module, x = layer(4), normal(4, 4, 5, 5)
    a, b = (layer_spectrum(module, "network", x, method="lanczos", seed=5, probes=2)
            for _ in range(2))
    assert a.distribution.as_json() == b.distribution.as_json()
    assert a.share.label == "estimate" and a.share.seed == 5
    # a chain layer that ends in relu is rank deficient, which is known without a product
    assert a.smallest.value == 0 and a.smallest.side == "both"
    smooth = randomise(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Tanh()))
    c = layer_spectrum(smooth, "network", x, method="lanczos", probes=1)
    assert c.smallest.side == "at most" and c.smallest.low == -math.inf


def test_refusals(network, batch):
    with pytest.raises(InputError, match="no layer 'nope'"):
        layer_spectrum(network, "nope", batch)
    with pytest.raises(InputError, match="does not come after"):
        layer_spectrum(network, "relu..conv", batch)
    with pytest.raises(InputError, match="by dense needs") as caught:
        layer_spectrum(network, "repeat", batch, method="dense", budget=Budget(10_000))
    assert "lanczos" in str(caught.value)
    with pytest.raises(InputError, match="no method"):
        layer_spectrum(network, "relu", batch, method="other")  # type: ignore[arg-type]
    costs = spectrum_costs(derivative(network, "repeat", batch))
    assert costs["inertia"].bytes < costs["dense"].bytes
    # small budgets choose what fits
    small = layer_spectrum(network, "repeat", batch, probes=1, steps=10,
                           budget=Budget(costs["lanczos"].bytes))
    assert small.share.method.startswith("Golub-Kahan")


def test_other_coupling_is_noticed():
    class Mix(nn.Module):
        def forward(self, x):
            return x + x.roll(1, 0)

    module, x = nn.Sequential(Mix(), nn.Tanh()), normal(4, 5)
    d = derivative(module, "network", x)
    assert d.coupled and not d.apart
    true = torch.linalg.svdvals(jacobian(module, x)).numpy()
    assert np.allclose(layer_spectrum(module, "network", x).largest.value, true[0])
    with pytest.raises(InputError, match="influence each other"):
        layer_spectrum(module, "network", x, method="structured")


def test_running_statistics_stay():
    module = nn.Sequential(nn.BatchNorm2d(3)).double()
    before = module[0].running_mean.clone()
    layer_spectrum(module, "network", normal(2, 3, 4, 4))
    assert torch.equal(module[0].running_mean, before)
