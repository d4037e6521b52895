"""Lipschitz constants of chains by expansion around the middle of each sector."""

import numpy as np
import pytest
import torch

import govcheck as gc
from govcheck.analysis import with_mode
from govcheck.bounds.constants import Mode
from govcheck.graph.weights import initial_weights, placed_layers
from govcheck_plugins.theorems.combettes2020_averaged_activations import AveragedActivations

torch.set_num_threads(1)


def analysed(layers, size=64, domain="{around_init: 0}", symbols="{}"):
    return gc.analyze(gc.loads(f"""
govcheck: 1
name: chain
symbols: {symbols}
input: [{size}]
layers:
{layers}
data: {{sphere: {{n: 2}}}}
init: {{torch: {{seed: 0}}}}
domain: {domain}
theorems: []
"""))


def decided(a):
    return AveragedActivations().decide(a, "as_corrected")


def number(a, bound):
    return float(a.value(bound).upper())


def weights_of(a):
    placed = placed_layers(a.architecture.body, a.shapes, a.env)
    found = initial_weights(placed, a.env, a.architecture.init)
    return [found[p.node, "weight"] for p in placed if (p.node, "weight") in found]


TANH = """
  - affine: {out: 256, bias: false}
  - tanh
  - affine: {out: 256, bias: false}
  - tanh
  - affine: {out: 10, bias: false}
"""


def steepest(weights, steps=60):
    """The largest ``|J|`` that gradient ascent finds for a bias-free tanh chain."""
    w = [torch.from_numpy(m) for m in weights]
    x = torch.zeros(w[0].shape[1], dtype=torch.float64, requires_grad=True)
    best = 0.0
    optimiser = torch.optim.Adam([x], lr=0.05)
    for _ in range(steps):
        h, j = x, torch.eye(len(x), dtype=torch.float64)
        for m in w[:-1]:
            h = torch.tanh(m @ h)
            j = (1 - h**2)[:, None] * (m @ j)
        size = torch.linalg.matrix_norm(w[-1] @ j, 2)
        best = max(best, float(size.detach()))
        optimiser.zero_grad()
        (-size).backward()
        optimiser.step()
    return best


def by_norms(a):
    """J as the product of norms and slopes."""
    return with_mode(a, Mode("norms", leave_out=frozenset({"chains"}))).bounds["J"]


def test_random_tanh_network():
    """64-256-256-10: the product of norms is nearly twice what the expansion gives."""
    a = analysed(TANH)
    verdict = decided(a)
    assert verdict.status == "applies"
    naive, better = number(a, by_norms(a)), number(a, verdict.conclusions["J"])
    found = steepest(weights_of(a))
    assert found <= number(a, a.bounds["J"]) <= 0.8 * better
    assert naive == pytest.approx(1.27, abs=0.03)
    assert better == pytest.approx(0.74, abs=0.03)
    assert 0.25 < found <= better <= 0.61 * naive


def test_the_closed_form_of_one_hidden_layer():
    a = analysed(
        "  - affine: {out: 5, bias: false, scale: -2}\n  - leaky_relu: {slope: 1/4}\n"
        "  - affine: {out: 3, scale: 1/3}\n  - gelu",
        size=4,
    )
    one, two = weights_of(a)
    norm = np.linalg.norm
    inside = 5 / 8 * norm(two @ one, 2) + 3 / 8 * norm(two, 2) * norm(one, 2)
    expected = 2 / 3 * 1.1289042 * inside
    assert number(a, decided(a).conclusions["J"]) == pytest.approx(expected, rel=1e-6)


def test_a_linear_network_gets_its_norm():
    a = analysed("  - repeat: {times: 3, block: [affine: {out: 6}, identity, dropout]}", size=6)
    w = weights_of(a)
    exact = np.linalg.norm(w[2] @ w[1] @ w[0], 2)
    assert number(a, decided(a).conclusions["J"]) == pytest.approx(exact, rel=1e-6)


def test_the_radius_counts():
    numbers = [
        number(a, decided(a).conclusions["J"])
        for r in ("0", "1/1000", "1/10")
        for a in [analysed(TANH, domain=f"{{around_init: {r}}}")]
    ]
    assert numbers == sorted(numbers)
    a = analysed(TANH, domain="{around_init: 1/10}")
    weights = weights_of(a)
    rng = np.random.default_rng(2)
    for _ in range(3):
        step = [rng.standard_normal(w.shape) for w in weights]
        moved = [w + 0.1 * s / np.linalg.norm(s) for w, s in zip(weights, step, strict=True)]
        assert steepest(moved, 5) <= numbers[2]
    assert numbers[2] <= number(a, by_norms(a))


@pytest.mark.parametrize(
    ("layers", "more", "key", "words"),
    [
        ("  - affine: {out: 4, weight: weight_norm}", {}, "chain", "weight_norm"),
        ("  - affine: {out: 4}\n  - layer_norm", {}, "chain", "layer_norm"),
        ("  - tanh", {}, "chain", "no affine"),
        ("  - affine: {out: 4}\n  - dropout: {mode: train}", {}, "chain", "dropout"),
        ("  - residual: [affine: {out: 4}]", {}, "chain", "residual"),
        ("  - affine: {out: 4}\n  - relu_squared", {}, "sector", "relu_squared"),
        ("  - affine: {out: 4}", {"domain": "everything"}, "weights", "all parameters"),
        ("  - affine: {out: 4}", {"domain": "{ball: 2}"}, "weights", "at most 2"),
        ("  - affine: {out: 4, scale: s}", {"symbols": "{s: }"}, "weights", "no value for s"),
        ("  - affine: {id: a, out: 4}\n  - tanh: {id: b}\n  - sum: {from: [a, b]}", {}, "chain",
         "not neighbours"),
    ],
)
def test_refusals(layers, more, key, words):
    verdict = decided(analysed(layers, size=4, **more))
    failing = {h.key: h.evidence for h in verdict.hypotheses if not h.holds}
    assert words in failing[key]
    assert not verdict.conclusions and verdict.summary


def test_examples_violate_one_hypothesis_each():
    keys = set()
    for example in AveragedActivations.examples():
        verdict = decided(gc.analyze(gc.loads(example.architecture)))
        failing = [h.key for h in verdict.hypotheses if not h.holds]
        assert failing == ([example.violates] if example.violates else [])
        keys |= {h.key for h in verdict.hypotheses}
    assert {e.violates for e in AveragedActivations.examples()} == keys | {""}
