"""Envelopes: tight where they are tight, above every measured loss, and an alarm where wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from flint import arb

from govcheck.analysis import analyze
from govcheck.bounds.evaluate import ball
from govcheck.bounds.expr import num
from govcheck.loading import loads
from govcheck.numeric.train import read_settings, train
from govcheck.numeric.train.envelopes import Descent, Linear, Point, Stated, Sublinear, envelopes
from govcheck.numeric.train.files import read_results

torch.set_num_threads(1)
UNIT = torch.finfo(torch.float64).eps / 2


def point(step, loss, gradient, size, outside="", largest=1.0):
    return Point(step, loss, gradient, size, math.sqrt(2 * loss), 1.0, UNIT, outside,
                 lambda node, parameter: largest)


def fixed(value):
    return lambda p: ball(value)


def follow(envelope, losses, gradients, size):
    """Bounds of all losses but the first."""
    bounds = []
    for k, (loss, gradient) in enumerate(zip(losses, gradients, strict=True)):
        p = point(k, loss, gradient, size)
        bounds.append(envelope.look(p))
        assert bounds[-1] is None or loss <= envelope.allowed(p)
        envelope.advance(p)
    return bounds[1:]


def parabola(step, steps=30, beta=2.0):
    """Losses and slopes of gradient descent on ``beta x^2/2``."""
    xs = [(1 - beta * step) ** k for k in range(steps)]
    return [beta * x * x / 2 for x in xs], [abs(beta * x) for x in xs]


@pytest.mark.parametrize("size", [0.1, 0.5, 0.9])
def test_descent_is_an_equality_on_a_parabola(size):
    losses, slopes = parabola(size)
    bounds = follow(Descent("t", "s", arb(2), 1.0), losses, slopes, size)
    assert bounds == pytest.approx(losses[1:], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("size", [0.1, 0.5, 0.9])
def test_linear_is_an_equality_on_a_parabola(size):
    # |grad|^2 = 4 l for beta = 2
    losses, slopes = parabola(size)
    bounds = follow(Linear("t", "s", arb(2), 1.0, fixed(4)), losses, slopes, size)
    assert bounds == pytest.approx(losses[1:], rel=1e-12, abs=1e-15)
    assert all(b >= x for b, x in zip(bounds, losses[1:], strict=True))


def test_sublinear_bounds_the_flow_of_a_fourth_power():
    # l = x^4/4 on [-1, 1]: beta = 3, |grad| = 4 l/x >= 4 l
    xs = [1.0]
    for _ in range(200):
        xs.append(xs[-1] - 0.3 * xs[-1] ** 3)
    losses = [x**4 / 4 for x in xs]
    bounds = follow(Sublinear("t", "s", arb(3), 1.0, fixed(4)), losses,
                    [x**3 for x in xs], 0.3)
    gain = 0.3 - 3 * 0.3**2 / 2
    expected = [1 / (1 / losses[0] + 16 * gain * k) for k in range(1, 201)]
    assert bounds == pytest.approx(expected, rel=1e-10)


def test_stated_rates_hold_for_their_step_alone():
    losses = [0.5**k for k in range(5)]
    right = Stated("t", "s", 1.0, 0.25, ball("1/2"))
    assert follow(right, losses, losses, 0.25) == pytest.approx(losses[1:], rel=1e-12)
    wrong = Stated("t", "s", 1.0, 0.25, ball("1/2"))
    assert follow(wrong, losses, losses, 0.26) == [None] * 4
    assert "not the one" in wrong.ended


def test_envelopes_end_where_their_hypotheses_do():
    e = Linear("t", "s", arb(2), 1.0, fixed(4))
    assert follow(e, [1.0, 2.0], [2.0, 2.0], 1.0) == [None]
    assert "2/beta" in e.ended and e.report(point(1, 2.0, 1.0, 1.0))["bound"] is None
    e = Descent("t", "s", arb(2), 1.0)
    e.look(point(0, 1.0, 1.0, 0.1))
    e.advance(point(0, 1.0, 1.0, 0.1))
    assert e.look(point(1, 9.0, 1.0, 0.1, outside="too far")) is None
    assert e.ended == "step 1: too far" and e.checked == 0


def test_memory_goes_on_where_it_stopped():
    losses, slopes = parabola(0.1)
    whole = Linear("t", "s", arb(2), 1.0, fixed(4))
    bounds = follow(whole, losses, slopes, 0.1)
    half = Linear("t", "s", arb(2), 1.0, fixed(4))
    follow(half, losses[:10], slopes[:10], 0.1)
    again = Linear("t", "s", arb(2), 1.0, fixed(4))
    again.recall(half.memory())
    assert again.look(point(10, losses[10], slopes[10], 0.1)) == bounds[9]
    assert again.noise == half.noise > 0


LINEAR = """
govcheck: 1
input: [4]
layers: [{affine: {out: 2, bias: false}}]
cost: square
data: {sphere: {n: 3}}
theorems: [macdonald2022.theorem_2_1]
"""
AROUND = """
govcheck: 1
input: [6]
layers: [{affine: {out: 12}}, tanh, {affine: {out: 2, scale: 1/4}}]
cost: half_square
data: {sphere: {n: 3}}
init: {torch: {seed: 1}}
domain: {around_init: 1/10}
theorems: [macdonald2022.theorem_2_1, macdonald2022.corollary_4_3]
"""
NORMED = """
govcheck: 1
input: [4]
layers:
  - affine: {out: 5, weight: entrywise, bias: false}
  - residual: [{affine: {out: 5, weight: weight_norm, bias: false, scale: 1/4}}, tanh]
