"""Bounds of attention against gradient ascent over inputs, weights and directions.

Bound over the largest value found, each matrix in a ball of its own, with one head and two:
out 1.7 and 1.7, J 2.4 and 3.1, D 1.8 and 2.1, xx 4.0 and 6.0, xt 2.6 and 5.7, tt 2.1 and
5.6. The factors in them cannot all be extreme at once; each by itself is attained, see
`LOOSENESS`.
"""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from torch.func import jvp

from govcheck.bounds.answer import Unknown
from govcheck.bounds.constants import COARSE, TIGHT
from govcheck.bounds.domain import Ball, Domain, Everything
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import ONE, ZERO, as_expr, num, sym
from govcheck.graph.ask import layer_constants
from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.attention import attend
from govcheck.numeric.derivatives import Function, jacobians
from govcheck.plugin import At, ShapeError
from govcheck_plugins.layers._attention import Attention, Norms
from govcheck_plugins.layers.multihead_attention import MultiheadAttention
from govcheck_plugins.layers.self_attention import SelfAttention

torch.set_num_threads(1)

QUANTITIES = ("out", "J", "D", "xx", "xt", "tt")
UNBOUNDED = Unknown.because("the input set is unbounded", kind="unbounded")
DOUBLE = {"dtype": torch.float64}


def values(e):
    return float(evaluate(as_expr(e), {}).mid())


class Each(Weights):
    """Each parameter in a ball of its own."""

    def balls(self, f):
        return [(torch.arange(s.start, s.stop), self.radii[n]) for n, s in f.slices.items()]


class Radii(Domain):
    """The same set for the bounds."""

    def __init__(self, radii):
        self.radii = radii

    def norm(self, node, parameter, kind, slope=ONE):
        return slope * self.radii[parameter]

    def floor(self, node, parameter, kind):
        return ZERO

    def describe(self):
        return "balls"


ONE_HEAD = SelfAttention(num(2))
TWO_HEADS = MultiheadAttention(num(2), num(1), True)
PLAIN_HEADS = MultiheadAttention(num(2), num(1), False)
SCALED = SelfAttention(num(1), num(Fraction(-3, 2)))

# layer, shape of a sample, samples, norms of the batch and of a sample, radii
CASES = {
    "one head": (ONE_HEAD, (3, 2), 1, 1, 1, {"score": 3, "value": 1}),
    "two samples": (ONE_HEAD, (3, 2), 2, Fraction(5, 4), 1, {"score": 8, "value": 2}),
    "other scale": (SCALED, (2, 2), 1, 2, 2, {"score": 1, "value": Fraction(1, 2)}),
    "one token": (ONE_HEAD, (1, 2), 2, 2, 2, {"score": 0, "value": 3}),
    "two heads": (PLAIN_HEADS, (3, 2), 1, 1, 1, {}),
    "biases": (TWO_HEADS, (2, 2), 2, Fraction(5, 4), 1, {"query_bias": 1, "value_bias": 2}),
}
RATIOS = {"out": 2, "J": 4, "D": 3, "xx": 12, "xt": 12, "tt": 9}


def place(layer, shape, samples, batch, sample, domain):
    sizes = tuple(map(num, shape))
    return At("it", sizes, num(samples), num(batch), num(sample), domain=domain)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("case", CASES)
def test_no_bound_is_crossed(case, quantity) -> None:
    layer, shape, samples, batch, sample, given = CASES[case]
    f = Function(layer.module(shape, values))
    radii = {n: given.get(n, Fraction(3, 2)) for n in f.slices}
    at = place(layer, shape, samples, batch, sample, Radii(radii))
    value = layer_constants(layer, at, TIGHT).value(quantity)
    bound = float(evaluate(value, {}).upper())
    inputs = Inputs((samples, *shape), float(batch), float(sample))
    weights = Each(radii={n: float(r) for n, r in radii.items()})
    found = attack(f, quantity, inputs, weights, starts=2, steps=35).value
    assert found <= bound * (1 + 1e-9)
    if case == "one token":
        # softmax is constant: attention is linear, and only what concerns V is left
        if quantity == "J":
            assert bound == pytest.approx(3) and found == pytest.approx(3, rel=0.01)
    else:
        assert bound <= RATIOS[quantity] * found


@pytest.mark.parametrize("layer", [ONE_HEAD, TWO_HEADS], ids=lambda x: x.name)
def test_joint_ball_of_all_parameters(layer) -> None:
    at = place(layer, (2, 2), 2, 4, 3, Ball(num(2)))
    constants = layer_constants(layer, at, TIGHT)
    module = layer.module((2, 2), values)
    for quantity in QUANTITIES:
        found = attack(module, quantity, Inputs((2, 2, 2), 4, 3), Weights(2), starts=1, steps=25)
        assert found.value <= float(evaluate(constants.value(quantity), {}).upper())


