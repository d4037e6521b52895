"""A block repeated H times, as a recurrence in the bounds of the network so far."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from govcheck.bounds.answer import (
    CARRIED,
    LOWER,
    ComposedBound,
    Ref,
    Unknown,
    Value,
    sense_of,
)
from govcheck.bounds.constants import Constants, MapConstants, Mode, composed
from govcheck.bounds.expr import ZERO, Expr, sqrt, sym
from govcheck.bounds.letters import state_latex
from govcheck.bounds.recurrence import iterate
from govcheck.graph.blocks import Repeat

if TYPE_CHECKING:
    from govcheck.graph.compose import Composer, Place

REPEAT: Final = Ref("govcheck theory", "bound calculus, section 3, applied to each copy")
SQUARED: Final = ("D", "D_rows", "xt", "sigma_D")
"""Sharp rules are linear in the squares of these."""

Assumed = dict[str, Value]


def advance_repeat(composer: Composer, f: Place, block: Repeat) -> Place:
    """Compose `times` copies of the block after `f`.

    One copy is composed after a symbolic map; the result is a recurrence in that map's
    constants. A constant that is 0 before and after a copy stays 0; one that is Unknown
    after a copy is Unknown, except that the first copy may make known what was not (a
    bounded activation), or may use what is only known of the data (a row of ones below it):
    then it is composed by itself and the recurrence starts behind it.
    """
    if block.times is ZERO:
        return f
    asked = [q for q in CARRIED if composer.mode.asks(q)]
    if any(not f.constants[q].known for q in asked) or _uses_ones(composer, f, block):
        f = composer.run(block.body, f)
        rest = block.times - 1
    else:
        rest = block.times
    if rest is ZERO:
        return f
    assumed = _fixed_point(composer, f, block)
    step = _one_copy(composer, f, block, assumed)
    state = {}
    for q in CARRIED:
        if q in composer.mode.same:
            continue
        symbol, update = assumed[q], step.constants.value(q)
        if isinstance(symbol, Expr) and symbol is not ZERO and isinstance(update, Expr):
            k = 2 if _squared(q, composer.mode) else 1
            first = f.constants[q].expr
            state[q] = (symbol**k, first**k, _unlet(update) ** k)
    final = iterate(state, rest)
    for q, larger in composer.mode.same.items():
        if larger in final:
            final[q] = final[larger]
    bounds: dict[str, ComposedBound] = {}
    for q in CARRIED:
        update = step.constants.value(q)
        if q in final:
            value: Value = sqrt(final[q]) if _squared(q, composer.mode) else final[q]
        elif isinstance(update, Unknown):
            value = update if sense_of(q) == "upper" else ZERO
        else:
            value = ZERO
        premises = (f.constants[q], step.constants[q])
        rule = f"{block.times!r} copies, each composed as the step shown"
        bounds[q] = composed(q, block.node, value, rule, REPEAT, premises)
    return replace(step, constants=Constants(block.node, bounds), shape=f.shape)


def _uses_ones(composer: Composer, f: Place, block: Repeat) -> bool:
    if f.injective_ones is ZERO:
        return False
    with_ones = composer.run(block.body, f).constants
    without = composer.run(block.body, replace(f, injective_ones=ZERO)).constants
    return any(with_ones.value(q) is not without.value(q) for q in LOWER)


def _squared(quantity: str, mode: Mode) -> bool:
    summed = mode.printed if quantity == "sigma_D" else mode.lemma81
    return quantity in SQUARED and not summed


def _unlet(e: Expr) -> Expr:
    return e.args[0] if e.op == "let" else e


def _symbol(quantity: str, block: Repeat, mode: Mode) -> Expr:
    squared = _squared(quantity, mode)
    name = f"{quantity}{'2' if squared else ''}_{block.node}"
    s = sym(
        name, f"{quantity}{' squared' if squared else ''} before a copy of {block.node}",
        latex=state_latex(quantity, block.node, squared=squared),
    )
    return sqrt(s) if squared else s


def _fixed_point(composer: Composer, f: Place, block: Repeat) -> Assumed:
    """What each constant is before a copy: 0, a state symbol, or Unknown.

    An upper bound goes from 0 to a symbol to Unknown, a lower one from 0 to a symbol and for
    good back to 0: this ends. A constant that stands for a smaller one decides for both.
    """
    assumed: Assumed = {}
    lost: set[str] = set()
    for q in CARRIED:
        value = f.constants.value(q)
        if value is ZERO or isinstance(value, Unknown):
            assumed[q] = value
        else:
            assumed[q] = _symbol(q, block, composer.mode)
    while True:
        assumed |= {q: assumed[larger] for q, larger in composer.mode.same.items()}
        step = _one_copy(composer, f, block, assumed)
        changed = False
        for q in CARRIED:
            if q in composer.mode.same:
                continue
            before, after = assumed[q], step.constants.value(q)
            if isinstance(after, Unknown) and not isinstance(before, Unknown):
                assumed[q], changed = (after if sense_of(q) == "upper" else ZERO), True
                lost.add(q)
            elif before is ZERO and after is not ZERO and q not in lost:
                assumed[q], changed = _symbol(q, block, composer.mode), True
        if not changed:
            return assumed


def _one_copy(composer: Composer, f: Place, block: Repeat, assumed: Assumed) -> Place:
    before: MapConstants = Constants(
        block.node,
        {
            q: ComposedBound(
                q, f"before a copy of {block.node}", v, sense_of(q), "state", REPEAT
            )
            for q, v in assumed.items()
        },
    )
    start = replace(f, constants=before, injective_ones=ZERO)
    return composer.run(block.body, start)
