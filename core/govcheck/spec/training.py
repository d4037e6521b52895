"""The ``train`` block of a file: method, step size, schedule, when to stop."""

from __future__ import annotations

from typing import Any, Final

from govcheck.bounds.expr import Expr
from govcheck.spec.names import shown
from govcheck.spec.reading import (
    Context,
    boolean,
    choice,
    integer,
    mapping,
    named_choice,
    only,
)
from govcheck.spec.tree import Node, ScalarNode

METHODS: Final = ("gd", "sgd")
STEP_SIZES: Final = ("auto", "lambda_max")
SCHEDULES: Final = ("constant", "cosine", "step")
DTYPES: Final = ("float64", "float32")
STOPS: Final = ("loss", "gradient", "seconds")
KEYS: Final = ("method", "steps", "step_size", "seed", "batch", "momentum", "nesterov",
               "weight_decay", "schedule", "stop", "dtype")


def read_train(at: Node, context: Context) -> dict[str, Any]:
    """Settings for training.

    Returns:
        What is given, by key: integers, booleans and words as they are, numbers as formulas;
        `schedule` as ``(kind, {key: formula or integer})``, `stop` as formulas by key.
    """
    problems = context.problems
    given = mapping(at, problems, "train", "train: {method: gd, steps: 500}")
    if given is None:
        return {}
    only(given, KEYS, problems, "train")
    found: dict[str, Any] = {}
    for key, (_, value) in given.items():
        match key:
            case "method":
                found[key] = choice(value, problems, key, METHODS)
            case "dtype":
                found[key] = choice(value, problems, key, DTYPES)
            case "steps" | "seed":
                found[key] = integer(value, context, key, least=0)
            case "batch":
                found[key] = integer(value, context, key, least=1)
            case "nesterov":
                found[key] = boolean(value, problems, key)
            case "schedule":
                found[key] = _schedule(value, context)
            case "stop":
                found[key] = _stop(value, context)
            case "step_size":
                found[key] = _step_size(value, context)
            case "momentum" | "weight_decay":
                found[key] = _rate(key, value, context)
    return found


def _step_size(at: Node, context: Context) -> Expr | str | None:
    word = at.text if isinstance(at, ScalarNode) else ""
    # a symbol that the file declares keeps its meaning
    if word in STEP_SIZES and word not in context.scope.symbols:
        return word
    value = context.scope.formula(at, "step_size")
    if value is not None and context.scope.definitely_below(value, 0, or_equal=True):
        context.problems.add("wrong-value", "step_size is not positive", at, "write a positive one")
    return value


def _rate(key: str, at: Node, context: Context) -> Expr | None:
    value = context.scope.formula(at, key)
    if value is None:
        return None
    scope = context.scope
    if scope.definitely_below(value, 0):
        context.problems.add("wrong-value", f"{key} is negative", at, "write 0 or more")
    elif key == "momentum" and scope.definitely_below(1 - value, 0, or_equal=True):
        context.problems.add("wrong-value", "momentum is 1 or more", at, "write less than 1")
    return value


def _schedule(at: Node, context: Context) -> tuple[str, dict[str, Any]] | None:
    problems = context.problems
    picked = named_choice(at, problems, "schedule", "schedule: {step: {every: 100, factor: 1/2}}")
    if picked is None:
        return None
    key, given = picked
    kind = choice(key, problems, "schedule", SCHEDULES)
    known = {"cosine": ("final",), "step": ("every", "factor")}.get(kind or "", ())
    only(given, known, problems, f"schedule {shown(key.text)}")
    found: dict[str, Any] = {}
    for name, (_, value) in given.items():
        if name == "every":
            found[name] = integer(value, context, name, least=1)
        elif name in known:
            found[name] = _rate(name, value, context)
    if kind == "step":
        for name in known:
            if name not in given:
                problems.add("missing-key", f"schedule step needs the key {name!r}", key,
                             "write schedule: {step: {every: 100, factor: 1/2}}")
    return None if kind is None else (kind, found)


def _stop(at: Node, context: Context) -> dict[str, Expr | None]:
    given = mapping(at, context.problems, "stop", "stop: {loss: 1e-6}") or {}
    only(given, STOPS, context.problems, "stop")
    return {k: _rate(f"stop {k}", v, context) for k, (_, v) in given.items() if k in STOPS}
