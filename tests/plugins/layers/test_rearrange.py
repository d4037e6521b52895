"""Layers that move entries, add zeros or drop entries, and affine maps of tokens."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch.nn import functional

from govcheck.bounds.answer import Unknown
from govcheck.bounds.constants import TIGHT
from govcheck.bounds.domain import Everything
from govcheck.bounds.expr import num, sym
from govcheck.graph.ask import layer_constants
from govcheck.numeric.derivatives import Function, jacobians
from govcheck.plugin import At, ShapeError

HALF = Fraction(1, 2)
FIRST = ("out", "out_spec", "out_max", "out_inj", "J", "sigma_J")
PERMUTATIONS = [
    ("reshape", {"to": (Fraction(2), Fraction(3))}, (6,)),
    ("reshape", {"to": (Fraction(4),)}, (2, 2)),
    ("patch_embed", {"patch": 2}, (2, 2, 4)),
    ("patch_embed", {"patch": 3}, (1, 6)),
    ("transpose", {}, (2, 3)),
    ("zero_pad", {}, (2, 3)),
    ("dropout", {}, (5,)),
]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def jacobian(layer, shape, values, samples=1):
    f = Function(layer.module(shape, values))
    x = torch.randn(samples, *shape, dtype=torch.float64)
    return jacobians(f, f.theta, x)[0]


@pytest.mark.parametrize(("name", "keys", "shape"), PERMUTATIONS)
def test_rearrangements_are_permutations(name, keys, shape, layer, values, holds):
    built = layer(name, **keys)
    j = jacobian(built, shape, values)
    assert torch.equal(j @ j.T, torch.eye(len(j), dtype=torch.float64))
    assert set(j.unique().tolist()) == {0.0, 1.0}
    symbolic = built.shape(tuple(map(num, shape)))
    out = built.module(shape, values)(torch.zeros(2, *shape).double())
    assert tuple(int(values(d)) for d in symbolic) == tuple(out.shape[1:])
    results = holds(built, shape, 2, injective="1", spectral="2", quantities=FIRST, steps=20)
    for value, found in results.values():
        assert found == pytest.approx(value, rel=0.1)


def test_patches_are_those_of_unfold(layer, values):
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    patches = layer("patch_embed", patch=2).module((3, 4, 6), values)(x)
    assert torch.equal(patches, functional.unfold(x, 2, stride=2).transpose(1, 2))


@pytest.mark.parametrize(
    ("keys", "shape"),
    [
        ({"padding": 1}, (1, 2)),
        ({"out": Fraction(3)}, (1, 2)),
        ({"out": Fraction(3)}, (2,)),
        ({"padding": 2, "out": Fraction(2)}, (1, 2, 1)),
    ],
)
def test_zeros_are_added(keys, shape, layer, values, holds):
    built = layer("zero_pad", **keys)
    results = holds(built, shape, 2, injective="1", spectral="2", quantities=FIRST, steps=20)
    assert results["sigma_J"] == (0, pytest.approx(0))
    assert results["out_inj"][0] == pytest.approx(results["out_inj"][1])
    j = jacobian(built, shape, values)
    assert torch.equal(j.T @ j, torch.eye(j.shape[1], dtype=torch.float64))
    symbolic = built.shape(tuple(map(num, shape)))
    assert len(j) == int(torch.tensor([int(values(d)) for d in symbolic]).prod())


def test_dropout_with_a_fixed_mask(layer, values, holds):
    built = layer("dropout", mode="train", rate=Fraction(1, 4))
    results = holds(built, (5,), 2, quantities=("out", "out_spec", "J", "sigma_J"), steps=20)
    assert results["J"] == (pytest.approx(4 / 3), pytest.approx(4 / 3))
    module = built.module((40,), values)
    x = torch.ones(50, 40, dtype=torch.float64)
    assert torch.equal(module(x), module(x))
    assert module(x).unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert float(module(x).mean()) == pytest.approx(1, abs=0.05)
    other = layer("dropout", mode="train", rate=Fraction(1, 4), seed=1).module((40,), values)
    assert not torch.equal(module(x), other(x))
    for rate in (Fraction(1), Fraction(-1, 2)):
        with pytest.raises(ValueError):
            layer("dropout", rate=rate).check()


def test_a_mask_can_raise_the_operator_norm(layer):
    at = At("it", (num(2),), num(2), num(2), num(1))
    constants = layer_constants(layer("dropout", mode="train"), at, TIGHT)
    assert constants.value("out_spec") is num(4)
    assert layer_constants(layer("dropout"), at, TIGHT).value("out_spec") is num(1)


@pytest.mark.parametrize(
    ("keys", "shape"),
    [
        ({}, (3, 2)),
        ({"bias": False}, (2, 3)),
        ({"weight": "weight_norm", "bias": False}, (2, 2)),
        ({"weight": "entrywise", "eps": HALF, "scale": Fraction(-2)}, (2, 2)),
        ({"weight": "weight_norm", "eps": HALF}, (1, 2, 2)),
    ],
)
def test_token_affine_under_attack(keys, shape, layer, holds):
    built = layer("token_affine", out=Fraction(2), **keys)
    results = holds(built, shape, 2, spectral="2", steps=25)
    for q in ("J", "xt"):
        value, found = results[q]
        assert found > 0.95 * value, q
    if not keys.get("bias", True):
        attained = ("D", "tt") if "weight" in keys else ("D",)
        more = holds(built, shape, 2, spectral="2", starts=4, quantities=attained)
        for value, found in more.values():
            assert found > 0.9 * value


def test_one_token_is_affine(layer):
    keys = {"out": Fraction(3), "weight": "weight_norm", "eps": HALF}
    b, s = sym("B"), sym("b")
    one = At("it", (num(1), sym("d")), sym("N"), b, s)
    flat = At("it", (sym("d"),), sym("N"), b, s)
    tokens = layer_constants(layer("token_affine", **keys), one, TIGHT)
    affine = layer_constants(layer("affine", **keys), flat, TIGHT)
    for q in ("J", "xt", "xx"):
        assert tokens.value(q) is affine.value(q)


def test_token_affine_against_linear(layer, values):
    module = layer("token_affine", out=Fraction(3)).module((4, 2), values)
    theirs = torch.nn.Linear(2, 3).double()
    module.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 4, 2, dtype=torch.float64)
    assert torch.equal(module(x), theirs(x))


def test_unbounded_weights_are_named(layer):
    at = At("it", (num(2), num(2)), num(1), num(1), num(1), domain=Everything())
    constants = layer_constants(layer("token_affine", out=Fraction(2)), at, TIGHT)
    value = constants.value("J")
    assert isinstance(value, Unknown)
    assert "weight" in value.reason
    assert not isinstance(constants.value("D"), Unknown)


def test_shapes_that_do_not_fit_are_refused(layer):
    h, w = sym("h"), sym("w")
    assert layer("reshape", to=(h * w,)).shape((w, h)) == (h * w,)
    assert layer("patch_embed", patch=2).shape((num(3), 2 * h, 4 * w))[1] is num(12)
    for name, keys, shape in [
        ("reshape", {"to": (Fraction(5),)}, (num(6),)),
        ("patch_embed", {"patch": 2}, (num(3), num(4), num(5))),
        ("patch_embed", {"patch": 2}, (num(3), num(4), h)),
        ("patch_embed", {"patch": 2}, (num(3),)),
        ("transpose", {}, (num(3),)),
        ("token_affine", {"out": Fraction(2)}, (num(3),)),
        ("zero_pad", {"out": Fraction(2)}, (num(3), num(2))),
        ("zero_pad", {"padding": 1}, (num(3),)),
    ]:
        with pytest.raises(ShapeError):
            layer(name, **keys).shape(shape)
