"""The JSON Schema accepts good files and refuses bad keys and types."""

import jsonschema
import pytest
import yaml

from govcheck.spec import schema

HEAD = "govcheck: 1\ninput: [64]\n"
GOOD = [
    "layers: [tanh]",
    "layers: [tanh: , tanh: {id: a}, {tanh: {from: a}}]",
    "layers: [affine: {out: m, weight: entrywise, bias: false, scale: 1/2, groups: 2^5}]",
    "layers: [repeat: {times: H - 1, block: [residual: [tanh]]}, residual: {block: [tanh]}]",
    "layers: [parallel: {join: sum, branches: [[tanh], []]}]",
    "layers: [tanh: {id: a}, sum: {from: [a, input]}]",
    "layers: [diagonal: {width: 3, factor: null}]",
    "layers: [tanh]\nsymbols: {m: 64, H: null, d: 1/10, k: }",
    "layers: [tanh]\ncost: square\ndata: {digits: {n: 3, sizes: [1]}}",
    "layers: [tanh]\ncost: {huber: {delta: 1}}\ndata: digits",
    "layers: [tanh]\ninit: {normal: {std: 1/2, seed: 3}}\ndomain: around_init",
    "layers: [tanh]\ninit: he\ndomain: {ball: {radius: R, at: {a: 2}}}",
    "layers: [tanh]\ntheorems: [macdonald2022, {du2019.theorem_5_1: {rate: 1/2}}]",
    "layers: [tanh]\ntrain: {method: gd, steps: 500, step_size: 1e-3}",
]
BAD = [
    "",
    "layers: []",
    "layers: [tnah]",
    "layers: [affine]",
    "layers: [affine: {bias: true}]",
    "layers: [affine: {out: 3, wieght: plain}]",
    "layers: [affine: {out: 3, bias: 3}]",
    "layers: [affine: {out: 3, weight: wrong}]",
    "layers: [tanh: {id: 2a}]",
    "layers: [tanh: {id: input}]",
    "layers: [{tanh: , flatten: }]",
    "layers: [repeat: {block: [tanh]}]",
    "layers: [parallel: {join: add, branches: [[], []]}]",
    "layers: [sum: {from: [input]}]",
    "layers: [tanh]\nsymbols: {pi: 3}",
    "layers: [tanh]\ncost: huber",
    "layers: [tanh]\ncost: nothing",
    "layers: [tanh]\ninit: {he: {std: 1}}",
    "layers: [tanh]\ndomain: ball",
    "layers: [tanh]\ntheorems: [unknown]",
    "layers: [tanh]\ntrain: {method: adam}",
    "layers: [tanh]\nlyers: 3",
]


@pytest.fixture(scope="module")
def validator(registry):
    made = schema(registry)
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.mark.parametrize("text", GOOD)
def test_accepts(validator, text):
    validator.validate(yaml.safe_load(HEAD + text))


@pytest.mark.parametrize("text", BAD)
def test_refuses(validator, text):
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(yaml.safe_load(HEAD + text))


def test_layer_keys_come_from_the_plugin(registry):
    step = schema(registry)["$defs"]["step"]["anyOf"]
    affine = step[1]["properties"]["affine"]
    assert affine["required"] == ["out"]
    assert affine["description"] == "Affine maps."
    assert affine["properties"]["weight"] == {"enum": ["plain", "weight_norm", "entrywise"],
                                              "default": "plain"}
    assert affine["properties"]["scale"]["default"] == "1"
    assert set(step[0]["enum"]) == {"tanh", "flatten", "pool", "faulty"}


def test_schema_without_plugins():
    class Empty:
        layers = costs = data = theorems = {}

    made = schema(Empty())
    jsonschema.Draft202012Validator.check_schema(made)
    bad = {"govcheck": 1, "input": [1], "layers": ["tanh"]}
    assert not jsonschema.Draft202012Validator(made).is_valid(bad)