cost: square
data: {sphere: {n: 3, seed: 2}}
theorems: [macdonald2022.theorem_4_8, macdonald2022.corollary_4_3]
"""


@pytest.fixture(scope="module")
def analysed(registry):
    return {t: analyze(loads(t, registry=registry), registry=registry)
            for t in (LINEAR, AROUND, NORMED)}


@pytest.mark.parametrize(
    ("text", "steps", "factor", "held"),
    [(LINEAR, 60, 1, 60), (LINEAR, 60, 1.9, 60), (AROUND, 60, 1 / 50, 10), (NORMED, 40, 1, 40)],
    ids=["linear", "long steps", "around", "normed"],
)
def test_theorems_hold_along_training(analysed, tmp_path, text, steps, factor, held):
    a = analysed[text]
    size = factor * float(a.value(a.bounds["eta"]).mid())
    settings = read_settings(a.architecture, {"steps": steps, "step_size": size})
    outcome = train(a, settings, tmp_path / "r")
    assert outcome.violations == []
    assert len(outcome.envelopes) == len(a.architecture.theorems)
    records = read_results(tmp_path / "r" / "results.jsonl")
    for e in outcome.envelopes:
        assert e["checked"] >= held, e
        pairs = [(r["loss"], r["envelope"][e["theorem"]]) for r in records[: e["checked"] + 1]]
        assert all(loss <= bound for loss, bound in pairs)
        assert pairs[-1][1] < pairs[0][1]


def test_case_one_uses_the_entries_of_each_iterate(analysed):
    from govcheck.bounds.domain import EntriesWithin

    a = analysed[NORMED]
    found, _ = envelopes(a)
    linear = next(e for e in found if isinstance(e, Linear))
    values = [linear.mu(point(0, 1.0, 1.0, 0.1, largest=r)) for r in (0.5, 2.0)]
    assert values[0] > values[1] > 0
    node = a.leaves()[0].node
    inside = a.on(EntriesWithin(a.domain, node, "weight", num("1/2")), order=1)
    assert values[0].overlaps(a.value(inside["mu"]))


def test_no_alarm_at_the_level_of_rounding(analysed):
    a = analysed[LINEAR]
    outcome = train(a, read_settings(a.architecture, {"steps": 1500}))
    assert outcome.loss < 1e-28 and outcome.violations == []
    (e,) = outcome.envelopes
    assert e["bound"] < 1e-60 and e["ratio"] is None and not e["resolved"]


@pytest.mark.parametrize(("name", "by", "size"), [("mu", 3, 1), ("beta", Fraction(1, 3), 3)])
def test_a_wrong_bound_is_an_alarm(analysed, name, by, size):
    a = analysed[LINEAR]
    bounds = dict(a.bounds)
    bounds[name] = replace(bounds[name], value=bounds[name].expr * by)
    verdicts = [
        replace(v, conclusions={k: bounds.get(k, b) for k, b in v.conclusions.items()})
        for v in a.verdicts
    ]
    wrong = replace(a, bounds=bounds, verdicts=verdicts)
    step = size * float(a.value(a.bounds["eta"]).mid())
    settings = read_settings(a.architecture, {"steps": 30, "step_size": step * (1 - 1e-12)})
    assert train(a, settings).violations == []
    (violation,) = train(wrong, settings).violations
    assert "is above" in violation and "theorem_2_1" in violation


def test_where_the_theorems_do_not_speak(analysed):
    a = analysed[LINEAR]
    options = {"steps": 2, "method": "sgd", "momentum": "1/2"}
    outcome = train(a, read_settings(a.architecture, options))
    assert outcome.envelopes == [] and "momentum" in outcome.remarks[0]
    undecided = replace(a, verdicts=[replace(v, hypotheses=(
        replace(v.hypotheses[0], status="unknown"),)) for v in a.verdicts])
    assert "does not apply" in envelopes(undecided)[1][0]
