"""Ask a layer for its constants at a place of the network."""

from __future__ import annotations

from functools import cache
from typing import Final

from govcheck.bounds.answer import (
    CARRIED,
    LOCAL,
    LocalBound,
    Ref,
    Unknown,
    Value,
    sense_of,
    v_best,
)
from govcheck.bounds.constants import NOT_ASKED, Constants, LayerConstants, Mode
from govcheck.bounds.expr import ZERO
from govcheck.plugin.layer import At, BoundSpec, Layer, answer, declared_bounds

NO_PARAMETERS: Final = Ref("elementary", "a map without parameters")
DEFAULT: Final = Ref("elementary", "0 is a lower bound")
PARAMETER_QUANTITIES: Final = ("D", "D_rows", "xt", "tt")
LARGER: Final = {"out_spec": "out", "out_max": "out_spec", "J_rows": "J", "D_rows": "D"}
"""What stands for a quantity that a layer does not declare."""


@cache
def _declared(layer: type[Layer], mode: Mode) -> dict[str, list[tuple[str, BoundSpec]]]:
    """Methods to ask for each quantity in this mode."""
    found: dict[str, list[tuple[str, BoundSpec]]] = {}
    for attribute, spec in declared_bounds(layer):
        if not spec.uses & mode.leave_out:
            found.setdefault(spec.quantity, []).append((attribute, spec))
    result = {}
    for quantity, methods in found.items():
        printed = [m for m in methods if m[1].reading == "as_printed"]
        corrected = [m for m in methods if m[1].reading != "as_printed"]
        result[quantity] = printed if mode.printed and printed else corrected
    return result


def layer_constants(
    layer: Layer, at: At, mode: Mode, *, skip: bool = True
) -> LayerConstants:
    """The constants of one layer on the input set and parameter set of `at`.

    The least of several answers to one question is taken. What a layer does not declare
    is Unknown for upper bounds and 0 for lower ones.

    Args:
        layer: the plugin instance.
        at: where it stands.
        mode: knowledge to use.
        skip: whether to ask for ``sigma_skip``, which may need costly facts about weights.
    """
    declared = _declared(type(layer), mode)
    bare = not layer.parameters(at.shape)
    bounds: dict[str, LocalBound] = {}
    for quantity in CARRIED:
        if not mode.asks(quantity):
            bounds[quantity] = LocalBound(
                quantity, at.node, NOT_ASKED, "upper", "not asked", DEFAULT
            )
        elif quantity not in LARGER or (quantity in declared and quantity not in mode.same):
            bounds[quantity] = _one(layer, at, quantity, declared.get(quantity, []), bare)
    for quantity in LOCAL:
        if quantity == "sigma_skip" and not skip:
            continue
        if quantity in declared and mode.asks(quantity):
            bounds[quantity] = _one(layer, at, quantity, declared[quantity], bare)
    for quantity, larger in LARGER.items():
        if quantity not in bounds or not bounds[quantity].known:
            bounds[quantity] = _stand_in(quantity, bounds[larger])
    return Constants(at.node, bounds)


def _one(
    layer: Layer, at: At, quantity: str, methods: list[tuple[str, BoundSpec]], bare: bool
) -> LocalBound:
    sense = sense_of(quantity)
    if quantity in PARAMETER_QUANTITIES and bare:
        return LocalBound(
            quantity, at.node, ZERO, sense, "no parameters", NO_PARAMETERS, (), "exact"
        )
    answers: list[tuple[Value, BoundSpec]] = [
        (answer(layer, attribute, at), spec) for attribute, spec in methods
    ]
    if not answers:
        return _missing(layer, at, quantity)
    value = v_best([v for v, _ in answers], sense)
    used = next((s for v, s in answers if v is value), answers[0][1])
    if isinstance(value, Unknown):
        value = value.located(at.node, quantity)
        if sense == "lower":
            value = ZERO
    rule = f"declared by {layer.name}" if len(answers) == 1 else f"best bound of {layer.name}"
    return LocalBound(quantity, at.node, value, sense, rule, used.reference, (), used.tight)


def _missing(layer: Layer, at: At, quantity: str) -> LocalBound:
    if sense_of(quantity) == "upper":
        reason = f"{layer.name} declares no bound of {quantity}"
        value: Value = Unknown.because(reason, kind="undeclared").located(at.node, quantity)
        return LocalBound(quantity, at.node, value, "upper", "not declared", DEFAULT)
    return LocalBound(quantity, at.node, ZERO, "lower", "trivial", DEFAULT)


def _stand_in(quantity: str, larger: LocalBound) -> LocalBound:
    rule = f"at most {larger.quantity}"
    ref = Ref("elementary", "norm of a part, or operator norm, at most the larger norm")
    return LocalBound(quantity, larger.node, larger.value, "upper", rule, ref, (larger,))
