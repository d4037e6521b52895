"""Drawings as data: what is drawn of which part, and that every number is the document's."""

import json
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import govcheck
from govcheck.numeric.measure.along import along
from govcheck.numeric.train.files import run_document
from govcheck.report.plot_curves import depth, distribution
from govcheck.report.plot_data import plots_of
from govcheck.report.plot_parts import thinned

NET = """
govcheck: 1
name: small
input: [4]
layers:
  - affine: {out: 3}
  - tanh
  - affine: {out: 2}
cost: square
data: {sphere: {n: 3}}
init: {normal: {seed: 0}}
domain: {ball: 20}
"""
KEY = re.compile(r"[a-z][a-z0-9-]*")


@pytest.fixture(scope="module")
def small(registry):
    torch.set_num_threads(1)
    return govcheck.analyze(govcheck.loads(NET, registry=registry), registry=registry)


@pytest.fixture(scope="module")
def folder(small, registry, tmp_path_factory):
    made = tmp_path_factory.mktemp("run")
    watch = along(small, registry, ["gram", "jacobian", "hessian"], 5)
    govcheck.train(small, made, steps=20, callbacks=[watch])
    return made


@pytest.fixture(scope="module")
def whole(small, folder, registry):
    """A document with every part that can be drawn."""
    doc = govcheck.document(small, {"paper": govcheck.with_mode(small, "paper")})
    measured = govcheck.measure(small, ["gram", "loss", "hessian", "density"], registry=registry)
    searched = govcheck.attack(small, seconds=0)
    rows = [
        {"depth": h, "n": n, "lambda_min": 0.5 / (h * n), "lambda_min_lower": 0.4 / (h * n),
         "floor": 1e-12, "certified_positive": h < 4, "depth_free": 0.25 / n, "printed": None}
        for h in (1, 2, 4) for n in (3, 6)
    ]
    chain = {"chains": [
        {"quantity": "D", "sense": "upper", "measured": {"value": 2.5},
         "bounds": [{"of": "printed", "bound": "80.25"}, {"of": "local", "bound": "3.5"}]},
        {"quantity": "mu", "sense": "lower", "measured": {"value": 0.5},
         "bounds": [{"of": "printed", "bound": None}, {"of": "local", "bound": "0.25"}]},
        {"quantity": "rate", "sense": "upper", "measured": {"value": 0.9},
         "bounds": [{"of": "local", "bound": "1 - 2e-18"}]},
    ]}
    doc["measurement"] = [measured.as_json(), chain,
                          {"spectra": [s.as_json() for s in govcheck.spectra(small)]}]
    doc["tightness"] = {"seed": 0, "rows": [t.as_json() for t in searched]}
    doc["training"] = run_document(folder)
    doc["gram"] = {"rows": rows, "depth_symbol": "H"}
    return json.loads(json.dumps(doc))


def numbers(value):
    """All numbers in a document, decimals included."""
    if isinstance(value, dict):
        return set().union(*map(numbers, value.values()))
    if isinstance(value, list):
        return set().union(*map(numbers, value))
    if isinstance(value, bool) or value is None:
        return set()
    try:
        return {float(value)}
    except ValueError:
        return set()


def test_nothing_is_drawn_of_nothing(both):
    assert plots_of({}) == []
    assert plots_of({"measurement": None, "training": {"records": []}, "gram": None}) == []
    assert [p["key"] for p in plots_of(both)] == ["modes"]


def test_every_part_has_its_drawing(whole):
    found = plots_of(whole)
    kinds = {p["key"]: p["kind"] for p in found}
    assert kinds["tightness"] == kinds["measured"] == "bounds"
    assert kinds["chain"] == kinds["modes"] == "sets"
    assert kinds["loss"] == "loss" and kinds["along-curvature"] == "along"
    assert kinds["along-parameters"] == "along"
    assert kinds["hessian-eigenvalues"] == kinds["distribution-tanh"] == "distribution"
    assert kinds["singular-values"] == "singular-values"
    assert kinds["lambda-depth"] == kinds["lambda-n"] == kinds["lambda-depth-free"] == "depth"
    assert len(kinds) == len(found)
    for p in found:
        assert KEY.fullmatch(p["key"])
        assert p["title"] and p["alt"].endswith(".") and re.search(r"\d", p["alt"])
        assert p["x"]["scale"] in ("linear", "log") and p["x"]["label"]
        assert p["source"].split(".")[0] in whole
        json.dumps(p, allow_nan=False)


