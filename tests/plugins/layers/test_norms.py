"""Normalisation layers: against torch, and their bounds under attack."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from torch.nn import functional

from govcheck.bounds.answer import Unknown
from govcheck.bounds.constants import COARSE, TIGHT
from govcheck.bounds.domain import Ball, Everything
from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import num, sym
from govcheck.graph.ask import layer_constants
from govcheck.numeric.derivatives import Function, jacobians, quantities
from govcheck.plugin import At, ShapeError

HALF = Fraction(1, 2)
CURVATURE = 48 / (25 * math.sqrt(5))
# name, keys, shape of a sample, number of samples
CASES = [
    ("batch_norm", {}, (2,), 3),
    ("batch_norm", {}, (2, 2), 2),
    ("layer_norm", {}, (3,), 2),
    ("layer_norm", {"axes": 2}, (2, 2), 1),
    ("layer_norm", {}, (2, 3), 2),
    ("group_norm", {"groups": Fraction(2)}, (4, 2), 1),
    ("instance_norm", {}, (2, 3), 2),
    ("rms_norm", {}, (3,), 2),
    ("rms_norm", {}, (2, 2), 2),
]
IDS = [f"{name}{list(shape)}" for name, _, shape, _ in CASES]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def place(shape, samples=2, norm=3, domain=None, **more):
    sizes = tuple(map(num, shape))
    n = num(samples) if isinstance(samples, int) else samples
    return At("it", sizes, n, num(norm), num(norm), domain=domain or Everything(), **more)


@pytest.mark.parametrize(("name", "keys", "shape", "samples"), CASES, ids=IDS)
def test_bounds_hold_on_a_ball_of_weights(name, keys, shape, samples, layer, holds):
    results = holds(layer(name, eps=HALF, **keys), shape, samples)
    # no two entries of a group share a scale in layer_norm
    if name != "layer_norm":
        for q in ("J", "xt", "xx"):
            value, found = results[q]
            assert found > 0.85 * value, (q, value, found)
    value, found = results["D"]
    assert found > 0.8 * value


@pytest.mark.parametrize(("name", "keys", "shape", "samples"), CASES, ids=IDS)
def test_without_scales_the_bounds_are_attained(name, keys, shape, samples, layer, holds):
    plain = layer(name, eps=HALF, affine=False, **keys)
    results = holds(plain, shape, samples, norm="40", quantities=("J", "xx", "out"), steps=60)
    value, found = results["out"]
    assert found > 0.99 * value
    # nearer the origin the search finds where these are attained
    for q, (value, found) in holds(plain, shape, samples, quantities=("J", "xx")).items():
        assert found > 0.995 * value, (q, value, found)


@pytest.mark.parametrize("name", ["batch_norm", "group_norm", "rms_norm"])
def test_bounds_hold_around_the_initial_scales(name, layer, holds):
    keys = {"groups": Fraction(1)} if name == "group_norm" else {}
    built = layer(name, eps=HALF, **keys)
    results = holds(built, (2, 2), 2, around=True, radius="1/2", quantities=("out", "J", "xx"))
    value, found = results["J"]
    assert value == pytest.approx(1.5 * math.sqrt(2))
    assert found > 0.95 * value


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(2,), (2, 2)])
def test_fixed_statistics(affine, shape, layer, holds):
    built = layer(
        "batch_norm",
        mode="eval",
        eps=HALF,
        affine=affine,
        running_var=HALF,
        running_var_max=Fraction(3),
        running_mean=Fraction(1),
    )
    results = holds(built, shape, 3, starts=4)
    assert results["J"][0] == pytest.approx(1)
    assert results["J"][1] > 0.9
    if affine:
        assert results["D"][1] > 0.9 * results["D"][0]
    else:
        assert results["sigma_J"][0] == pytest.approx(results["sigma_J"][1])
        assert results["sigma_J"][0] == pytest.approx(1 / math.sqrt(3.5))


def test_fixed_statistics_keep_injectivity(layer, holds):
    built = layer(
        "batch_norm", mode="eval", eps=HALF, affine=False, running_var_max=Fraction(1)
    )
    results = holds(built, (3,), 2, injective="1")
    assert results["out_inj"][0] == pytest.approx(1 / math.sqrt(1.5))
    assert results["out_inj"][1] == pytest.approx(1 / math.sqrt(1.5))
    unbounded_variance = layer("batch_norm", mode="eval", affine=False)
    constants = layer_constants(unbounded_variance, place((3,)), TIGHT)
    assert constants.value("sigma_J") is num(0)


def test_small_running_variance_makes_a_steep_layer(layer, values):
    built = layer("batch_norm", mode="eval", affine=False, running_var=Fraction(1, 10_000))
    constants = layer_constants(built, place((3, 2, 2)), TIGHT)
    f = Function(built.module((3, 2, 2), values))
    j, _ = jacobians(f, f.theta, torch.randn(2, 3, 2, 2, dtype=torch.float64))
    true = float(torch.linalg.matrix_norm(j, 2))
    assert true >= 52
    assert values(constants.value("J")) == pytest.approx(true, rel=1e-12)


def test_inputs_bounded_away_from_zero_sharpen_rms_norm(layer, holds):
    built = layer("rms_norm", eps=HALF, affine=False)
    results = holds(built, (3,), 2, spectral="2", injective="3/2", steps=60)
    assert results["J"][0] == pytest.approx(1 / math.sqrt(0.5 + 0.75))
    assert results["sigma_J"][0] == pytest.approx(0.5 / (0.5 + 4 / 3) ** 1.5)
    for q in ("J", "sigma_J", "xx"):
        value, found = results[q]
        assert found == pytest.approx(value, rel=0.01), q
    assert results["out_inj"][0] > 0.9


@pytest.mark.parametrize("radius", ["1/3", "1"])
def test_scales_that_stay_away_from_zero_keep_rms_norm_invertible(radius, layer, holds):
    built = layer("rms_norm", eps=HALF)
    results = holds(built, (2,), 2, around=True, radius=radius, quantities=("sigma_J",))
    assert (results["sigma_J"][0] > 0) == (radius == "1/3")


def test_symbolic_batch(layer):
    n, c, h, w = (sym(s) for s in "Nchw")
    built = layer("batch_norm")
    at = At("it", (c, h, w), n, sym("B"), sym("B"), domain=Ball(sym("R")))
    constants = layer_constants(built, at, TIGHT)
    sizes = {n: ball(5), c: ball(2), h: ball(3), w: ball(4), sym("B"): ball(100)}
    env = {**sizes, sym("R"): ball(2)}

    def value(q):
        return float(evaluate(constants.value(q), env).mid())

    assert value("J") == pytest.approx(2 / math.sqrt(1e-5))
    assert value("D") == pytest.approx(math.sqrt(60))
    assert value("xx") == pytest.approx(CURVATURE * 2 / (1e-5 * math.sqrt(60)))
    assert value("xt") == pytest.approx(1 / math.sqrt(1e-5))
    assert value("out") == pytest.approx(math.sqrt(8) * math.sqrt(60))
    assert constants.value("tt") is num(0)
    assert constants.value("sigma_J") is num(0)


def test_unbounded_scales_are_named(layer):
    constants = layer_constants(layer("layer_norm"), place((3,)), TIGHT)
    for q in ("J", "xx", "out"):
        value = constants.value(q)
        assert isinstance(value, Unknown)
        assert {c.kind for c in value.causes} == {"unbounded"}
        assert "scale" in value.reason
    assert not isinstance(constants.value("D"), Unknown)
    plain = layer_constants(layer("layer_norm", affine=False), place((3,)), TIGHT)
    assert not any(isinstance(plain.value(q), Unknown) for q in ("J", "xx", "out", "D", "xt"))


def test_coarse_mode_forgets_that_the_output_is_bounded(layer, values):
    plain = layer("instance_norm", affine=False, eps=Fraction(1, 100))
    at = place((2, 4), norm=3)
    assert values(layer_constants(plain, at, TIGHT).value("out")) == pytest.approx(4)
    assert values(layer_constants(plain, at, COARSE).value("out")) == pytest.approx(30)


@pytest.mark.parametrize(
    ("name", "keys", "shape", "theirs"),
    [
        ("batch_norm", {}, (3, 4, 2), torch.nn.BatchNorm2d(3)),
        ("batch_norm", {}, (3,), torch.nn.BatchNorm1d(3)),
        ("batch_norm", {"mode": "eval"}, (3, 4), torch.nn.BatchNorm1d(3).eval()),
        ("layer_norm", {}, (4, 6), torch.nn.LayerNorm(6)),
        ("layer_norm", {"axes": 2}, (4, 6), torch.nn.LayerNorm([4, 6])),
        ("group_norm", {"groups": Fraction(3)}, (6, 2, 2), torch.nn.GroupNorm(3, 6)),
        ("instance_norm", {}, (3, 4, 2), torch.nn.InstanceNorm2d(3, affine=True)),
        ("rms_norm", {}, (4, 6), torch.nn.RMSNorm(6, eps=1e-5)),
    ],
)
def test_modules_agree_with_torch(name, keys, shape, theirs, layer, values):
    ours = layer(name, **keys).module(shape, values)
    theirs = theirs.double()
    with torch.no_grad():
        for ours_p, theirs_p in (("scale", "weight"), ("bias", "bias")):
            if hasattr(theirs, theirs_p):
                value = torch.randn(getattr(ours, ours_p).shape, dtype=torch.float64)
                getattr(ours, ours_p).copy_(value)
                getattr(theirs, theirs_p).copy_(value)
    x = torch.randn(5, *shape, dtype=torch.float64)
    assert torch.allclose(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


def test_derivatives_in_any_order_of_modes(layer, values):
    f = layer("batch_norm", affine=False, eps=HALF).module((2, 3), values)
    x, h = (torch.randn(4, 2, 3, dtype=torch.float64) for _ in range(2))

    def loss(z):
        return (f(z) ** 3).sum()

    gradient = torch.func.grad(loss)
    outer = torch.func.jvp(gradient, (x,), (h,))[1]
    inner = torch.func.grad(lambda z: torch.func.jvp(loss, (z,), (h,))[1])(x)
    step = 1e-5
    numeric = (gradient(x + step * h) - gradient(x - step * h)) / (2 * step)
    assert torch.allclose(outer, inner, rtol=1e-10, atol=1e-10)
    assert torch.allclose(outer, numeric, rtol=1e-5, atol=1e-6)


def test_curvature_at_its_known_place(layer, values):
    m, eps = 4, 0.5
    f = Function(layer("batch_norm", affine=False, eps=HALF).module((1,), values))
    u = functional.normalize(torch.tensor([[1.0], [-1], [1], [-1]]).double(), dim=0)
    found = quantities(f, f.theta, u * math.sqrt(m * eps) / 2, rounds=60)["xx"]
    assert found == pytest.approx(CURVATURE / (eps * math.sqrt(m)), rel=1e-7)


def test_wrong_keys_are_refused(layer):
    for name, keys in [
        ("layer_norm", {"axes": 0}),
        ("layer_norm", {"eps": Fraction(0)}),
        ("batch_norm", {"running_var": Fraction(-1)}),
        ("batch_norm", {"running_var": Fraction(2), "running_var_max": Fraction(1)}),
    ]:
        with pytest.raises(ValueError):
            layer(name, **keys).check()


def test_shapes_that_do_not_fit_are_refused(layer):
    with pytest.raises(ShapeError, match="not whole"):
        layer("group_norm", groups=Fraction(4)).shape((num(6),))
    with pytest.raises(ShapeError, match="cannot be decided"):
        layer("group_norm", groups=Fraction(4)).shape((sym("c"),))
    assert layer("group_norm", groups=Fraction(4)).shape((8 * sym("c"),))
    with pytest.raises(ShapeError):
        layer("instance_norm").shape((num(6),))
    with pytest.raises(ShapeError):
        layer("layer_norm", axes=2).shape((num(6),))
