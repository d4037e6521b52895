"""Constants against published 12-digit values, and what an activation says when it has none."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path

import pytest

from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import ONE, Expr, num, sym
from govcheck.bounds.printing import latex
from govcheck.bounds.walk import symbols_of
from govcheck.plugin import At

TABLE = json.loads(
    (Path(__file__).parents[2] / "data" / "activation_table.json").read_text(encoding="utf-8")
)


def build(make, case):
    name, *rest = case.split()
    pairs = (r.split("=") for r in rest)
    return make(name, **{k: num(v) for k, v in pairs})


def agree(value, printed) -> None:
    """Equal to all printed digits, or both absent."""
    if printed is None:
        assert isinstance(value, Unknown) and value.reason
    else:
        assert abs(float(evaluate(value, {}).mid()) - printed) < 5.1e-12 * max(1, abs(printed))


@pytest.mark.parametrize("case", TABLE)
def test_table(case, make) -> None:
    c, row = build(make, case).constants(), TABLE[case]
    for key in ("value", "steepest", "curvature", "third"):
        agree(getattr(c, key), row[key])
    agree(c.slope_low, row["sector"][0])
    agree(c.slope_high, row["sector"][1])


def test_table_is_complete(activations) -> None:
    assert {a.name for a in activations} == {case.split()[0] for case in TABLE}


def test_every_enclosure_is_narrow(activation) -> None:
    c = activation.constants()
    for f in fields(c):
        value = getattr(c, f.name)
        if isinstance(value, Expr):
            assert float(evaluate(value, {}).rad()) < 1e-16, f.name


def test_name_is_the_file_name(activation) -> None:
    assert type(activation).__module__.rpartition(".")[2] == activation.name
    assert type(activation).__doc__.startswith(f"{activation.name}: phi(x) = ")


KINKED = {
    "relu": "0",
    "leaky_relu slope=1/10": "0",
    "selu": "0",
    "hardswish": "-3 and 3",
    "hardsigmoid": "-3 and 3",
    "elu alpha=2": "0",
}


@pytest.mark.parametrize("case", KINKED)
def test_a_kink_is_the_reason_why_there_is_no_curvature(case, make) -> None:
    layer = build(make, case)
    anywhere = At("a", (ONE,), ONE, ONE, ONE)
    answer = layer.second_derivative(anywhere)
    assert isinstance(answer, Unknown)
    assert layer.name in answer.reason
    assert f"kink at {KINKED[case]}" in answer.reason
    assert "no smoothness constant" in answer.reason


def test_a_symbolic_alpha_may_have_a_kink(make) -> None:
    answer = make("elu", alpha=sym("a")).constants().curvature
    assert isinstance(answer, Unknown) and "kink at 0 unless alpha = 1" in answer.reason
    assert make("elu", alpha=num(3) - 2).constants().curvature is ONE


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "silu", "quick_gelu", "mish", "hardswish"])
def test_sector_leaves_the_unit_interval(name, make) -> None:
    c = make(name).constants()
    assert evaluate(c.slope_low, {}) < 0
    assert evaluate(c.slope_high, {}) > 1
    assert c.steepest is c.slope_high
    # |phi(x)| <= |x| all the same
    assert c.growth is ONE


@pytest.mark.parametrize(
    ("name", "key"), [("softplus", "beta"), ("squareplus", "b"), ("sin", "frequency")]
)
def test_parameters_that_must_be_positive(name, key, make) -> None:
    for wrong in (num(0), num(-2), num(1) - num(2) ** num("1/2")):
        with pytest.raises(ValueError, match=f"{key} of {name} must be positive"):
            make(name, **{key: wrong}).check()
    for right in (num("1/3"), sym("p")):
        make(name, **{key: right}).check()


SYMBOLIC = {
    "softplus": ("beta", {"steepest": "1", "curvature": "beta/4"}),
    "squareplus": ("b", {"steepest": "1", "curvature": "1/(2*sqrt(b))"}),
    "sin": ("frequency", {"steepest": "frequency", "curvature": "frequency^2"}),
    "leaky_relu": ("slope", {"steepest": "max(slope, 1)", "flattest": "min(slope, 1)"}),
    "elu": ("alpha", {"steepest": "max(alpha, 1)", "slope_low": "0"}),
}


@pytest.mark.parametrize("name", SYMBOLIC)
def test_symbolic_parameters_give_formulas(name, make) -> None:
    key, expected = SYMBOLIC[name]
    c = make(name, **{key: sym(key)}).constants()
    assert {k: repr(getattr(c, k)) for k in expected} == expected


@pytest.mark.parametrize("name", SYMBOLIC)
@pytest.mark.parametrize("value", ["-7/3", "-1/2", "1/7", "1", "3"])
def test_formulas_in_a_symbol_agree_with_numbers(name, value, make) -> None:
    """The symbol may be negative where the layer allows it."""
    key, _ = SYMBOLIC[name]
    if name == "squareplus":
        value = value.lstrip("-")
    free = sym(key, nonneg=False)
    formulas = make(name, **{key: free}).constants()
    numbers = make(name, **{key: num(value)}).constants()
    env = {free: ball(value)}
    for f in fields(numbers):
        x, y = getattr(formulas, f.name), getattr(numbers, f.name)
        if isinstance(x, Expr) and isinstance(y, Expr):
            assert math.isclose(
                float(evaluate(x, env).mid()), float(evaluate(y, {}).mid()), abs_tol=1e-30
            ), f.name
        else:
            assert isinstance(x, Unknown)


def test_constants_without_parameters_have_no_symbols(activation) -> None:
    c = activation.constants()
    for f in fields(c):
        value = getattr(c, f.name)
        if isinstance(value, Expr):
            assert not symbols_of(value)
            assert latex(value)
