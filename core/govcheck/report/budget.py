"""Budgets: files that say which bounds, ratios and verdicts a project wants to keep."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal, cast

from flint import arb, fmpq

from govcheck.bounds.answer import CARRIED, Sense, sense_of
from govcheck.bounds.expr import Expr
from govcheck.bounds.loss import LOSS_MEANING
from govcheck.graph.architecture import Architecture
from govcheck.graph.blocks import Mark
from govcheck.report.numbers import decimal_text, outward
from govcheck.spec.names import shown, suggest
from govcheck.spec.reading import Entries, boolean, choice, entries, kind_of, mapping, only
from govcheck.spec.scope import Scope
from govcheck.spec.source import read_text
from govcheck.spec.tree import MapNode, Node, Problems, ScalarNode, parse

Kind = Literal["bound", "data", "ratio", "verdict", "conclusion"]

FORMAT: Final = 1
KEYS: Final = ("govcheck_budget", "bounds", "data", "ratios", "theorems")
NEEDS: Final = "a budget has the key govcheck_budget and one of bounds, data, ratios, theorems"
VERDICTS: Final = ("applies", "not_fails")
DATA_SENSE: Final[dict[str, Sense]] = {
    "X_F": "upper", "X_2": "upper", "Y_F": "upper",
    "sigma_X": "lower", "sigma_X1": "lower", "rank": "lower",
}
"""What the data part of a report bounds, by the names that formulas use."""

MAX_SHOWN: Final = 12
_DECIMAL: Final = re.compile(r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")
_KEY: Final[dict[Sense, str]] = {"upper": "at_most", "lower": "at_least"}


@dataclass(frozen=True)
class Limit:
    """A number that a bound is held against.

    Args:
        sense: of the bounds that it can limit: upper ones from above, lower ones from below.
        text: as the file writes it.
        exact: its value where that is known to be rational.
        ball: encloses its value.
    """

    sense: Sense
    text: str
    exact: Fraction | None
    ball: arb

    @property
    def shown(self) -> str:
        """A decimal that is at least as strict as the limit; the text itself if it is one."""
        plain = self.text.strip()
        if _DECIMAL.fullmatch(plain):
            return plain
        if self.exact is not None:
            decimal = Decimal(self.exact.numerator) / self.exact.denominator
            if Fraction(decimal) == self.exact and len(decimal.as_tuple().digits) <= MAX_SHOWN:
                return decimal_text(decimal)
        return outward(self.ball, "lower" if self.sense == "upper" else "upper")

    def keeps(self, bound: Fraction) -> bool:
        """Whether a bound is certainly within the limit."""
        if self.exact is not None:
            return bound <= self.exact if self.sense == "upper" else bound >= self.exact
        at = arb(fmpq(bound.numerator, bound.denominator))
        return bool(at <= self.ball if self.sense == "upper" else at >= self.ball)


@dataclass(frozen=True)
class Line:
    """One thing that a budget asks for.

    Args:
        kind: what it is about.
        key: its place in the file, such as ``bounds.beta``.
        subject: the quantity, ``quantity@layer`` or the theorem.
        mark: where it was written.
        limit: for numbers.
        conclusion: which conclusion of the theorem it limits.
        verdict: for theorems: ``applies``, or ``not_fails``, which allows undecided.
        assumptions: whether the theorem may rest on assumed or measured hypotheses.
    """

    kind: Kind
    key: str
    subject: str
    mark: Mark
    limit: Limit | None = None
    conclusion: str = ""
    verdict: str = ""
    assumptions: bool = True


@dataclass(frozen=True)
class Budget:
    """All lines of a budget, in the order of the file."""

    file: str
    lines: tuple[Line, ...]

    @property
    def searches(self) -> Mark | None:
        """Where it asks for a ratio, which only searches find; None if it does not."""
        return next((line.mark for line in self.lines if line.kind == "ratio"), None)


def read_budget(
    path: str | Path, architecture: Architecture, doc: Mapping[str, Any],
    theorems: Mapping[str, Any],
) -> Budget:
    """Read a budget for an architecture.

    Limits are formulas in the symbols of the architecture that have values.

    Args:
        path: the file.
        architecture: whose symbols limits may use.
        doc: from `govcheck.report.document`; says which layers and quantities there are.
        theorems: installed theorems by name.

    Raises:
        InputError: with every problem of the file.
    """
    problems = Problems(str(path), read_text(Path(path)))
    root = parse(problems, needs=NEEDS)
    if not isinstance(root, MapNode):
        problems.add("wrong-type", f"the file is {kind_of(root)}, not a mapping", root, NEEDS)
        raise problems.error()
    scope = Scope(problems, architecture.symbols, architecture.values)
    return Budget(str(path), _Reader(problems, scope, doc, theorems).lines(root))


class _Reader:
    def __init__(
        self, problems: Problems, scope: Scope, doc: Mapping[str, Any],
        theorems: Mapping[str, Any],
    ) -> None:
        self.problems = problems
        self.scope = scope
        self.doc = doc
        self.theorems = theorems

    def lines(self, root: MapNode) -> tuple[Line, ...]:
        given = entries(root, self.problems, "the budget")
        only(given, KEYS, self.problems, "the budget")
        self._version(root, given)
        found: list[Line] = []
        for part in given:
            if part in KEYS[1:]:
                example = ("theorems: {NAME: applies}" if part == "theorems"
                           else f"{part}: {{NAME: {{at_most: 1}}}}")
                inner = mapping(given[part][1], self.problems, part, example) or {}
                if not inner and isinstance(given[part][1], MapNode):
                    self.problems.add("empty", f"{part} is empty", given[part][1],
                                      f"write {example}, or remove the key")
                for name, (at, value) in inner.items():
                    found += getattr(self, f"_{part}")(name, at, value)
        if not found and not self.problems:
            self.problems.add("empty", "the budget asks for nothing", root, NEEDS)
        self.problems.check()
        return tuple(found)

    def _version(self, root: MapNode, given: Entries) -> None:
        if "govcheck_budget" not in given:
            self.problems.add("missing-key", "the budget needs the key 'govcheck_budget'", root,
                              f"write govcheck_budget: {FORMAT}")
            return
        at = given["govcheck_budget"][1]
        if not (isinstance(at, ScalarNode) and at.text == str(FORMAT)):
            self.problems.add("version", f"this program reads budgets of format {FORMAT}, not "
                              f"{kind_of(at)}", at, f"write govcheck_budget: {FORMAT}")

    def _bounds(self, name: str, at: ScalarNode, value: Node) -> list[Line]:
        quantity, on_layer, node = name.partition("@")
        layers = {layer["node"]: layer for layer in self.doc["layers"]}
        if on_layer and node not in layers:
            self.problems.add("unknown-layer", f"there is no layer {shown(node)}", at,
                              suggest(node, layers, "layers"))
            return []
        if on_layer:
            known = next(iter(layers[node]["bounds"].values()))
            senses = {q: answer["sense"] for q, answer in known.items()}
        else:
            senses = dict.fromkeys([*CARRIED, *LOSS_MEANING])
            senses |= {q: sense_of(q) for q in CARRIED}
            senses |= {q["quantity"]: q["sense"] for q in self.doc["bounds"]["loss"]}
        if quantity not in senses:
            of = f"quantities of {node}" if on_layer else "quantities"
            self.problems.add("unknown-quantity", f"there is no quantity {shown(quantity)}", at,
                              suggest(quantity, senses, of))
            return []
        limit = self._limit(name, value, senses[quantity])
        return [self._line("bound", f"bounds.{name}", name, at, limit)] if limit else []

    def _data(self, name: str, at: ScalarNode, value: Node) -> list[Line]:
        if name not in DATA_SENSE:
            self.problems.add("unknown-quantity", f"there is no number {shown(name)} of the data",
                              at, suggest(name, DATA_SENSE, "numbers of the data"))
            return []
        limit = self._limit(name, value, DATA_SENSE[name])
        return [self._line("data", f"data.{name}", name, at, limit)] if limit else []

    def _ratios(self, name: str, at: ScalarNode, value: Node) -> list[Line]:
        known = [*CARRIED, *LOSS_MEANING]
        if name not in known:
            self.problems.add("unknown-quantity", f"there is no quantity {shown(name)}", at,
                              suggest(name, known, "quantities"))
            return []
        limit = self._limit(f"the ratio of {name}", value, "upper")
        return [self._line("ratio", f"ratios.{name}", name, at, limit)] if limit else []

    def _theorems(self, name: str, at: ScalarNode, value: Node) -> list[Line]:
        if name not in self.theorems:
            self.problems.add("unknown-theorem", f"there is no theorem {shown(name)}", at,
                              suggest(name, self.theorems, "theorems"))
            return []
        key = f"theorems.{name}"
        mark = self.problems.mark(at)
        if isinstance(value, ScalarNode):
            wanted = choice(value, self.problems, name, VERDICTS)
            return [Line("verdict", key, name, mark, verdict=wanted or "")]
        given = mapping(value, self.problems, name, f"{name}: applies") or {}
        only(given, ("verdict", "assumptions", "conclusions"), self.problems, name)
        wanted, allowed = "applies", True
        if "verdict" in given:
            wanted = choice(given["verdict"][1], self.problems, "verdict", VERDICTS) or wanted
        if "assumptions" in given:
            allowed = boolean(given["assumptions"][1], self.problems, "assumptions") is not False
        found = [Line("verdict", key, name, mark, verdict=wanted, assumptions=allowed)]
        if "conclusions" in given:
            inner = mapping(given["conclusions"][1], self.problems, "conclusions",
                            "conclusions: {NAME: {at_most: 1}}") or {}
            for conclusion, (where, limited) in inner.items():
                limit = self._limit(conclusion, limited, None)
                if limit:
                    found.append(Line("conclusion", f"{key}.{conclusion}", name,
                                      self.problems.mark(where), limit, conclusion))
        return found

    def _line(
        self, kind: Kind, key: str, subject: str, at: ScalarNode, limit: Limit
    ) -> Line:
        return Line(kind, key, subject, self.problems.mark(at), limit)

    def _limit(self, what: str, at: Node, sense: Sense | None) -> Limit | None:
        """The limit of ``{at_most: FORMULA}`` or ``{at_least: FORMULA}``."""
        example = _KEY[sense or "upper"]
        given = mapping(at, self.problems, what, f"{{{example}: 1}}")
        if given is None:
            return None
        only(given, ("at_most", "at_least"), self.problems, what)
        keys = [k for k in ("at_most", "at_least") if k in given]
        if not keys and given:
            return None
        if len(keys) != 1:
            self.problems.add("missing-key" if not keys else "wrong-value",
                              f"{what} takes one of at_most and at_least", at,
                              f"write {{{example}: 1}}")
            return None
        key_at, value = given[keys[0]]
        meant: Sense = "upper" if keys[0] == "at_most" else "lower"
        formula = self.scope.formula(value, what)
        if sense is not None and meant != sense:
            side = "above" if sense == "upper" else "below"
            self.problems.add("wrong-sense", f"{what} is bounded from {side}, and a bound from "
                              f"{side} says nothing about {keys[0]}", key_at,
                              f"write {_KEY[sense]}")
            return None
        return None if formula is None else self._number(what, meant, value, formula)

    def _number(self, what: str, sense: Sense, at: Node, formula: Expr) -> Limit | None:
        ball = self.scope.ball(formula)
        if ball is None:
            free = ", ".join(self.scope.free(formula))
            self.problems.add("no-value", f"the limit of {what} has no value: {free} has none", at,
                              "give it one in the architecture file or with --set")
            return None
        return Limit(sense, cast(ScalarNode, at).text, self.scope.exact(formula), ball)
