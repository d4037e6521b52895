"""The symbols of a file and the values that the file or the command line gives them."""

from __future__ import annotations

from collections.abc import Mapping

from govcheck.bounds.evaluate import EvaluationError, evaluate
from govcheck.bounds.expr import Expr, sym
from govcheck.spec.formula import Normalisation, parse_formula
from govcheck.spec.names import reserved, shown, suggest
from govcheck.spec.reading import kind_of, mapping, name
from govcheck.spec.scope import Scope
from govcheck.spec.tokens import FormulaError
from govcheck.spec.tree import Node, Problems, ScalarNode

RADIUS = "R"


def read_symbols(
    at: Node | None,
    domain: Node | None,
    overrides: Mapping[str, str],
    problems: Problems,
    normalisation: Normalisation | None = None,
) -> Scope:
    """Declared symbols with their values.

    Args:
        at: the value of the key ``symbols``.
        domain: the value of the key ``domain``; a bare ``around_init`` declares R.
        overrides: formulas by symbol name, from the command line.
        problems: where problems go.
        normalisation: what ``c_sigma(NAME)`` means in formulas.
    """
    values: dict[str, Expr | None] = {}
    if at is not None and not (isinstance(at, ScalarNode) and at.null):
        given = mapping(at, problems, "symbols", "symbols: {m: 64, H: null}")
        for key, (key_at, value_at) in (given or {}).items():
            values[key] = None
            if _acceptable(key_at, problems):
                values[key] = _value(key, value_at, problems, normalisation)
    if isinstance(domain, ScalarNode) and domain.text == "around_init":
        values.setdefault(RADIUS, None)
    for key, text in overrides.items():
        where = f"--set {key}"
        if key not in values:
            problems.elsewhere("undeclared-symbol", f"symbol {shown(key)} is not declared", where,
                               suggest(key, values, "symbols"))
            continue
        try:
            values[key] = _constant(text, normalisation)
        except FormulaError as error:
            problems.elsewhere(error.code, f"{error.message}, at character {error.offset + 1} of "
                               f"{shown(text)}", where, error.hint)
    symbols: dict[str, Expr] = {}
    known: dict[Expr, Expr] = {}
    for key, value in values.items():
        meaning = "radius of the parameter set" if key == RADIUS else ""
        nonneg = value is None or bool(evaluate(value, {}) >= 0)
        symbols[key] = sym(key, meaning, nonneg=nonneg)
        if value is not None:
            known[symbols[key]] = value
    return Scope(problems, symbols, known, normalisation)


def _acceptable(at: ScalarNode, problems: Problems) -> bool:
    if name(at, problems, "symbol") is None:
        return False
    taken = reserved(at.text)
    if taken:
        problems.add("bad-name", f"symbol {shown(at.text)} is reserved: it is {taken}", at,
                     "choose another name")
    return not taken


def _value(
    key: str, at: Node, problems: Problems, normalisation: Normalisation | None
) -> Expr | None:
    if isinstance(at, ScalarNode) and at.null:
        return None
    if not isinstance(at, ScalarNode):
        problems.add("wrong-type", f"symbol {shown(key)} takes a number, not {kind_of(at)}", at,
                     "write a constant such as 1/10, or null for a free symbol")
        return None
    try:
        return _constant(at.text, normalisation)
    except FormulaError as error:
        problems.add(error.code, f"symbol {shown(key)}: {error.message}", at, error.hint,
                     error.offset)
    return None


def _constant(text: str, normalisation: Normalisation | None) -> Expr:
    """A formula without symbols that has a finite value."""
    try:
        value = parse_formula(text, {}, normalisation)
        ball = evaluate(value, {})
    except FormulaError as error:
        if error.code == "undeclared-symbol":
            raise FormulaError("wrong-type", "the value of a symbol is a constant, without other "
                               "symbols", error.offset, "write a number such as 1/10") from error
        raise
    except (EvaluationError, ArithmeticError) as error:
        raise FormulaError("no-value", f"there is no value: {error}", 0) from error
    if not ball.is_finite():
        raise FormulaError("no-value", "there is no finite value", 0)
    return value
