"""Two-block networks under attack, and a network whose constants are known from elsewhere."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from govcheck.bounds.answer import CARRIED, LOWER
from govcheck.bounds.constants import COARSE, SUMS, TIGHT
from govcheck.bounds.domain import AroundInit, Everything
from govcheck.bounds.evaluate import evaluate, upper
from govcheck.bounds.expr import ONE, num, sqrt, sym
from govcheck.graph.blocks import Leaf, Parallel, Repeat, Residual, chain
from govcheck.graph.compose import Composer
from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.build import build_chain, values_in
from govcheck.numeric.derivatives import Function, first_order
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.tanh import Tanh

torch.set_num_threads(1)

MODES = (TIGHT, COARSE, SUMS)
N, X_F, X_2, X_S = (sym(n) for n in ("N", "X_F", "X_2", "sigma_X"))


def normalised(name, size, scale, eps):
    affine = Affine(num(size), "weight_norm", False, scale, num(eps))
    return chain(Leaf(name, affine), Leaf(f"{name}_tanh", Tanh()))


def constants(body, size, mode):
    composer = Composer(N, Everything(), mode)
    return composer.run(body, composer.start((num(size),), X_F, X_2, X_S)).constants


HALF = Fraction(1, 2)
ONE_BLOCK = normalised("a", 3, num(Fraction(9, 10)), HALF)
TWO_BLOCK = normalised("b", 3, num(Fraction(9, 10)), HALF)
NETWORKS = {
    "parallel": chain(Parallel("p", "sum", (ONE_BLOCK, TWO_BLOCK))),
    "concatenated": chain(Parallel("p", "concat", (ONE_BLOCK, TWO_BLOCK))),
    "sequential": chain(*(s.block for c in (ONE_BLOCK, TWO_BLOCK) for s in c.steps)),
    "two residual blocks": chain(Residual("r", ONE_BLOCK), Residual("q", TWO_BLOCK)),
}
CLOSE = {("parallel", "J"): 0.85, ("parallel", "D"): 0.9, ("concatenated", "D"): 0.9,
         ("sequential", "J"): 0.6, ("two residual blocks", "J"): 0.7}
"""Share of the bound that a search reaches, so that it is known to search well."""


@pytest.mark.parametrize("size", [HALF, Fraction(2)])
@pytest.mark.parametrize("name", NETWORKS)
def test_attacks_on_two_blocks_cross_no_bound(name, size):
    body = NETWORKS[name]
    values = {N: num(2), X_F: num(size), X_2: num(size), X_S: num(0)}
    env = {s: evaluate(v, {}) for s, v in values.items()}
    module = build_chain(body, (3,), values_in({}))
    bounds = [constants(body, 3, mode) for mode in MODES]
    for q in CARRIED:
        found = attack(module, q, Inputs((2, 3), float(size)), starts=2, steps=40, rate=0.2)
        for mode, result in zip(MODES, bounds, strict=True):
            bound = float(evaluate(result[q].expr, env).upper())
            if q in LOWER:
                assert found.value >= bound * (1 - 1e-9), (mode.name, q)
            else:
                assert found.value <= bound * (1 + 1e-9), (mode.name, q)
        share = CLOSE.get((name, q))
        if share is not None and size == HALF:
            tight = float(evaluate(bounds[0][q].expr, env))
            assert found.value >= share * tight, (q, found.value, tight)


@pytest.mark.parametrize("mode", MODES, ids=[m.name for m in MODES])
def test_regularity_of_layers_adds_in_squares(mode):
    """Two blocks ``X + A X/20``: with X and both A the identity the bound is nearly attained.

    The sum of the two contributions, [M] Prop 4.5 as printed, would be above it.
    """
    step = Fraction(1, 20)

    def block(name):
        return Residual(f"r{name}", chain(Leaf(name, Affine(num(2), "plain", False, num(step)))))

    body = chain(block("a"), block("b"))
    domain = AroundInit(num(Fraction(1, 1000)))
    composer = Composer(N, domain, mode)
    end = composer.run(body, composer.start((num(2),), X_F, X_2, X_S)).constants
    values = {N: num(2), X_F: sqrt(2), X_2: num(1), X_S: num(1)} | dict.fromkeys(
        domain.facts(), num(1)
    )
    bound = float(evaluate(end["sigma_D"].expr, {s: evaluate(v, {}) for s, v in values.items()}))
    f = Function(build_chain(body, (2,), values_in({})))
    eye = torch.eye(2, dtype=torch.float64)
    true = first_order(f, torch.cat([eye.reshape(-1)] * 2), eye)["sigma_D"]
    # the derivative in each A is 1.05 X/20: the same 1.05 from the block before or behind
    assert true == pytest.approx(math.sqrt(2) * 1.05 / 20, rel=1e-12)
    assert 0.85 * true < bound <= true


M, DELTA, EPS, H = sym("m"), sym("delta", nonneg=False), sym("eps"), sym("H")
KNOWN = {"J": "27.436", "D": "22.8288", "tt": "232.5348", "out": "47.5205"}
"""Bounds for a 4-layer net with m = 4, N = 3, eps = 1, delta = 1/10, orthonormal data."""
FOUND = {"D": 2.369, "tt": 2.164, "out": 5.189}
"""The largest values another search has found there."""


def four_layers(*, repeat):
    first = Leaf("first", Affine(M, "entrywise", False, ONE, EPS))

    def block(i):
        affine = Affine(M, "weight_norm", False, (1 - DELTA) / sqrt(M), EPS)
        return Residual(f"r{i}", chain(Leaf(f"wn{i}", affine), Leaf(f"tanh{i}", Tanh())))

    if repeat:
        return chain(first, Repeat("repeat", H, chain(block(""))))
    return chain(first, *(block(i) for i in range(3)))


VALUES = {
    M: num(4), DELTA: num(Fraction(1, 10)), EPS: num(1), N: num(3), X_F: sqrt(3), X_2: num(1),
    X_S: num(1), H: num(3),
}
ENV = {s: evaluate(v, {}) for s, v in VALUES.items()}


def four_layer_bounds(mode, *, repeat):
    composer = Composer(N, Everything(), mode)
    start = composer.start((M,), X_F, X_2, X_S)
    end = composer.run(four_layers(repeat=repeat), start).constants
    return {q: evaluate(end[q].expr, ENV) for q in CARRIED}


@pytest.mark.parametrize("repeat", [False, True])
def test_coarsest_configuration_of_the_four_layer_net_gives_the_known_numbers(repeat):
    bounds = four_layer_bounds(COARSE, repeat=repeat)
    for q, printed in KNOWN.items():
        digits = len(printed.partition(".")[2])
        assert abs(float(bounds[q]) - float(printed)) <= 0.5000001 * 10**-digits, (q, bounds[q])


@pytest.mark.parametrize("repeat", [False, True])
def test_default_mode_is_sharper_and_sound_for_the_four_layer_net(repeat):
    coarse = four_layer_bounds(COARSE, repeat=repeat)
    tight = four_layer_bounds(TIGHT, repeat=repeat)
    assert all(tight[q] < coarse[q] for q in ("D", "xt", "tt", "out", "out_spec"))
    assert all(upper(tight[q]) <= upper(coarse[q]) for q in CARRIED if q not in LOWER)
    for q, value in FOUND.items():
        assert float(tight[q]) > value


def test_attack_on_the_four_layer_net():
    module = build_chain(four_layers(repeat=True), (4,), values_in(ENV))
    x = torch.eye(4, dtype=torch.float64)[:3]
    tight = four_layer_bounds(TIGHT, repeat=True)
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(64, generator=generator, dtype=torch.float64)
    inputs = Inputs((3, 4), 3**0.5, 1.0, 1.0)
    for q in CARRIED:
        found = attack(
            module, q, inputs, Weights(), starts=1, steps=40, at=(theta, x), fixed_inputs=True
        )
        if q in LOWER:
            assert found.value >= float(tight[q]) * (1 - 1e-9)
        else:
            assert found.value <= float(tight[q]) * (1 + 1e-9)
        if q in FOUND:
            assert found.value > FOUND[q] / 3, q
