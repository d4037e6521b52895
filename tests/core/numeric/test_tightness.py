"""Bounds beside what a search finds."""

from functools import cache

import pytest
import torch
from flint import arb

import govcheck as gc
from govcheck.errors import InputError
from govcheck.numeric.tightness import compare, tightness

torch.set_num_threads(1)

TEXT = """
govcheck: 1
name: small
input: [3]
layers:
  - repeat: {{times: 2, block: [affine: {{out: 3}}, tanh]}}
  - affine: {{out: 2}}
cost: half_square
data: {data}
domain: {domain}
theorems: []
"""
SPHERE = "{sphere: {n: 2}}"


@cache
def rows(domain="{around_init: 1/10}", data=SPHERE, **options):
    a = gc.analyze(gc.loads(TEXT.format(domain=domain, data=data)))
    return a, list(tightness(a, seconds=0, **options))


def test_each_bound_is_held_against_a_search():
    a, found = rows()
    assert [r.quantity for r in found] == [
        "out", "J", "D", "xx", "xt", "tt", "alpha", "lipschitz", "beta"
    ]
    for r in found:
        assert r.holds
        assert 0 < r.found <= float(a.value(a.bounds[r.quantity]).upper())
        assert r.ratio == pytest.approx(float(r.bound) / r.found, rel=1e-4)


def test_the_same_seed_finds_the_same():
    a, found = rows()
    assert list(tightness(a, seconds=0)) == found


def test_on_a_ball_around_zero():
    _, found = rows(domain="{ball: 1}")
    assert all(r.holds and r.ratio >= 1 for r in found)


def test_a_bound_that_is_too_small_is_seen():
    _, (_, j, *_) = rows()
    assert not compare("J", "upper", arb(j.found) * 0.999, j.found, 1).holds
    assert compare("J", "upper", arb(j.found) * 1.001, j.found, 1).holds
    assert not compare("sigma_D", "lower", arb(1.001), 1.0, 1).holds
    assert compare("J", "upper", arb(0), 0.0, 1).ratio is None


def test_what_cannot_be_searched():
    with pytest.raises(InputError, match="needs data"):
        list(tightness(gc.analyze(gc.loads(TEXT.format(domain="{ball: 1}", data=SPHERE)),
                                  data=False)))
    text = TEXT.format(domain="{ball: R}", data=SPHERE)
    with pytest.raises(InputError, match=r"no bound has a number|radius"):
        list(tightness(gc.analyze(gc.loads(text + "symbols: {R: null}\n"))))