def test_output_of_one_sample() -> None:
    radii = dict.fromkeys(Function(TWO_HEADS.module((2, 2), values)).slices, 1)
    one = layer_constants(TWO_HEADS, place(TWO_HEADS, (2, 2), 1, 1, 1, Radii(radii)), TIGHT)
    three = layer_constants(TWO_HEADS, place(TWO_HEADS, (2, 2), 3, 2, 1, Radii(radii)), TIGHT)
    assert one.value("out") == one.value("out_max") == three.value("out_max")


SCALE, RADIUS, KEY, VALUE, REACH = 0.8, 1.3, 0.7, 1.7, 2.1
NORMS = Norms(
    tokens=num(2),
    samples=ONE,
    scale=num(Fraction("0.8")),
    sample=num(Fraction("1.3")),
    batch=num(Fraction("1.3")),
    query=num(Fraction("2.1") / Fraction("1.3")),
    key=num(Fraction("0.7")),
    value=num(Fraction("1.7")),
    output=ONE,
)
LOOSENESS = {
    "by query": 1.001, "by key": 1.001, "by value": 1.3, "query query": 1.001,
    "query key": 1.7, "key key": 1.001, "query value": 1.001, "key value": 1.001,
}  # fmt: skip


def constant(name):
    a, b = Attention(NORMS), NORMS.sample
    return values(
        {
            "by query": lambda: a._by_query(b),
            "by key": lambda: a._by_key,
            "by value": lambda: a.root,
            "query query": lambda: a._query_query(b),
            "query key": lambda: a._query_key,
            "key key": lambda: a._key_key,
            "query value": lambda: a._query_value,
            "key value": lambda: a._key_value,
        }[name]()
    )


def on_sphere(x, radius):
    return radius * x / torch.linalg.vector_norm(x)


def derivative(name, raw):
    """The derivative of attention at Q, K = X W_k, V = X W_v along unit directions."""
    x = on_sphere(raw["x"], RADIUS)
    wk, wv = (raw[w] / torch.linalg.matrix_norm(raw[w], 2) for w in ("key", "value"))
    point = {
        "query": on_sphere(raw["query"], REACH), "key": KEY * x @ wk, "value": VALUE * x @ wv
    }  # fmt: skip

    def core(**change):
        return attend(*(point[n] + change.get(n, 0) for n in point), SCALE)

    if name.startswith("by "):
        (slot,) = name.split()[1:]
        zero = torch.zeros(2, 2, **DOUBLE)
        return jvp(lambda d: core(**{slot: d}), (zero,), (on_sphere(raw["h"], 1),))[1]
    first, second = name.split()
    zero = torch.zeros((), **DOUBLE)
    one = torch.ones((), **DOUBLE)
    h, k = on_sphere(raw["h"], 1), on_sphere(raw["k"], 1)

    def moved(s, t):
        change = {first: s * h}
        change[second] = change.get(second, 0) + t * k
        return core(**change)

    return jvp(lambda t: jvp(lambda s: moved(s, t), (zero,), (one,))[1], (zero,), (one,))[1]


@pytest.mark.parametrize("name", LOOSENESS)
def test_constants_of_the_proof(name) -> None:
    """Each block by itself, so that slack in one term cannot hide an error in another."""
    best = 0.0
    for seed in range(2):
        g = torch.Generator().manual_seed(seed)
        shapes = dict.fromkeys(("x", "query", "h", "k", "key", "value"), (2, 2))
        raw = {n: torch.randn(s, generator=g, **DOUBLE).requires_grad_() for n, s in shapes.items()}
        optimizer = torch.optim.Adam(raw.values(), lr=0.15)
        for _ in range(60):
            value = torch.linalg.vector_norm(derivative(name, raw))
            best = max(best, value.item())
            optimizer.zero_grad()
            (-value).backward()
            optimizer.step()
    assert best <= constant(name) * (1 + 1e-12)
    assert constant(name) <= LOOSENESS[name] * best


def test_derivative_in_closed_form() -> None:
    """Below the form with norms of single tokens, taken at the norm of a sample."""
    n, d, b, a, v = 4, 9, sym("b"), sym("a"), sym("v")
    layer = SelfAttention(num(2))
    at = At("it", (num(n), num(d)), sym("N"), sym("B"), b, domain=Radii({"score": a, "value": v}))
    env = {s: evaluate(num(Fraction(x)), {}) for s, x in ((b, "1.3"), (a, "0.7"), (v, "2"))}
    found = float(evaluate(layer_constants(layer, at, TIGHT).value("J"), env).mid())
    assert found == pytest.approx(2 * (2 + 0.7 * 1.69 / 3), rel=1e-12)
    assert found < 2 * (2 + 0.7 * 1.69 / 3 * (1 + 2))


