"""Convolution: shapes, and every bound attacked by gradient ascent."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import numpy as np
import pytest
import torch
from flint import arb

from govcheck import analyze, loads
from govcheck.bounds.answer import LOWER, QUANTITIES, Unknown
from govcheck.bounds.domain import AroundInit, Ball, Everything
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import ONE, ZERO, as_expr, num, sqrt, sym
from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.build import build
from govcheck.numeric.conv import ConvMap, largest_singular_value, ring_norm
from govcheck.numeric.derivatives import Function, first_order
from govcheck.plugin import At, ShapeError
from govcheck.plugin.layer import declared_bounds
from govcheck_plugins.layers.conv import Conv

torch.set_num_threads(1)

KINDS = ("plain", "weight_norm", "torch_weight_norm", "spectral", "operator")
EXTRA = ("out_max", "J_rows", "D_rows")


def values(e):
    return float(evaluate(as_expr(e), {}).mid())


def conv(out, kernel, **keys):
    for key in ("padding", "scale", "eps"):
        if key in keys and keys[key] != "same":
            keys[key] = num(Fraction(keys[key]))
    return Conv(num(out), num(kernel), **keys)


def module(layer, shape, seed=0):
    made = layer.module(shape, values)
    generator = torch.Generator().manual_seed(seed)
    for p in made.parameters():
        p.data = torch.randn(p.shape, generator=generator, dtype=torch.float64) * 0.5
    return made


def bounds(layer, at):
    found = {}
    for attribute, spec in declared_bounds(type(layer)):
        value = getattr(layer, attribute)(at)
        assert spec.quantity not in found
        found[spec.quantity] = value
    return found


def place(shape, samples=2, norm=3, spectral=None, domain=None):
    top = num(Fraction(spectral or norm))
    return At("it", tuple(map(num, shape)), num(samples), num(norm), top, domain=domain)


def attacked(layer, shape, *, around=False, radius="1", spectral=None, samples=2, steps=40,
             starts=2, quantities=(*QUANTITIES, *EXTRA)):
    """Bound and largest (smallest) value found, by quantity."""
    r = num(Fraction(radius))
    domain = AroundInit(r) if around else Ball(r)
    at = place(shape, samples, spectral=spectral, domain=domain)
    declared = bounds(layer, at)
    f = Function(module(layer, shape))
    given = {n: p.detach().numpy() for n, p in f.module.named_parameters()}
    env = {
        s: layer.parameter_norm(fact.parameter, fact.kind, given[fact.parameter], shape, values)
        for s, fact in domain.facts().items()
    }
    inputs = Inputs((samples, *shape), 3.0, values(at.spectral))
    weights = Weights(values(r), centre=f.theta if around else None)
    results = {}
    for q in quantities:
        value = declared[q]
        if not isinstance(value, Unknown):
            end = evaluate(value, env)
            value = float(end.lower() if q in LOWER else end.upper())
        found = attack(f, q, inputs, weights, starts=starts, steps=steps).value
        results[q] = (value, found)
    return results


def holds(results, unknown=()):
    for q, (value, found) in results.items():
        assert isinstance(value, Unknown) == (q in unknown), (q, value)
        if q in LOWER:
            assert found >= value * (1 - 1e-9) - 1e-9, (q, value, found)
        elif q not in unknown:
            assert found <= value * (1 + 1e-9) + 1e-9, (q, value, found)


CASES = [
    ((1, 5), {"out": 2, "kernel": 3, "padding": 1}),
    ((2, 4), {"out": 1, "kernel": 2, "padding": "same", "scale": "-1/2"}),
    ((2, 5), {"out": 2, "kernel": 3, "stride": 2, "padding": 1, "groups": 2}),
    ((1, 3, 2), {"out": 1, "kernel": 3, "padding": 2, "bias": False}),
    ((1, 4, 3), {"out": 2, "kernel": 2, "stride": 2, "dilation": 2, "padding": 1}),
    ((1, 4, 4), {"out": 3, "kernel": 2, "stride": 2}),
]


@pytest.mark.parametrize(
    ("shape", "keys", "weight"),
    [(*case, w) for case in CASES for w in KINDS[:2]] + [(*CASES[4], w) for w in KINDS[2:]],
)
def test_bounds_on_a_ball(shape, keys, weight):
    layer = conv(**keys, weight=weight, eps="1/2")
    unknown = () if weight in ("plain", "weight_norm") else ("D", "D_rows", "xt", "tt")
    known = tuple(q for q in (*QUANTITIES, *EXTRA) if q not in unknown)
    holds(attacked(layer, shape, steps=15, quantities=known))
    domain = Ball(ONE)
    for q in unknown:
        value = bounds(layer, place(shape, domain=domain))[q]
        assert isinstance(value, Unknown), q
        assert "jumps" in value.reason


@pytest.mark.parametrize("weight", KINDS)
@pytest.mark.parametrize(("shape", "keys"), CASES[::2])
def test_bounds_around_given_weights(shape, keys, weight):
    layer = conv(**keys, weight=weight, factor=weight in ("spectral", "operator"))
    unknown = {
        "spectral": ("tt",),
        "operator": ("D", "D_rows", "xt", "tt"),
    }.get(weight, ())
    known = tuple(q for q in (*QUANTITIES, *EXTRA) if q not in unknown)
    holds(attacked(layer, shape, around=True, radius="1/8", steps=15, quantities=known))


@pytest.mark.parametrize("weight", ["plain", "weight_norm"])
def test_many_similar_samples_and_many_different_ones(weight):
    layer = conv(2, 2, weight=weight, eps=1)
    for spectral in ("3", "2"):
        holds(attacked(layer, (1, 2, 2), spectral=spectral, samples=4,
                       quantities=("D", "tt", "out_spec", "D_rows", "out_max")))


@pytest.mark.parametrize(
    ("shape", "keys", "quantity", "share"),
    [
        # flat kernels and slowly varying inputs; the ends cost a little
        ((1, 12), {"out": 1, "kernel": 2, "padding": 1, "bias": False}, "J", 0.99),
        ((1, 12), {"out": 1, "kernel": 2, "padding": 1, "bias": False}, "xt", 0.98),
        # disjoint patches are a matrix
        ((2, 4), {"out": 2, "kernel": 2, "stride": 2, "bias": False}, "J", 0.999),
        ((2, 4), {"out": 2, "kernel": 2, "stride": 2, "bias": False}, "D", 0.999),
    ],
)
def test_bounds_are_nearly_reached(shape, keys, quantity, share):
    results = attacked(conv(**keys), shape, steps=80, starts=3, quantities=(quantity,))
    ((value, found),) = results.values()
    assert share * value <= found <= value * (1 + 1e-9)


@pytest.mark.parametrize(("k", "stride"), [(2, 1), (3, 1), (4, 2), (6, 3)])
def test_parameter_derivative_on_waves(k, stride):
    n = 60
    layer = conv(1, k, stride=stride, padding=k - 1, bias=False)
    places = torch.arange(1, n + 1, dtype=torch.float64)
    # on the pixels that the same taps read
    wave = torch.sin(torch.pi * places / (n + 1)) * (places % stride == 0)
    f = Function(layer.module((1, n), values))
    found = first_order(f, f.theta, (3 * wave / wave.norm()).reshape(1, 1, n))["D"]
    value = bounds(layer, place((1, n), samples=1, domain=Everything()))["D"]
    assert value is 3 * sqrt(k // stride)
    assert 0.98 * values(value) <= found <= values(value)


def test_curvature_of_normalised_rows_is_reached():
    layer = conv(1, 2, stride=2, weight="weight_norm", eps="1/4", bias=False)
    results = attacked(layer, (1, 2), samples=1, steps=120, starts=4, quantities=("tt", "xt"))
    for value, found in results.values():
        assert 0.99 * value <= found <= value * (1 + 1e-9)


def test_least_singular_value_of_disjoint_patches():
    layer = conv(2, 2, stride=2)
    results = attacked(layer, (2, 4), around=True, radius="1/50", steps=80,
                       quantities=("sigma_J",))
    value, found = results["sigma_J"]
    assert 0 < value <= found <= 1.05 * value
    # the kernel of a shift
    at = place((1, 4), domain=AroundInit(ZERO))
    assert bounds(conv(1, 3, padding="same"), at)["sigma_J"] is ZERO


def test_everything_and_balls_have_the_closed_forms():
    shape = (3, 8, 8)
    free = bounds(conv(4, 3, padding=1), place(shape, domain=Everything()))
    for q in ("J", "out", "out_spec"):
        assert "weight" in free[q].reason or "bias" in free[q].reason
    assert free["xt"] is num(3)
    assert free["D"] is sqrt(81 + 128)
    assert free["tt"] is free["xx"] is ZERO
    r = sym("R")
    local = bounds(conv(4, 3, padding=1), place(shape, domain=Ball(r)))
    assert local["J"] is 3 * r
    halved = bounds(conv(4, 3, stride=2, padding=1), place(shape, domain=Ball(r)))
    assert halved["J"] is 2 * r
    assert halved["xt"] is num(2)
    rows = bounds(conv(4, 3, padding=1, weight="weight_norm"), place(shape, domain=Everything()))
    assert rows["J"] is num(6)
    grouped = bounds(
        conv(4, 3, padding=1, weight="operator", groups=1), place(shape, domain=Everything())
    )
    assert grouped["J"] is ONE


def test_reshaped_kernel_normalisation_is_not_one_lipschitz():
    shape, layer = (1, 30, 30), conv(1, 3, padding=1, weight="spectral", bias=False)
    flat = layer.module(shape, values)
    x = torch.ones(1, *shape, dtype=torch.float64)
    stretch = float((flat(x).norm() / x.norm()).detach())
    assert 2.8 <= stretch <= 3
    assert bounds(layer, place(shape, domain=Everything()))["J"] is num(3)
    true = conv(1, 3, padding=1, weight="operator", bias=False).module(shape, values)
    assert 0.95 <= float((true(x).norm() / x.norm()).detach()) <= 1


def test_torch_spectral_norm_converges_to_spectral():
    from torch.nn.utils.parametrizations import spectral_norm

    torch.manual_seed(0)
    theirs = spectral_norm(torch.nn.Conv2d(2, 3, 3, padding=1), n_power_iterations=200).double()
    ours = conv(3, 3, padding=1, weight="spectral").module((2, 5, 5), values)
    ours.weight.data = theirs.parametrizations.weight.original.detach()
    ours.bias.data = theirs.bias.detach()
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64)
    theirs(x)
    assert torch.allclose(theirs(x), ours(x), atol=1e-8)


@pytest.mark.parametrize("weight", KINDS)
def test_single_precision(weight):
    shape = (2, 5, 4)
    made = module(conv(3, 3, stride=2, padding=1, weight=weight), shape)
    x = torch.randn(2, *shape, dtype=torch.float64)
    exact = made(x)
    y = made.float()(x.float())
    assert y.dtype == torch.float32
    assert torch.allclose(y.double(), exact, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(("shape", "keys"), CASES)
def test_module_is_the_convolution_of_torch(shape, keys):
    layer = conv(**keys)
    made = module(layer, shape)
    cls = torch.nn.Conv1d if len(shape) == 2 else torch.nn.Conv2d
    settings = {k: v for k, v in keys.items() if k in ("stride", "dilation", "groups", "bias")}
    theirs = cls(shape[0], keys["out"], keys["kernel"], padding=keys.get("padding", 0),
                 **settings).double()
    scale = float(Fraction(keys.get("scale", 1)))
    theirs.weight.data = scale * made.weight.data
    if made.bias is not None:
        theirs.bias.data = made.bias.data
    x = torch.randn(3, *shape, dtype=torch.float64)
    y = made(x)
    assert torch.allclose(y, theirs(x), atol=1e-12)
    assert y.shape[1:] == tuple(int(values(d)) for d in layer.shape(tuple(map(num, shape))))
    shapes = {n: tuple(p.shape) for n, p in made.named_parameters()}
    symbolic = layer.parameters(tuple(map(num, shape)))
    assert shapes == {p.name: tuple(int(values(d)) for d in p.shape) for p in symbolic}


@pytest.mark.parametrize("shape", [(4, 3), (2, 5), (3, 3)])
def test_second_derivative_of_the_largest_singular_value(shape):
    generator = torch.Generator().manual_seed(1)
    base, step = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    # rank one: the other singular values are all equal
    base = torch.outer(base[:, 0], base[0])

    def along(t):
        return largest_singular_value(base + t * step)

    t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(along(t), t, create_graph=True)
    (bend,) = torch.autograd.grad(slope, t)
    h = 1e-3
    before, here, after = (
        torch.linalg.matrix_norm(base + x * step, 2) for x in (-h, 0.0, h)
    )
    assert float(here) == pytest.approx(float(along(t).detach()), rel=1e-12)
    assert float(slope.detach()) == pytest.approx(float((after - before) / (2 * h)), rel=1e-5)
    assert float(bend) == pytest.approx(float((after - 2 * here + before) / h**2), rel=1e-4)


@pytest.mark.parametrize(("shape", "keys"), CASES)
def test_ring_norm_is_at_least_the_norm(shape, keys):
    layer = conv(**keys)
    made = module(layer, shape)
    unit = torch.eye(prod(shape), dtype=torch.float64).reshape(-1, *shape)
    if made.bias is not None:
        made.bias.data.zero_()
    made.scale = 1.0
    truth = torch.linalg.matrix_norm(made(unit).flatten(1), 2)
    grouped = made.weight.reshape(made.groups, -1, *made.weight.shape[1:])
    ring = ring_norm(grouped, made.along)
    assert truth <= ring * (1 + 1e-12)
    flat = made.weight.detach().reshape(made.groups, -1, prod(made.weight.shape[1:]))
    assert ring <= prod(made.weight.shape[2:]) ** 0.5 * torch.linalg.matrix_norm(flat, 2).max()


def test_norm_of_given_weights_goes_through_the_hook():
    layer = conv(3, 3, padding=1)
    kernel = np.random.default_rng(0).standard_normal((3, 2, 3, 3))
    at = place((2, 6, 6), domain=AroundInit(num(1)))
    j = bounds(layer, at)["J"]
    (symbol,) = (s for s, fact in at.domain.facts().items() if fact.kind == "operator")
    value = layer.parameter_norm("weight", "operator", kernel, (2, 6, 6), values)
    assert isinstance(value, arb)
    made = ConvMap((2, 6, 6), 3, 3, 1, 1, 1, 1, "plain", bias=False, scale=1, eps=1, factor=False)
    made.weight.data = torch.from_numpy(kernel)
    unit = torch.eye(72, dtype=torch.float64).reshape(72, 2, 6, 6)
    truth = float(torch.linalg.matrix_norm(made(unit).flatten(1).detach(), 2))
    assert truth <= float(evaluate(j, {symbol: value}).mid()) - 3 <= 1.1 * truth


def test_residual_of_given_weights():
    layer = conv(2, 3, padding="same", bias=False)
    at = place((2, 6), domain=AroundInit(num(Fraction(1, 100))))
    skip = bounds(layer, at)["sigma_skip"]
    kernel = np.random.default_rng(1).standard_normal((2, 2, 3)) / 6
    env = {
        s: layer.parameter_norm("weight", fact.kind, kernel, (2, 6), values)
        for s, fact in at.domain.facts().items()
        if fact.kind == "residual"
    }
    made = module(layer, (2, 6))
    made.weight.data = torch.from_numpy(kernel)
    unit = torch.eye(12, dtype=torch.float64)
    matrix = unit + made(unit.reshape(12, 2, 6)).flatten(1).T
    truth = float(torch.linalg.svdvals(matrix)[-1].detach())
    value = float(evaluate(skip, env).lower())
    assert 0.5 * truth < value <= truth - 3**0.5 / 100 + 0.02
    for other in (conv(2, 3, padding=1), conv(2, 3, padding="same", scale=2),
                  conv(3, 3, padding="same"), conv(2, 2, padding="same")):
        assert bounds(other, at)["sigma_skip"] is ZERO


N, C, M = sym("n"), sym("c"), sym("m")


def test_shapes_with_symbols():
    assert Conv(C, num(3), padding=num(1)).shape((M, N, N)) == (C, N, N)
    assert Conv(C, num(3)).shape((M, N)) == (C, N - 2)
    assert Conv(C, num(4), padding="same").shape((M, N)) == (C, N)
    k, p = sym("k"), sym("p")
    assert Conv(C, k, padding=p, dilation=2).shape((M, N)) == (C, N + 2 * p - 2 * k + 2)
    assert Conv(C, num(3), stride=2, padding=num(1)).shape((M, 2 * N)) == (C, N)
    assert Conv(C, num(4), stride=4).shape((M, 4 * N, 8 * N)) == (C, N, 2 * N)
    assert Conv(C, num(3), stride=2).shape((M, num(8))) == (C, num(3))
    parameters = Conv(2 * C, num(3), groups=2).parameters((2 * M, N, N))
    assert [p.shape for p in parameters] == [(2 * C, M, num(3), num(3)), (2 * C,)]
    at = At("it", (M, N), num(2), num(1), num(1), domain=Ball(ONE))
    assert bounds(Conv(C, k, padding=p), at)["xt"] is sqrt(k)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (conv(2, 3), (num(4),)),
        (conv(2, 3), (num(4), num(2))),
        (conv(2, 3, groups=2), (num(3), num(5))),
        (conv(3, 3, groups=2), (num(4), num(5))),
        (conv(2, 3, stride=2), (num(4), N)),
        (conv(2, 3, dilation=3), (num(4), num(6), num(9))),
    ],
)
def test_shapes_that_are_refused(layer, shape):
    with pytest.raises(ShapeError):
        layer.shape(shape)


@pytest.mark.parametrize(
    "keys",
    [
        {"kernel": 0},
        {"kernel": 3, "stride": 0},
        {"kernel": 3, "dilation": 0},
        {"kernel": 3, "groups": 0},
        {"kernel": 3, "padding": -1},
        {"kernel": 3, "padding": "1/2"},
        {"kernel": 3, "padding": "same", "stride": 2},
        {"kernel": 3, "eps": 0},
        {"kernel": 3, "factor": True},
    ],
)
def test_numbers_that_are_refused(keys):
    with pytest.raises(ValueError):
        conv(2, **keys).check()


FILE = """
govcheck: 1
name: small
input: [2, 8, 8]
layers:
  - conv: {out: 4, kernel: 3, padding: same, bias: false}
  - tanh
  - conv: {out: 4, kernel: 3, stride: 2, padding: 1}
init: {lecun: {seed: 3}}
domain: {around_init: 1/10}
"""


def test_a_network_with_its_drawn_weights(registry):
    arch = loads(FILE, registry=registry)
    assert arch.output == (num(4), num(4), num(4))
    found = analyze(arch, registry=registry)
    value = found.value(found.network["J"])
    assert isinstance(value, arb)
    assert isinstance(build(arch), torch.nn.Module)
    # two He-like layers, each a little above 2
    assert 1 < float(value.mid()) < 30
