"""The ``train`` block, and the initialisation of single layers."""

from __future__ import annotations

import pytest

from govcheck.bounds.expr import num, sqrt, sym
from govcheck.errors import InputError
from govcheck.graph.architecture import LayerInit
from govcheck.loading import loads

BASE = ("govcheck: 1\nsymbols: {m: 4}\ninput: [4]\n"
        "layers: [affine, {residual: {id: r, block: [{affine: {out: 4, id: last}}]}}]\n").replace(
            "[affine,", "[{affine: {out: 4}},")


@pytest.fixture
def read(registry):
    return lambda text: loads(BASE + text, registry=registry)


def test_train(read):
    found = read("train: {method: sgd, batch: 2^4, nesterov: true, step_size: lambda_max, "
                 "schedule: {step: {every: 10, factor: 1/2}}, stop: {loss: 1/m}, "
                 "dtype: float32}").train
    assert found == {
        "method": "sgd", "batch": 16, "nesterov": True, "step_size": "lambda_max",
        "schedule": ("step", {"every": 10, "factor": num("1/2")}),
        "stop": {"loss": 1 / sym("m")}, "dtype": "float32",
    }
    assert read("train: {schedule: cosine}").train == {"schedule": ("cosine", {})}


def test_a_symbol_keeps_its_meaning(registry):
    text = BASE.replace("{m: 4}", "{m: 4, auto: 1/2}") + "train: {step_size: auto}"
    assert loads(text, registry=registry).train["step_size"] is sym("auto")


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("train: {batch: 0}", "wrong-value", "below 1"),
        ("train: {nesterov: yes}", "wrong-type", "true or false"),
        ("train: {step_size: fast}", "undeclared-symbol", "fast"),
        ("train: {schedule: linear}", "wrong-value", "constant, cosine, step"),
        ("train: {schedule: {step: {every: 3}}}", "missing-key", "factor"),
        ("train: {schedule: {cosine: {every: 3}}}", "unknown-key", "every"),
        ("train: {schedule: {step: {every: 0, factor: 1}}}", "wrong-value", "below 1"),
        ("train: {stop: {accuracy: 1}}", "unknown-key", "accuracy"),
        ("train: {stop: {loss: -1}}", "wrong-value", "negative"),
        ("train: {dtype: float16}", "wrong-value", "float64, float32"),
        ("init: {he: {at: {lost: zero}}}", "unknown-key", "no step 'lost'"),
        ("init: {he: {at: {r: zero}}}", "wrong-value", "residual block"),
        ("init: {he: {at: {last: small}}}", "wrong-value", "normal, lecun"),
        ("init: {he: {at: {last: {he: {std: 1}}}}}", "wrong-value", "method he itself"),
        ("init: {he: {at: {last: {normal: {seed: 1}}}}}", "unknown-key", "seed"),
    ],
)
def test_mistakes(read, text, code, part):
    with pytest.raises(InputError) as caught:
        read(text)
    (problem,) = caught.value.problems
    assert problem.code == code and part in problem.message
    assert problem.where.startswith("<text>:5:")


def test_initialisation_of_single_layers(read):
    init = read("init: {he: {seed: 2, at: {last: {normal: {std: 1/sqrt(m)}}, affine: zero}}}").init
    assert (init.method, init.seed) == ("he", 2)
    assert init.at == {"last": LayerInit("normal", 1 / sqrt(sym("m"))),
                       "affine": LayerInit("zero")}


def test_the_schema_accepts_them(registry):
    jsonschema = pytest.importorskip("jsonschema")
    from govcheck.spec.schema import schema

    check = jsonschema.Draft202012Validator(schema(registry))
    file = {"govcheck": 1, "input": [4], "layers": [{"affine": {"out": 4, "id": "last"}}]}
    good = [
        {"train": {"schedule": "cosine", "step_size": "lambda_max", "stop": {"loss": "1e-6"}}},
        {"train": {"schedule": {"step": {"every": 3, "factor": "1/2"}}, "nesterov": True}},
        {"init": {"he": {"at": {"last": "zero"}}}},
        {"init": {"torch": {"at": {"last": {"normal": {"std": 1}}}}}},
    ]
    bad = [
        {"train": {"schedule": {"step": {"every": 3}}}}, {"train": {"stop": {"accuracy": 1}}},
        {"init": {"he": {"at": {"last": "small"}}}},
        {"init": {"he": {"at": {"last": {"he": {"std": 1}}}}}},
    ]
    assert all(check.is_valid(file | g) for g in good)
    assert not any(check.is_valid(file | b) for b in bad)
