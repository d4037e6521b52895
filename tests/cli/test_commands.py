import json

import jsonschema
import pytest
import yaml

from govcheck.report.schema import report_schema


def test_layers_table(govcheck, registry):
    code, out, err = govcheck("layers")
    assert (code, err) == (0, "")
    for name in registry.layers:
        assert f" {name} " in out
    listed = json.loads(govcheck("layers", "--json")[1])
    assert [x["name"] for x in listed] == list(registry.layers)
    assert all(x["purpose"] and x["distribution"] == "govcheck" for x in listed)


def test_one_layer(govcheck):
    code, out, _ = govcheck("layers", "affine")
    assert code == 0
    assert "plain | weight_norm | entrywise | orthogonal" in " ".join(out.split())
    assert "(default plain)" in " ".join(out.split())
    one = json.loads(govcheck("layers", "affine", "--json")[1])
    fields = {f["key"]: f for f in one["fields"]}
    assert fields["out"]["required"] and fields["bias"]["default"] == "true"
    d = [b for b in one["bounds"] if b["quantity"] == "D"]
    assert {b["reading"] for b in d} == {"as_corrected", "as_printed"}
    assert all(b["sense"] == "upper" and b["reference"].startswith("[") for b in d)


def test_every_layer_can_be_described(govcheck, registry):
    for name in registry.layers:
        code, out, err = govcheck("layers", name)
        assert (code, err) == (0, "") and out.startswith(name)
        assert max(map(len, out.splitlines())) <= 80


def test_theorems(govcheck, registry):
    code, out, _ = govcheck("theorems")
    assert code == 0 and all(name in out for name in registry.theorems)
    name = "macdonald2022.theorem_4_8"
    one = json.loads(govcheck("theorems", name, "--json")[1])
    assert one["name"] == name and "E7" in one["errata"]
    assert "Thm 4.8" in govcheck("theorems", name)[1]


def test_plugins(govcheck):
    found = json.loads(govcheck("plugin", "list", "--json")[1])
    own = next(p for p in found["plugins"] if p["distribution"] == "govcheck")
    assert "affine" in own["provides"]["layers"]
    assert "builtin" in govcheck("plugin", "list")[1]


def test_schemas(govcheck, small):
    for argv in (["schema"], ["schema", "--report"]):
        code, out, _ = govcheck(*argv)
        assert code == 0
        jsonschema.Draft202012Validator.check_schema(json.loads(out))
    schema = json.loads(govcheck("schema")[1])
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(small.read_text()))
    assert json.loads(govcheck("schema", "--report")[1]) == report_schema()


def test_explain(govcheck, small):
    code, out, err = govcheck("explain", small, "beta")
    assert (code, err) == (0, "")
    assert "beta = Gamma_2 D^2 + Gamma_1 tt" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    found = json.loads(govcheck("explain", small, "beta", "--json")[1])
    (answer,) = found["answers"]
    last = answer["steps"][-1]
    assert (last["quantity"], last["number"]) == ("beta", answer["count"])
    assert last["value"] in out
    doc = json.loads(govcheck("analyze", small, "--json")[1])
    (beta,) = [q for q in doc["bounds"]["loss"] if q["quantity"] == "beta"]
    assert beta["answers"]["tight"]["value"] == last["value"]


def test_explain_a_layer_and_the_map_up_to_it(govcheck, small):
    out = govcheck("explain", small, "J@tanh")[1]
    assert out.startswith("J of the layer tanh by itself\n")
    assert "J of the map from the network's input up to and including tanh" in " ".join(out.split())


def test_explain_modes_and_latex(govcheck, small):
    tight = json.loads(govcheck("explain", small, "tt", "--json")[1])["answers"][0]["steps"][-1]
    sums = json.loads(govcheck("explain", small, "tt", "--json", "--mode", "sums")[1])
    assert float(sums["answers"][0]["steps"][-1]["value"]) > float(tight["value"])
    assert r"\frac{" in govcheck("explain", small, "beta", "--latex")[1]


def test_explain_leaves_out_the_middle_unless_full(govcheck, arch):
    layers = "".join("  - affine: {out: 2}\n  - tanh\n" for _ in range(12))
    path = arch(f"govcheck: 1\ninput: [2]\nlayers:\n{layers}domain: {{ball: 1}}\n")
    short, full = govcheck("explain", path, "D")[1], govcheck("explain", path, "D", "--full")[1]
    assert "left out; --full shows them" in short
    assert "left out" not in full and len(full) > len(short)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["layers", "afine"], "did you mean 'affine'?"),
        (["theorems", "macdonald2022.theorem_4_9"], "macdonald2022.theorem_4_8"),
        (["anlyze"], "did you mean analyze?"),
        (["plugin"], "ACTION"),
        (["plugin", "remove"], "invalid choice"),
        ([], "COMMAND"),
        (["analyze"], "ARCH"),
    ],
)
def test_wrong_usage(govcheck, argv, words):
    code, out, err = govcheck(*argv)
    assert code == 2 and out == "" and words in err


@pytest.mark.parametrize(
    ("target", "words"),
    [("bta", "did you mean 'beta'?"), ("J@tahn", "did you mean 'tanh'?"), ("beta@tanh", "beta")],
)
def test_wrong_quantity(govcheck, small, target, words):
    code, out, err = govcheck("explain", small, target)
    assert code == 2 and out == "" and words in err