def test_every_number_is_in_the_document(whole):
    for p in plots_of(whole):
        known = numbers(whole[p["source"].split(".")[0]])
        for s in p["series"]:
            parts = ["x", "low", "high", "value"]
            if s["role"] != "share" and p["y"]["scale"] != "rows":
                parts.append("y")
            if s["role"] == "share":
                parts = ["x"]
            drawn = {float(v) for part in parts for v in s.get(part, ())}
            assert drawn <= known, (p["key"], s["label"], drawn - known)
            lengths = {len(v) for v in s.values() if isinstance(v, list)}
            assert len(lengths) == 1


def test_rows_without_two_numbers_are_left_out_and_said(whole):
    p = next(p for p in plots_of(whole) if p["key"] == "measured")
    rows = whole["measurement"][0]["rows"]
    ratio = next(s for s in p["series"] if s["role"] == "ratio")
    assert ratio["value"] == [r["ratio"] for r in rows if r["ratio"] is not None]
    assert 0 < len(p["y"]["names"]) < len(rows)
    assert f"{len(rows) - len(p['y']['names'])} without two positive numbers" in p["alt"]


def test_an_alarm_is_told():
    row = {"quantity": "D", "sense": "upper", "bound": "2", "measured": 3.0, "ratio": 2 / 3,
           "holds": False, "searches": 1}
    (p,) = plots_of({"tightness": {"seed": 7, "rows": [row]}})
    assert "Beyond its bound: D." in p["alt"] and "seed 7" in p["alt"]
    assert p["series"][0]["alarm"] == [True]


def test_infinite_and_zero_bounds_are_not_drawn():
    rows = [{"quantity": q, "sense": "upper", "bound": b, "measured": 3.0, "ratio": r,
             "holds": True, "searches": 1}
            for q, b, r in (("D", "Infinity", None), ("J", "0", None), ("tt", "4", 4 / 3))]
    (p,) = plots_of({"tightness": {"seed": 0, "rows": rows}})
    assert p["y"]["names"] == ["tt ≤"]
    assert plots_of({"tightness": {"seed": 0, "rows": rows[:2]}}) == []


def test_loss_that_reaches_zero_has_a_linear_axis():
    records = [{"step": k, "loss": 4.0 - 2 * k, "envelope": {"t": 4.5 - 2 * k}} for k in range(3)]
    (p,) = plots_of({"training": {"records": records}})
    assert p["y"]["scale"] == "linear" and p["series"][0]["y"] == [4.0, 2.0, 0.0]
    assert [s["role"] for s in p["series"]] == ["measured", "allowed"]
    assert "from 4 to 0 in 2 steps" in p["alt"] and "t allows 0.5 at step 2" in p["alt"]


def test_uncertified_values_are_hollow(whole):
    p = next(p for p in plots_of(whole) if p["key"] == "lambda-depth")
    assert [s["hollow"] for s in p["series"] if s["role"] == "group"] == [[False, False, True]] * 2
    assert "2 values, drawn hollow" in p["alt"]
    assert depth({"rows": [{**r, "lambda_min": -1.0, "depth_free": None}
                           for r in whole["gram"]["rows"]]}) == []


def test_an_error_of_a_distribution_is_a_band(whole):
    found = whole["measurement"][2]["spectra"][0]
    exact = distribution(found)["series"][0]
    rough = distribution({**found, "cdf_error": 0.125})["series"][0]
    assert "low" not in exact
    assert rough["low"] == [max(0, y - 0.125) for y in rough["y"]]
    assert rough["high"] == [min(1, y + 0.125) for y in rough["y"]]


def test_keys_stay_unique(whole):
    part = whole["measurement"][0]
    keys = [p["key"] for p in plots_of({"measurement": [part, part]})]
    assert len(keys) == len(set(keys)) and "measured-2" in keys


def test_a_run_is_thinned_but_keeps_what_was_measured(folder, whole):
    few = run_document(folder, most=3)
    assert [r["step"] for r in few["records"]] == [0, 5, 10, 15, 20]
    assert len(whole["training"]["records"]) == 21 and few["step"] == 20
    with pytest.raises(govcheck.InputError, match="no run"):
        run_document(folder / "none")


@given(st.integers(0, 3000), st.integers(2, 300))
def test_thinning_keeps_both_ends(count, most):
    kept = thinned(count, most)
    assert kept == sorted(set(kept)) and len(kept) == min(count, most)
    assert not count or (kept[0] == 0 and kept[-1] == count - 1)
