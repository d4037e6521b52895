"""c_sigma: enclosures against quadrature of 30 digits, and its place in formulas."""

from __future__ import annotations

import mpmath
import pytest

from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import Expr, num
from govcheck.errors import InputError
from govcheck.kernels.normalisation import by_name, c_sigma
from govcheck.plugin.registry import load_registry
from govcheck.spec.document import loads
from govcheck.spec.formula import parse_formula
from govcheck.spec.tokens import FormulaError
from govcheck_plugins.layers.softplus import Softplus

FUNCTIONS = {
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "logsigmoid": lambda x: -mpmath.log1p(mpmath.exp(-x)),
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "erf": mpmath.erf,
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "arctan": mpmath.atan,
    "sin": mpmath.sin,
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "relu": lambda x: max(x, 0),
    "identity": lambda x: x,
}


def find(name: str) -> Expr:
    found = by_name(load_registry().layers)(name)
    assert isinstance(found, Expr)
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_enclosures_contain_the_truth(name: str) -> None:
    with mpmath.workdps(30):
        phi = FUNCTIONS[name]
        panels = [k / 2 for k in range(-28, 29)]
        square = mpmath.quad(lambda z: phi(z) ** 2 * mpmath.npdf(z), panels)
        truth = num(mpmath.nstr(1 / square, 22, min_fixed=-5, max_fixed=5))
    ball = evaluate(find(name), {})
    assert ball.contains(evaluate(truth, {}))
    assert ball.rad() < 2e-11 * ball.mid()


def test_a_parameter_of_the_activation_matters() -> None:
    sharp = c_sigma(Softplus(beta=num(50)))
    assert isinstance(sharp, Expr)
    # nearly relu, whose constant is 2
    assert abs(float(evaluate(sharp, {}).mid()) - 2) < 0.01


def test_estimated_errors_are_not_enough() -> None:
    found = by_name(load_registry().layers)("softsign")
    assert isinstance(found, Unknown) and "estimated" in found.reason


def test_formulas() -> None:
    normalisation = by_name(load_registry().layers)
    m = parse_formula("c_sigma(tanh)", {}, normalisation)
    assert m is find("tanh")
    assert parse_formula("sqrt(2*c_sigma(tanh))^2", {}, normalisation) is 2 * m
    # it prints as it is written
    assert parse_formula(repr(m), {}, normalisation) is m


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("c_sigma(nothing)", "no activation"),
        ("c_sigma(affine)", "no activation"),
        ("c_sigma(softsign)", "estimated"),
        ("c_sigma(leaky_relu)", "without default"),
        ("c_sigma(2)", "name of an activation"),
        ("c_sigma(tanh", "not closed"),
        ("c_sigma(tanh, 2)", "unexpected"),
        ("c_sigma()", "name of an activation"),
        ("c_sigma", "not declared"),
    ],
)
def test_what_is_wrong_is_said(written: str, message: str) -> None:
    with pytest.raises(FormulaError, match=message):
        parse_formula(written, {}, by_name(load_registry().layers))


def test_a_file_uses_it_in_symbols_and_layers() -> None:
    arch = loads(
        "govcheck: 1\nsymbols: {c: c_sigma(tanh)}\ninput: [3]\n"
        "layers:\n  - scale: {factor: sqrt(c_sigma(tanh)/c)}\n",
        load_registry(),
    )
    (symbol,) = arch.values
    assert arch.values[symbol] is find("tanh")


def test_a_symbol_of_this_name_stays_a_symbol() -> None:
    text = "govcheck: 1\nsymbols: {c_sigma: 2}\ninput: [3]\nlayers: [{scale: {factor: FORMULA}}]\n"
    loads(text.replace("FORMULA", "c_sigma"), load_registry())
    with pytest.raises(InputError, match="operator is missing"):
        loads(text.replace("FORMULA", "c_sigma(tanh)"), load_registry())