@pytest.mark.parametrize("bias", [False, True])
def test_module_is_that_of_torch(bias) -> None:
    g = torch.Generator().manual_seed(2)
    ours = MultiheadAttention(num(2), num(3), bias).module((5, 6), values)
    theirs = torch.nn.MultiheadAttention(6, 2, bias=bias, batch_first=True, **DOUBLE)
    with torch.no_grad():
        for p in ours.parameters():
            p.copy_(torch.randn(p.shape, generator=g, **DOUBLE))
        theirs.in_proj_weight.copy_(torch.cat([ours.query, ours.key, ours.value]))
        theirs.out_proj.weight.copy_(ours.output)
        if bias:
            theirs.in_proj_bias.copy_(torch.cat([ours.query_bias, ours.key_bias, ours.value_bias]))
            theirs.out_proj.bias.copy_(ours.output_bias)
    x = torch.randn(2, 5, 6, generator=g, **DOUBLE)
    assert torch.allclose(ours(x), theirs(x, x, x, need_weights=False)[0], atol=1e-12)


def test_self_attention_is_the_formula() -> None:
    g = torch.Generator().manual_seed(2)
    module = SelfAttention(num(2)).module((3, 4), values)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=g, **DOUBLE))
    x = torch.randn(2, 3, 4, generator=g, **DOUBLE)
    for sample, out in zip(x, module(x), strict=True):
        for i in range(3):
            weights = [math.exp((sample[i] @ module.score @ t).item() / 2) for t in sample]
            mean = sum(w * t for w, t in zip(weights, sample, strict=True)) / sum(weights)
            assert torch.allclose(out[i], module.value @ mean, atol=1e-12)


def test_key_bias_has_no_effect() -> None:
    module = TWO_HEADS.module((3, 2), values)
    f = Function(module)
    theta = torch.randn(f.size, generator=torch.Generator().manual_seed(0), **DOUBLE)
    x = torch.ones(1, 3, 2, **DOUBLE) * torch.arange(3).reshape(1, 3, 1)
    moved = theta.clone()
    moved[f.slices["key_bias"]] += 5
    assert torch.allclose(f(theta, x), f(moved, x), atol=1e-12)


@pytest.mark.parametrize("layer", [ONE_HEAD, TWO_HEADS], ids=lambda x: x.name)
def test_refused_on_unbounded_inputs(layer) -> None:
    at = At("it", (num(3), num(2)), num(2), UNBOUNDED, UNBOUNDED, domain=Ball(ONE))
    for quantity in QUANTITIES:
        value = layer_constants(layer, at, TIGHT).value(quantity)
        assert isinstance(value, Unknown)
        assert "self-attention is not Lipschitz on unbounded inputs" in value.reason
        assert "the input set is unbounded" in value.reason
        assert {c.kind for c in value.causes} == {"unbounded"}


def test_unbounded_indeed() -> None:
    """The derivative grows with the square of the input: opposite tokens with equal weights."""
    f = Function(ONE_HEAD.module((2, 2), values))
    turn, one = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], **DOUBLE), torch.eye(2, **DOUBLE)
    theta = torch.cat([turn.reshape(-1), one.reshape(-1)])
    x = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]], **DOUBLE)
    small, large = (torch.linalg.matrix_norm(jacobians(f, theta, r * x)[0], 2) for r in (10, 100))
    assert float(large / small) == pytest.approx(100, rel=0.05)


@pytest.mark.parametrize("layer", [ONE_HEAD, TWO_HEADS], ids=lambda x: x.name)
def test_unbounded_parameters(layer) -> None:
    at = place(layer, (3, 2), 2, 2, 1, Everything())
    for quantity in QUANTITIES:
        value = layer_constants(layer, at, TIGHT).value(quantity)
        assert isinstance(value, Unknown) and "unbounded on the set of all" in value.reason


def test_one_known_input_norm_is_enough() -> None:
    shape, domain = (num(3), num(2)), Ball(ONE)
    by_batch = At("it", shape, num(2), num(2), UNBOUNDED, domain=domain)
    by_sample = At("it", shape, num(4), UNBOUNDED, num(1), domain=domain)
    both = At("it", shape, num(4), num(2), num(1), domain=domain)
    j = layer_constants(ONE_HEAD, by_batch, COARSE).value("J")
    same = At("it", shape, num(2), num(2), num(2), domain=domain)
    assert j is layer_constants(ONE_HEAD, same, TIGHT).value("J")
    d = layer_constants(ONE_HEAD, by_sample, TIGHT).value("D")
    assert values(d) == pytest.approx(values(layer_constants(ONE_HEAD, both, TIGHT).value("D")))


@pytest.mark.parametrize("layer", [ONE_HEAD, TWO_HEADS], ids=lambda x: x.name)
def test_shapes(layer) -> None:
    n, d = sym("n"), sym("d")
    assert layer.shape((n, d)) == (n, num(2) if layer is ONE_HEAD else d)
    for wrong in ((d,), (n, d, d)):
        with pytest.raises(ShapeError, match="tokens, features"):
            layer.shape(wrong)
    module = layer.module((3, 2), values)
    declared = {p.name: tuple(map(values, p.shape)) for p in layer.parameters((num(3), num(2)))}
    assert declared == {n: tuple(p.shape) for n, p in module.named_parameters()}
