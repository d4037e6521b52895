"""Pooling layers: against torch, and their bounds under attack."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
import torch
from torch.nn import functional

from govcheck.bounds.answer import Unknown
from govcheck.bounds.constants import TIGHT
from govcheck.bounds.expr import num, sym
from govcheck.graph.ask import layer_constants
from govcheck.numeric.derivatives import Function, jacobians
from govcheck.plugin import At, ShapeError

LINEAR = ("out", "out_spec", "out_max", "J", "sigma_J")
MAPS = [
    ("avg_pool", {"kernel": 2}, (2, 4)),
    ("avg_pool", {"kernel": 2}, (1, 4, 5)),
    ("avg_pool", {"kernel": 3, "stride": 2}, (1, 5)),
    ("avg_pool", {"kernel": 3, "stride": 2}, (1, 5, 5)),
    ("avg_pool", {"kernel": 2, "stride": 3}, (2, 5)),
    ("global_avg_pool", {}, (2, 3, 2)),
    ("orthogonal_avg_pool", {}, (2, 4)),
    ("orthogonal_avg_pool", {}, (1, 4, 2)),
    ("orthogonal_avg_pool", {"kernel": 3, "out": Fraction(2)}, (1, 3, 3)),
    ("max_pool", {"kernel": 2}, (1, 4, 2)),
    ("max_pool", {"kernel": 3, "stride": 2, "padding": 1}, (1, 5)),
]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def matrix_of(layer, shape, values):
    """The matrix on one sample of a layer that is linear."""
    f = Function(layer.module(shape, values))
    return jacobians(f, f.theta, torch.zeros(1, *shape, dtype=torch.float64))[0]


def claimed(layer, shape, values):
    at = At("it", tuple(map(num, shape)), num(1), num(1), num(1))
    constants = layer_constants(layer, at, TIGHT)
    return values(constants.value("J")), values(constants.value("sigma_J"))


@pytest.mark.parametrize(("name", "keys", "shape"), MAPS)
def test_bounds_hold_under_attack(name, keys, shape, layer, holds):
    results = holds(layer(name, **keys), shape, 2, quantities=LINEAR, steps=25)
    value, found = results["J"]
    assert found > (0.99 if keys.get("stride") is None else 0.9) * value
    if name != "max_pool" and keys.get("stride") is None:
        assert results["out"][1] > 0.9 * results["out"][0]
    # disjoint windows, nothing added: the least singular value is known exactly
    if keys.get("stride") is None and "out" not in keys:
        assert results["sigma_J"][0] == pytest.approx(results["sigma_J"][1])


@pytest.mark.parametrize("dims", [1, 2])
def test_average_pools_of_all_small_sizes(dims, layer, values):
    ranges = itertools.product(range(1, 5), range(1, 5), range(1, 9 if dims == 1 else 7))
    for kernel, stride, size in ranges:
        if kernel > size:
            continue
        shape = (1, *([size] * dims))
        pool = layer("avg_pool", kernel=kernel, stride=stride)
        s = torch.linalg.svdvals(matrix_of(pool, shape, values))
        top, least = claimed(pool, shape, values)
        assert s[0] <= top * (1 + 1e-12)
        assert s[-1] >= least * (1 - 1e-12)
        if stride >= kernel:
            assert top == pytest.approx(float(s[0]))
            assert least == pytest.approx(float(s[-1])) == pytest.approx(kernel ** (-dims / 2))


def test_overlapping_windows_approach_the_bound(layer, values):
    pool = layer("avg_pool", kernel=3, stride=2)
    top, least = claimed(pool, (1, 129), values)
    s = torch.linalg.svdvals(matrix_of(pool, (1, 129), values))
    assert float(s[0]) > 0.999 * top
    assert float(s[-1]) < 1.002 * least


@pytest.mark.parametrize(("out", "onto"), [(None, True), (Fraction(2), True), (Fraction(5), False)])
def test_the_orthogonal_pool_is_orthogonal(out, onto, layer, values):
    pool = layer("orthogonal_avg_pool", out=out)
    a = matrix_of(pool, (2, 4, 4), values)
    assert a.shape == ((5 if out == 5 else 2) * 4, 32)
    s = torch.linalg.svdvals(a)
    assert torch.allclose(s[:8], torch.ones(8, dtype=torch.float64), atol=1e-12)
    assert (s[8:].abs() < 1e-12).all()
    top, least = claimed(pool, (2, 4, 4), values)
    assert top == 1
    assert least == (1 if onto else 0)
    if onto:
        eye = torch.eye(len(a), dtype=torch.float64)
        assert torch.allclose(a @ a.T, eye, atol=1e-12)


def test_one_entry_in_every_window_attains_the_bound_of_max_pool(layer, values):
    pool = layer("max_pool", kernel=3, stride=1)
    x = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    x[0, 0, 2, 2] = 1
    f = Function(pool.module((1, 5, 5), values))
    j, _ = jacobians(f, f.theta, x + 1e-3 * torch.rand(x.shape).double())
    top, least = claimed(pool, (1, 5, 5), values)
    assert float(torch.linalg.matrix_norm(j, 2)) == pytest.approx(top) == pytest.approx(3)
    assert torch.linalg.vector_norm(f(f.theta, x)) == pytest.approx(3)
    assert least == 0


def test_max_pool_has_no_smoothness_constant(layer):
    at = At("it", (num(1), num(4)), num(1), num(1), num(1))
    value = layer_constants(layer("max_pool", kernel=2), at, TIGHT).value("xx")
    assert isinstance(value, Unknown)
    assert {c.kind for c in value.causes} == {"not smooth"}
    assert layer_constants(layer("max_pool", kernel=1), at, TIGHT).value("xx") is num(0)


@pytest.mark.parametrize("name", ["avg_pool", "max_pool"])
def test_shape_and_value_of_torch(name, layer, values):
    x = torch.randn(2, 3, 7, 9, dtype=torch.float64)
    for kernel, stride, padding in itertools.product((1, 2, 3), (None, 1, 2, 4), (0, 1)):
        if padding and (name == "avg_pool" or kernel == 1):
            continue
        keys = {"padding": padding} if name == "max_pool" else {}
        pool = layer(name, kernel=kernel, stride=stride, **keys)
        pool.check()
        theirs = getattr(functional, f"{name}2d")(x, kernel, stride, padding)
        assert torch.allclose(pool.module((3, 7, 9), values)(x), theirs, atol=1e-14)
        shape = pool.shape((num(3), num(7), num(9)))
        assert tuple(int(values(d)) for d in shape) == tuple(theirs.shape[1:])


def test_symbolic_sizes(layer, values):
    c, h, w = sym("c"), sym("h"), sym("w")
    assert layer("avg_pool", kernel=2).shape((c, 2 * h, 4 * w)) == (c, h, 2 * w)
    assert layer("avg_pool", kernel=3, stride=1).shape((c, h)) == (c, h - 2)
    pool = layer("global_avg_pool")
    at = At("it", (c, h, w), num(1), num(1), num(1))
    assert layer_constants(pool, at, TIGHT).value("J") is 1 / (h * w) ** Fraction(1, 2)
    assert claimed(pool, (2, 3, 4), values)[0] == pytest.approx(1 / math.sqrt(12))
    with pytest.raises(ShapeError, match="cannot be decided"):
        layer("avg_pool", kernel=2).shape((c, h))


def test_windows_that_do_not_fit_are_refused(layer):
    with pytest.raises(ShapeError, match="does not fit"):
        layer("avg_pool", kernel=3).shape((num(1), num(2)))
    with pytest.raises(ShapeError):
        layer("global_avg_pool").shape((num(3),))
    with pytest.raises(ShapeError, match="there are more"):
        layer("orthogonal_avg_pool", out=Fraction(1)).shape((num(2), num(4)))
    for name, keys in [
        ("avg_pool", {"kernel": 0}),
        ("avg_pool", {"kernel": 2, "stride": 0}),
        ("max_pool", {"kernel": 2, "padding": 2}),
        ("max_pool", {"kernel": 2, "padding": -1}),
    ]:
        with pytest.raises(ValueError):
            layer(name, **keys).check()
