"""Measurements beside bounds: no alarm where there should be none, one where there should."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

import govcheck
from govcheck.analysis import analyze
from govcheck.bounds.expr import num
from govcheck.errors import InputError
from govcheck.numeric.measure.record import Budget, Measurement
from govcheck.numeric.measure.run import GROUPS, chosen, measure, plan
from govcheck.numeric.measure.sets import proven
from govcheck.numeric.measure.subject import subject
from govcheck.numeric.measure.table import row, rows

NET = """
govcheck: 1
symbols: {{m: 4, R: 1/2}}
input: [3]
layers:
  - affine: {{out: m, weight: {first}, bias: false}}
  - tanh
  - repeat:
      times: 2
      block:
        - residual:
            - affine: {{out: m, weight: weight_norm, bias: {trained}}}
            - tanh
            - scale: {{factor: 1/2, trainable: {trained}}}
  - affine: {{out: 2, weight: {last}, bias: false}}
cost: {cost}
data: {{sphere: {{n: 4}}}}
init: {{normal: {{seed: 1}}}}
{domain}
"""


def analysis_of(tmp_path, registry, first="entrywise", last="weight_norm", cost="square",
                domain="", trained="false"):
    file = tmp_path / "net.yaml"
    file.write_text(
        NET.format(first=first, last=last, cost=cost, domain=domain, trained=trained))
    return analyze(govcheck.load(str(file), registry=registry), registry=registry)


SETS = {
    "everything": {},
    "ball": {"first": "plain", "last": "plain", "domain": "domain: {ball: 9/2}", "trained": "true"},
    "around": {"first": "plain", "domain": "domain: {around_init: R}", "trained": "true"},
    "labels": {"cost": "cross_entropy"},
    "no set": {"first": "plain", "last": "plain"},
}


def moved(a, distance):
    """The state with every layer's parameters moved by about a distance."""
    s, _ = subject(a)
    generator = torch.Generator().manual_seed(3)
    state = {n: t.detach().clone() for n, t in s.module.state_dict().items()}
    for n, t in state.items():
        if n in s.slices:
            step = torch.randn(t.shape, generator=generator, dtype=t.dtype)
            t += distance * step / torch.linalg.vector_norm(step)
    return state


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("distance", [0.0, 0.2, 3.0])
def test_no_bound_is_contradicted(name, distance, tmp_path, registry):
    a = analysis_of(tmp_path, registry, **SETS[name])
    s, start = subject(a, moved(a, distance))
    bounds = proven(a, s, start, registry)
    result = measure(s, start, bounds, chosen(None, s), budget=Budget(max_seconds=20))
    assert result.rows and not result.alarms
    known = {r.quantity: r for r in result.rows if r.bound is not None}
    assert {"D", "beta", "tt", "out", "J", "lipschitz"} <= set(known)
    for r in known.values():
        assert r.ratio is None or r.ratio >= 1 - 1e-6, r
    if name == "everything":
        assert bounds.words == "all parameters"
    if name == "no set":
        assert ("initial weights themselves" in bounds.words) == (distance == 0)
    if name in ("ball", "around") and distance == 3:
        assert "enlarged" in bounds.words
    assert bounds.contains(s.theta)
    assert bounds.contains(s.theta + 100) == (name in ("everything", "labels"))


def test_a_wrong_bound_is_an_alarm(tmp_path, registry):
    a = analysis_of(tmp_path, registry)
    s, start = subject(a)
    bounds = proven(a, s, start, registry)
    found = measure(s, start, bounds, ["gram", "loss"])
    by_name = {m.quantity: m for m in found.measured if m.where == "network"}
    for quantity, wrong in (("D", 0.5), ("mu", 2.0)):
        m = by_name[quantity]
        exact, b = m.value, a.bounds[quantity]
        assert row(a, replace(b, value=num(repr(exact * wrong))), m).status == "alarm"
        # within the error there is no alarm
        assert row(a, replace(b, value=num(repr(exact))), m).status == "holds"
        near = exact + (0.5 if quantity == "mu" else -0.5) * m.error
        assert row(a, replace(b, value=num(repr(near))), m).status == "holds"
    bad = row(a, replace(a.bounds["D"], value=num(1)), by_name["D"])
    assert "at most 1" in bad.sentence and bad.ratio < 1


