import json
from decimal import Decimal
from fractions import Fraction

import jsonschema
import pytest

import govcheck
from govcheck.bounds.answer import QUANTITIES, Unknown
from govcheck.bounds.evaluate import ball
from govcheck.plugin.loader import Broken
from govcheck.report.document import document
from govcheck.report.formulas import reachable
from govcheck.report.schema import report_schema

CHAIN = """
govcheck: 1
input: [3]
layers:
  - affine: {out: 3, bias: false, scale: 1/2}
  - relu
  - affine: {out: 2, bias: false}
cost: square
"""


def load(text, registry, **overrides):
    return govcheck.analyze(
        govcheck.loads(text, registry=registry, overrides=overrides), registry=registry
    )


def by_name(doc, table):
    return {q["quantity"]: q for q in doc["bounds"][table]}


def validate(doc):
    jsonschema.Draft202012Validator(report_schema()).validate(json.loads(json.dumps(doc)))


def test_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(report_schema())


def test_document_follows_its_schema(both):
    validate(both)


def test_schema_refuses_what_is_not_a_report(both):
    wrong = json.loads(json.dumps(both))
    wrong["bounds"]["loss"][0]["answers"]["tight"]["value"] = 3.0
    with pytest.raises(jsonschema.ValidationError):
        validate(wrong)


def test_numbers_lie_outside_of_the_balls(analysis, both):
    tables = by_name(both, "network") | by_name(both, "loss")
    assert set(QUANTITIES) <= set(tables)
    for name, bound in analysis.bounds.items():
        shown = Fraction(tables[name]["answers"]["tight"]["value"])
        exact = analysis.value(bound)
        if bound.sense == "upper":
            assert not ball(shown) < exact, name
        else:
            assert not ball(shown) > exact, name
        assert abs(float(exact) - float(shown)) <= 1.1e-5 * abs(float(shown)), name


def test_columns_of_both_modes(both):
    assert [m["name"] for m in both["modes"]] == ["tight", "paper"]
    answers = by_name(both, "loss")["beta"]["answers"]
    assert list(answers) == ["tight", "paper"]
    assert Decimal(answers["tight"]["value"]) < Decimal(answers["paper"]["value"])
    assert answers["tight"]["guaranteed"] and not answers["paper"]["guaranteed"]


def test_architecture_is_counted(both):
    arch = both["architecture"]
    # one layer, then three copies of an affine layer and an activation
    assert (arch["layers"]["value"], arch["distinct_layers"]) == ("7", 3)
    assert arch["parameters"]["value"] == str(64 * 10 + 3 * 10 * 10)
    assert [b["kind"] for b in arch["tree"]] == ["layer", "repeat"]


def test_every_name_is_defined_once_and_before_its_use(both):
    for mode, definitions in both["definitions"].items():
        names = [d["name"] for d in definitions]
        assert len(set(names)) == len(names), mode
        for i, d in enumerate(definitions):
            assert set(d["uses"]) <= set(names[:i]), (mode, d["name"])
    for mode in ("tight", "paper"):
        names = {d["name"] for d in both["definitions"][mode]}
        for q in (*both["bounds"]["network"], *both["bounds"]["loss"]):
            assert set(q["answers"][mode]["uses"]) <= names


def test_free_depth_gives_formulas_and_a_looser_closed_form(registry, resnet_text):
    text = resnet_text.replace("H: 4", "H: ").replace("data: {digits: {n: 6}}\n", "")
    doc = document(load(text, registry))
    validate(doc)
    d = by_name(doc, "network")["D"]
    answer = d["answers"]["tight"]
    assert answer["state"] == "formula" and "H" in answer["missing"]
    assert answer["value"] is None
    assert d["closed_form"]["mode"] == "sums"
    assert "[" not in d["closed_form"]["text"]
    assert any("x[k]" in line for line in doc["notation"])
    states = {s["name"] for r in doc["recurrences"]["tight"] for s in r["states"]}
    assert "D2_repeat" in states
    needed = reachable(d["closed_form"]["uses"], doc["definitions"]["sums"])
    assert set(d["closed_form"]["uses"]) == {n["name"] for n in needed}


