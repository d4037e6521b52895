"""Networks with their initial weights: the papers' starts, saving, exporting."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from govcheck.analysis import analyze
from govcheck.bounds.evaluate import ball
from govcheck.graph.blocks import Leaf, chain
from govcheck.graph.weights import initial_weights, placed_layers, placed_name
from govcheck.loading import loads
from govcheck.numeric.build import build, build_chain, values_in
from govcheck.numeric.initial import initialised, whole_batch

torch.set_num_threads(1)

NET = """
govcheck: 1
symbols: {m: 6}
input: [3, 4, 4]
layers:
  - conv: {out: m, kernel: 3, padding: same, id: stem}
  - repeat:
      times: 2
      id: blocks
      block:
        - residual:
            - batch_norm: {id: norm}
            - relu
            - repeat: {times: 2, id: inner, block: [{conv: {out: m, kernel: 3, padding: same, id: last}}]}
  - global_avg_pool
  - affine: {out: 2, id: head}
cost: square
data: {sphere: {n: 4}}
"""  # noqa: E501


@pytest.fixture
def start(registry):
    def of(text, **options):
        analysis = analyze(loads(text, registry=registry), registry=registry)
        return analysis, initialised(analysis, **options)

    return of


def test_every_copy_has_the_weights_that_bounds_speak_of(start):
    analysis, network = start(NET + "init: {he: {seed: 5}}\n")
    given = initial_weights(
        placed_layers(analysis.architecture.body, analysis.shapes, analysis.env), analysis.env,
        analysis.architecture.init)
    found = {placed_name(n): p.detach().numpy() for n, p in network.named_parameters()}
    assert set(found) == set(given) and ("last[1,0]", "weight") in found
    assert all(np.array_equal(found[k], given[k]) for k in given)
    copies = [found[f"last[{i},{j}]", "weight"] for i in range(2) for j in range(2)]
    assert not any(np.array_equal(copies[0], c) for c in copies[1:])


def test_zero_initialised_branches(start):
    last = NET + "init: {he: {at: {last: zero}}}\n"
    norm = NET + "init: {he: {at: {norm: zero}}}\n"
    for text, name in ((last, "last"), (norm, "norm")):
        analysis, network = start(text)
        for path, p in network.named_parameters():
            inside = path.split(".")[-2] == name
            assert (p == 0).all() or not inside
            assert p.any() or inside or path.endswith("bias")
    analysis, network = start(last)
    x = whole_batch(analysis, network).x
    kinds = dict(network.named_children())
    # each residual block is the identity, as with Fixup
    z = kinds["head"](kinds["stem"](x).mean((2, 3)))
    assert torch.equal(network(x), z)


@pytest.mark.parametrize("branch", ["rezero", "{scale: {trainable: true, initial: 0}}"])
def test_rezero_and_skipinit_begin_as_the_identity(start, branch):
    _, network = start(f"""
govcheck: 1
input: [3]
layers:
  - repeat: {{times: 3, block: [{{residual: [{{affine: {{out: 3}}}}, tanh, {branch}]}}]}}
""")
    x = torch.randn(5, 3, dtype=torch.float64)
    assert torch.equal(network(x), x)
    assert sum(p.numel() for p in network.parameters()) == 3 * (9 + 3 + 1)


def test_own_standard_deviations(start):
    _, network = start("""
govcheck: 1
symbols: {m: 400}
input: [m]
layers: [{affine: {out: m, id: a}}, {affine: {out: m, id: b}}, {affine: {out: m, id: c}}]
init: {normal: {at: {b: {normal: {std: 1/m}}, c: torch}}}
""")
    w = dict(network.named_parameters())
    # a five-sigma test of 160,000 entries
    assert float(w["a.weight"].detach().std()) == pytest.approx(1, rel=0.01)
    assert float(w["b.weight"].detach().std()) == pytest.approx(1 / 400, rel=0.01)
    assert float(w["c.weight"].detach().std()) == pytest.approx(1 / (3 * 400) ** 0.5, rel=0.01)
    assert w["c.bias"].any() and not w["b.bias"].any()


def test_bounds_around_the_start_know_of_layers_of_their_own(start):
    analysis, network = start("""
govcheck: 1
input: [3]
layers: [{affine: {out: 3, id: a, bias: false}}, {affine: {out: 3, id: b, bias: false}}]
init: {normal: {at: {b: zero}}}
domain: {around_init: 0}
data: {sphere: {n: 2}}
""")
    assert float(analysis.value(analysis.bounds["J"]).upper()) == 0.0
    assert not network(torch.ones(1, 3, dtype=torch.float64)).any()


def test_the_limit_of_wide_networks_does_not_follow_layers_of_their_own(registry):
    from govcheck.bounds.answer import Unknown
    from govcheck.kernels.gram import limiting_kernels

    text = """
govcheck: 1
symbols: {m: null}
input: [3]
layers: [{affine: {out: m, bias: false}}, relu, {affine: {out: 1, bias: false, scale: 1/sqrt(m)}}]
"""
    own = text + "init: {normal: {at: {affine: {normal: {std: 2}}}}}\n"
    known, lost = (limiting_kernels(loads(t, registry=registry), np.eye(3)) for t in (text, own))
    assert not isinstance(known, Unknown)
    assert isinstance(lost, Unknown) and "of their own" in lost.reason


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_saved_and_loaded(start, tmp_path, dtype):
    from safetensors.torch import load_file, save_file

    analysis, network = start(NET, dtype=dtype)
    assert {p.dtype for p in network.parameters()} == {dtype}
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    other = build(analysis.architecture, dtype=dtype)
    other.load_state_dict(load_file(tmp_path / "net.safetensors"))
    x = whole_batch(analysis, network, dtype=dtype).x
    assert torch.equal(network(x), other(x)) and network(x).any()


def exported(module, *shape):
    x = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    program = torch.export.export(module, (x,))
    assert set(program.state_dict) == set(module.state_dict())
    assert torch.equal(program.module()(x), module(x))


def test_networks_are_exported(start):
    _, network = start(NET)
    exported(network, 4, 3, 4, 4)


def layers(registry, names):
    for name in names:
        example = registry.layers[name].examples()[0]
        values = values_in({s: ball(v) for s, v in example.values.items()})
        yield build_chain(chain(Leaf("a", example.layer)), example.shape, values), (
            example.samples, *example.shape)


FEW = ("affine", "conv", "layer_norm", "multihead_attention", "max_pool", "embedding")


def test_layers_are_exported(registry):
    for module, shape in layers(registry, FEW):
        exported(module, *shape)


@pytest.mark.slow  # about 10 s
def test_all_layers_are_exported(registry):
    for module, shape in layers(registry, registry.layers):
        exported(module, *shape)