def test_one_sided_measurements_alarm_on_their_side_only(tmp_path, registry):
    a = analysis_of(tmp_path, registry)

    def m(quantity, side, value=5.0):
        return Measurement(quantity, "network", value, "", "", 0.0, "", side=side)

    upper = replace(a.bounds["D"], value=num(3))
    assert row(a, upper, m("D", "at least")).status == "alarm"
    assert row(a, upper, m("D", "at most")).status == "holds"
    lower = replace(a.bounds["sigma_D"], value=num(7))
    assert row(a, lower, m("sigma_D", "at most")).status == "alarm"
    assert row(a, lower, m("sigma_D", "at least")).status == "holds"
    assert row(a, upper, m("D", "both", math.nan)).status == "no evidence"


def test_float32_below_the_floor_is_refused(tmp_path, registry):
    a = analysis_of(tmp_path, registry)
    s, start = subject(a, dtype=torch.float32)
    result = measure(s, start, proven(a, s, start, registry), ["gram", "outputs"])
    assert not result.alarms
    assert all(m.dtype == "float32" for m in result.measured)
    small = next(m for m in result.measured if m.quantity == "sigma_D")
    assert small.floor > 1e-5
    tiny = replace(small, value=small.floor / 2)
    assert rows(a, [tiny])[0].status == "no evidence" and rows(a, [tiny])[0].ratio is None
    double = rows(a, [replace(tiny, dtype="float64")])[0]
    assert double.status == "holds"


def test_float32_agrees_with_float64(tmp_path, registry):
    a = analysis_of(tmp_path, registry)
    found = []
    for dtype in (torch.float32, torch.float64):
        s, start = subject(a, dtype=dtype)
        result = measure(s, start, proven(a, s, start, registry), ["gram", "loss", "hessian"])
        found.append({(m.quantity, m.where): m for m in result.measured})
    for key, single in found[0].items():
        double = found[1][key]
        assert abs(single.value - double.value) <= 1e-4 * (1 + abs(double.value)), key


def test_what_does_not_fit_is_left_out_with_a_way_out(tmp_path, registry):
    a = analysis_of(tmp_path, registry)
    s, start = subject(a)
    result = measure(s, start, proven(a, s, start, registry), chosen(None, s), budget=Budget(500))
    text = " ".join(result.notes)
    assert "--max-memory" in text and "matrix-free" in text
    measured = {m.quantity: m for m in result.measured if m.where == "network"}
    assert measured["D"].side == "at least" and measured["sigma_D"].side == "at most"
    full = measure(s, start, proven(a, s, start, registry), ["gram", "jacobian"])
    exact = {m.quantity: m.value for m in full.measured if m.where == "network"}
    for q in ("D", "J"):
        assert measured[q].value == pytest.approx(exact[q], rel=1e-7)


def test_plan_comes_first(tmp_path, registry):
    a = analysis_of(tmp_path, registry)
    s, _ = subject(a)
    found = plan(s, list(GROUPS), Budget())
    assert [name for name, _ in found.parts] == list(GROUPS)
    assert all(c.seconds > 0 for _, c in found.parts) and found.total.bytes > 0


def test_groups(tmp_path, registry):
    a = analysis_of(tmp_path, registry)
    s, _ = subject(a)
    assert chosen(["hessian", "outputs"], s) == ["outputs", "hessian"]
    with pytest.raises(InputError, match="hesian"):
        chosen(["hesian"], s)
    s._loss = None
    assert "loss" not in chosen(None, s)
    with pytest.raises(InputError, match="no cost"):
        chosen(["loss"], s)


def test_a_checkpoint_of_another_network_is_refused(tmp_path, registry):
    a = analysis_of(tmp_path, registry)
    with pytest.raises(InputError, match="does not fit"):
        subject(a, {"affine.weight": torch.zeros(2, 2)})
