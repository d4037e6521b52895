"""Chains with explicit edges against the nested form of the same network."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from govcheck.bounds.answer import CARRIED, LOWER
from govcheck.bounds.constants import COARSE, SUMS, TIGHT
from govcheck.bounds.domain import Ball
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import ONE, num, sym
from govcheck.graph.blocks import Chain, Join, Leaf, Parallel, Residual, Step, chain
from govcheck.graph.compose import Composer
from govcheck.graph.reduction import reduce
from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.build import build_chain, values_in
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.sigmoid import Sigmoid
from govcheck_plugins.layers.tanh import Tanh

torch.set_num_threads(1)

N, X_F, X_2, X_S, R = (sym(n) for n in ("N", "X_F", "X_2", "sigma_X", "R"))
ENV = {
    s: evaluate(num(v), {})
    for s, v in {
        N: Fraction(2),
        X_F: Fraction(3, 2),
        X_2: Fraction(11, 10),
        X_S: Fraction(1, 2),
        R: Fraction(3, 4),
    }.items()
}
MODES = {m.name: m for m in (TIGHT, COARSE, SUMS)}


def layer(name, weight="plain", scale=ONE):
    return Leaf(name, Affine(num(2), weight, False, scale, ONE))


A, B, C, D = (layer(n, w) for n, w in zip("abcd", ("plain", "weight_norm") * 2, strict=True))
T, S = Leaf("tanh", Tanh()), Leaf("sigmoid", Sigmoid())


def step(block, *sources):
    return Step(block, sources)


def add(name, *sources):
    return Step(Join(name, "sum"), sources)


def stack(name, *sources):
    return Step(Join(name, "concat"), sources)


PAIRS = {
    "a chain": ((step(A, -1), step(T, 0), step(B, 1)), chain(A, T, B)),
    "a residual": (
        (step(A, -1), step(T, 0), add("r", -1, 1)),
        chain(Parallel("r", "sum", (chain(), chain(A, T)))),
    ),
    "two residuals": (
        (step(A, -1), add("r", -1, 0), step(B, 1), add("q", 1, 2)),
        chain(
            Parallel("r", "sum", (chain(), chain(A))), Parallel("q", "sum", (chain(), chain(B)))
        ),
    ),
    "a concatenation": (
        (step(A, -1), step(B, -1), step(T, 1), stack("c", 0, 2), step(C, 3)),
        chain(Parallel("c", "concat", (chain(A), chain(B, T))), C),
    ),
    "a fork at the start of a branch": (
        (step(A, -1), step(B, -1), add("inner", 0, 1), step(C, -1), add("outer", 2, 3)),
        chain(
            Parallel(
                "outer",
                "sum",
                (chain(Parallel("inner", "sum", (chain(A), chain(B)))), chain(C)),
            )
        ),
    ),
    "a fork inside of a branch": (
        (
            step(A, -1),
            step(T, 0),
            step(B, 0),
            add("inner", 1, 2),
            step(C, 3),
            step(D, -1),
            add("outer", 4, 5, -1),
        ),
        chain(
            Parallel(
                "outer",
                "sum",
                (
                    chain(A, Parallel("inner", "sum", (chain(T), chain(B))), C),
                    chain(D),
                    chain(),
                ),
            )
        ),
    ),
    "forks three deep from one start": (
        (
            step(A, -1),
            step(B, -1),
            add("one", 0, 1),
            step(C, -1),
            add("two", 2, 3),
            step(D, -1),
            stack("three", 4, 5),
        ),
        chain(
            Parallel(
                "three",
                "concat",
                (
                    chain(
                        Parallel(
                            "two",
                            "sum",
                            (chain(Parallel("one", "sum", (chain(A), chain(B)))), chain(C)),
                        )
                    ),
                    chain(D),
                ),
            )
        ),
    ),
    "twice the input": (
        (add("twice", -1, -1), step(A, 0)),
        chain(Parallel("twice", "sum", (chain(), chain())), A),
    ),
    "a step that leads nowhere": ((step(A, -1), step(B, -1), step(T, 0)), chain(A, T)),
}


def constants(body, mode):
    composer = Composer(N, Ball(R), mode)
    return composer.run(body, composer.start((num(2),), X_F, X_2, X_S)).constants


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PAIRS)
def test_explicit_edges_give_the_bounds_of_the_nested_form(name, mode):
    steps, nested = PAIRS[name]
    one = constants(Chain(steps), MODES[mode])
    other = constants(nested, MODES[mode])
    for q in CARRIED:
        # equal formulas are the same object
        assert one.value(q) is other.value(q), (q, one[q].text(), other[q].text())


def test_a_residual_block_is_the_sum_with_the_input():
    explicit = constants(Chain((step(A, -1), step(T, 0), add("r", -1, 1))), TIGHT)
    nested = constants(chain(Residual("r", chain(A, T))), TIGHT)
    assert all(explicit.value(q) is nested.value(q) for q in CARRIED)


BRIDGES = {
    # start -> a, b; a -> c; a + b -> d: c and the sum share a
    "Wheatstone": (
        step(A, -1),
        step(B, -1),
        step(C, 0),
        add("middle", 0, 1),
        step(D, 3),
        add("end", 2, 4),
    ),
    "Wheatstone with activations": (
        step(A, -1),
        step(T, 0),
        step(B, -1),
        step(C, 1),
        add("middle", 1, 2),
        step(S, 4),
        step(D, 5),
        stack("end", 3, 6),
    ),
    "the same branch twice": (step(A, -1), step(B, -1), add("end", 0, 0, 1)),
}


@pytest.mark.parametrize("name", BRIDGES)
def test_what_is_not_series_parallel_is_one_region(name):
    regions = reduce(Chain(BRIDGES[name]))
    assert len(regions) == 1
    assert regions[0].steps and regions[0].node == "end"


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "inside of a chain"])
@pytest.mark.parametrize("name", BRIDGES)
def test_bridges_have_finite_bounds_that_search_does_not_cross(name, inside):
    body = Chain(BRIDGES[name])
    if inside:
        body = chain(layer("first"), Parallel("p", "sum", (body,)))
    module = build_chain(body, (2,), values_in({}))
    inputs = Inputs((2, 2), 1.5, 1.1, 0.5)
    bounds = {name: constants(body, mode) for name, mode in MODES.items()}
    for q in CARRIED:
        value = attack(module, q, inputs, Weights(0.75), starts=1, steps=15).value
        for found in bounds.values():
            bound = float(evaluate(found[q].expr, ENV))
            if q in LOWER:
                assert value >= bound * (1 - 1e-9), q
            else:
                assert value <= bound * (1 + 1e-9), q
                # only a linear network does not bend
                assert value > 0 or bound == 0, q


def test_shared_parameters_add_where_separate_ones_would_not():
    """``2 A X`` as a join of one step with itself: D is twice that of A, not sqrt(2) times."""
    twice = constants(Chain((step(A, -1), step(B, -1), add("end", 0, 0))), TIGHT)
    once = constants(chain(A), TIGHT)
    for q in ("J", "D", "xt"):
        ratio = evaluate(twice[q].expr, ENV) / evaluate(once[q].expr, ENV)
        assert abs(ratio - 2) < 1e-12
