"""The derivation of a bound as numbered steps, each premise once and before its use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Union

from govcheck.bounds.answer import Bound, LocalBound, Ref, Sense, Unknown
from govcheck.bounds.expr import Expr
from govcheck.bounds.printing import latex, text
from govcheck.report.numbers import Number, Numbers

LIMIT: Final = 40


@dataclass(frozen=True)
class Step:
    """One step of a derivation.

    Args:
        number: counts from 1.
        quantity, node: what the step bounds, and where.
        local: whether it speaks of one layer by itself.
        sense: whether from above or from below.
        text, latex: the formula with shared parts by name, or why there is none.
        known: whether there is a formula.
        rule, ref, note: by which rule it follows, where that is proved, how tight it is.
        premises: numbers of the steps it uses.
        value: its value, where numbers were given.
    """

    number: int
    quantity: str
    node: str
    local: bool
    sense: Sense
    text: str
    latex: str
    known: bool
    rule: str
    ref: Ref
    note: str
    premises: tuple[int, ...]
    value: Number | None = None


@dataclass(frozen=True)
class Gap:
    """Steps that are left out."""

    first: int
    last: int


def derivation(bound: Bound, numbers: Numbers | None = None) -> list[Step]:
    """All steps that lead to a bound, the bound itself last.

    Args:
        bound: what to derive.
        numbers: gives each step its value; without, steps have none.
    """
    order = premises_of(bound)
    index = {id(b): i for i, b in enumerate(order, 1)}
    return [
        _step(b, index[id(b)], tuple(dict.fromkeys(index[id(p)] for p in b.premises)), numbers)
        for b in order
    ]


def premises_of(*bounds: Bound) -> list[Bound]:
    """Everything the bounds rest on, each once, premises first."""
    order: list[Bound] = []
    seen: set[int] = set()
    stack: list[tuple[Bound, bool]] = [(b, False) for b in reversed(bounds)]
    while stack:
        b, done = stack.pop()
        if done:
            order.append(b)
        elif id(b) not in seen:
            seen.add(id(b))
            stack.append((b, True))
            stack.extend((p, False) for p in reversed(b.premises) if id(p) not in seen)
    return order


def _step(b: Bound, number: int, premises: tuple[int, ...], numbers: Numbers | None) -> Step:
    value = b.value
    if isinstance(value, Unknown):
        shown, tex, given = f"unknown: {value.reason}", r"\text{unknown}", None
    else:
        body = value.args[0] if value.op == "let" else value
        shown, tex, given = text(body), latex(body), _value(value, b.sense, numbers)
    return Step(
        number=number,
        quantity=b.quantity,
        node=b.node,
        local=isinstance(b, LocalBound),
        sense=b.sense,
        text=shown,
        latex=tex,
        known=b.known,
        rule=b.rule,
        ref=b.ref,
        note=b.note,
        premises=premises,
        value=given,
    )


def _value(e: Expr, sense: Sense, numbers: Numbers | None) -> Number | None:
    return numbers.of(e, sense) if numbers is not None else None


def abridged(steps: list[Step], limit: int = LIMIT) -> list[Union[Step, Gap]]:
    """The first and last steps; what lies between is one `Gap` when there are too many."""
    if len(steps) <= limit:
        return list(steps)
    head = limit // 2
    tail = limit - head
    return [*steps[:head], Gap(head + 1, len(steps) - tail), *steps[-tail:]]