def test_closed_form_is_looser(registry, resnet_text):
    doc = document(load(resnet_text.replace("m: 8", "m: 10"), registry))
    compared = 0
    for q in (*doc["bounds"]["network"], *doc["bounds"]["loss"]):
        closed = q["closed_form"]
        if closed is None:
            continue
        tight = Decimal(q["answers"]["tight"]["value"])
        loose = Decimal(closed["value"])
        assert loose >= tight if q["sense"] == "upper" else loose <= tight, q["quantity"]
        compared += 1
    assert compared >= 4


def test_unknown_answers_carry_their_causes(registry):
    analysis = load(CHAIN, registry)
    doc = document(analysis)
    validate(doc)
    beta = by_name(doc, "loss")["beta"]["answers"]["tight"]
    assert beta["state"] == "unknown" and beta["value"] is None and beta["text"] is None
    value = analysis.bounds["beta"].value
    assert isinstance(value, Unknown)
    assert [c["node"] for c in beta["unknown"]["causes"]] == [c.node for c in value.causes]
    assert "it fails first at affine, where parameter weight is unbounded" in doc["summary"][0]


def test_kink_is_the_reason_on_a_ball(registry):
    doc = document(load(CHAIN + "domain: {ball: 1}\n", registry))
    assert "it fails first at relu, where relu has a kink" in doc["summary"][0]


def test_summary_says_step_and_rate(analysis, both):
    first, second = both["summary"][:2]
    beta = by_name(both, "loss")["beta"]["answers"]["tight"]["value"]
    eta = by_name(both, "loss")["eta"]["answers"]["tight"]["value"]
    assert first == (
        "For every choice of weights the gradient of the loss is beta-Lipschitz with beta <= "
        f"{beta}."
    )
    assert "never increases the loss;" in second and eta in second
    limit = Fraction(second.split("(at least ")[1].split(")")[0])
    assert not ball(limit) * analysis.value(analysis.bounds["beta"]) > 2


def test_summary_limits_itself_to_a_bounded_set(registry):
    text = CHAIN.replace("relu", "tanh") + "data: {sphere: {n: 3}}\ndomain: {ball: 1}\n"
    doc = document(load(text, registry))
    assert "as long as it stays in this set" in doc["summary"][1]


def test_summary_of_printed_constants_guarantees_nothing(analysis):
    doc = document(govcheck.with_mode(analysis, "paper"))
    assert "guarantee nothing" in doc["summary"][0]


def test_guarantees(registry):
    text = CHAIN + "theorems: [macdonald2022.corollary_4_3]\n"
    doc = document(load(text, registry))
    name = "macdonald2022.corollary_4_3"
    assert doc["guarantees"] == {"asked": [name], "hold": False, "failed": [name]}
    good = load(text.replace("relu", "tanh") + "domain: {ball: 1}\n", registry)
    assert document(good)["guarantees"] == {"asked": [name], "hold": True, "failed": []}
    assert document(load(CHAIN, registry))["guarantees"]["asked"] is None


def test_data_and_symbols(both):
    data = both["data"]
    assert (data["samples"], data["features"], data["rank"]) == (6, 64, 6)
    assert Decimal(data["norms"]["sigma"]["low"]) > 0
    symbols = {s["name"]: s for s in both["symbols"]}
    assert symbols["delta"]["value"] == "1/10" and symbols["delta"]["origin"] == "declared"
    assert symbols["X_F"]["origin"] == "data"
    assert symbols["X_F"]["meaning"] == "Frobenius norm of the data"


def test_broken_plugins_are_listed(analysis):
    doc = document(analysis, broken=[Broken("bad", "bad-dist", "import", "ImportError: x")])
    validate(doc)
    assert doc["broken_plugins"][0] == {
        "plugin": "bad", "distribution": "bad-dist", "stage": "import", "error": "ImportError: x",
    }


def test_a_division_by_zero_is_a_problem_not_a_crash(registry):
    # scale 1/(a - b) has no value at a = b, which no shape check can see
    text = """
govcheck: 1
symbols: {a: 1, b: 1}
input: [2]
layers:
  - affine: {out: 2, weight: weight_norm, bias: false, scale: 1/(a - b)}
"""
    try:
        doc = document(load(text, registry))
    except govcheck.InputError:
        return
    validate(doc)
    answer = by_name(doc, "network")["J"]["answers"]["tight"]
    assert answer["state"] == "formula" and "division by zero" in answer["problem"]
