"""Numbers of a report: one decimal for each formula, on the safe side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from flint import arb

from govcheck.bounds.answer import Sense
from govcheck.bounds.evaluate import EvaluationError, evaluate, lower, upper
from govcheck.bounds.expr import Expr
from govcheck.bounds.walk import children

DIGITS: Final = 6
LAYER_DIGITS: Final = 4


@dataclass(frozen=True)
class Number:
    """What is known about the value of a formula.

    Args:
        text: the decimal, rounded outward; None if there is none.
        ball: the enclosure it came from.
        missing: names of the symbols that have no value.
        problem: why a formula without missing symbols has no value.
    """

    text: str | None
    ball: arb | None = None
    missing: tuple[str, ...] = ()
    problem: str = ""


def decimal_text(value: Decimal) -> str:
    """A decimal as people write it."""
    return str(value).replace("E", "e")


def outward(ball: arb, sense: Sense, digits: int = DIGITS) -> str:
    """The end of a ball that is safe for a bound of this sense."""
    return decimal_text(upper(ball, digits) if sense == "upper" else lower(ball, digits))


class Numbers:
    """Values of many formulas under one assignment; shared parts are computed once."""

    def __init__(self, env: Mapping[Expr, arb]) -> None:
        self._env = env
        self._memo: dict[Expr, arb] = {}
        self._lacking: dict[Expr, frozenset[Expr]] = {}

    def of(self, e: Expr, sense: Sense, digits: int = DIGITS) -> Number:
        """The value of a formula as a bound of this sense."""
        missing = self.missing(e)
        if missing:
            return Number(None, missing=missing)
        try:
            ball = evaluate(e, self._env, self._memo)
        except EvaluationError as error:
            return Number(None, problem=str(error))
        return Number(outward(ball, sense, digits), ball)

    def missing(self, e: Expr) -> tuple[str, ...]:
        """Names of the symbols below `e` that have no value."""
        return tuple(sorted({s.payload.name for s in self._symbols(e)}))

    def _symbols(self, root: Expr) -> frozenset[Expr]:
        known = self._lacking
        stack = [root]
        while stack:
            e = stack[-1]
            below = children(e)
            pending = [] if e in known else [a for a in below if a not in known]
            if pending:
                stack.extend(pending)
                continue
            if e not in known:
                known[e] = self._own(e, (known[a] for a in below))
            stack.pop()
        return known[root]

    def _own(self, e: Expr, below: Iterable[frozenset[Expr]]) -> frozenset[Expr]:
        if e.op == "sym":
            return frozenset() if e in self._env else frozenset((e,))
        found = frozenset().union(*below)
        return found.difference(e.payload[0].state) if e.op == "recur" else found
