"""Formulas of a report: text and LaTeX, with every name that occurs in them defined once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from govcheck.bounds.expr import Expr, node
from govcheck.bounds.printing import latex, text
from govcheck.bounds.walk import children, postorder, rebuild

Json = dict[str, Any]


class Notation:
    """Names for the shared parts of a set of formulas, unique within the set.

    Formulas name their shared parts; two different parts may carry the same name, such as
    those of the first copy of a repeated block and of a general one. Here the later ones
    get a number.

    Args:
        roots: all formulas that will be shown.
    """

    def __init__(self, roots: Iterable[Expr]) -> None:
        self._order = postorder(*roots)
        self._shown: dict[Expr, Expr] = {}
        self._written: dict[Expr, Json] = {}
        lets = [e for e in self._order if e.op == "let"]
        if len({e.payload for e in lets}) < len(lets):
            self._rename()

    def _rename(self) -> None:
        used: Counter[str] = Counter()
        taken = {e.payload for e in self._order if e.op == "let"}
        for e in self._order:
            args = tuple(self._shown[a] for a in children(e))
            if e.op != "let":
                self._shown[e] = rebuild(e, args)
                continue
            name = e.payload
            used[name] += 1
            if used[name] > 1:
                while f"{name}.{used[name]}" in taken:
                    used[name] += 1
                name = f"{name}.{used[name]}"
            self._shown[e] = node("let", args, name)

    def of(self, e: Expr) -> Expr:
        """The formula with unique names."""
        return self._shown.get(e, e)

    def formula(self, e: Expr) -> Json:
        """Text and LaTeX of a formula, and the names it uses directly."""
        shown = self.of(e)
        if shown.op == "let":
            shown = shown.args[0]
        known = self._written.get(shown)
        if known is None:
            known = {"text": text(shown), "latex": latex(shown), "uses": _direct(shown)}
            self._written[shown] = known
        return known

    def definitions(self) -> list[Json]:
        """The named parts, each after those it uses."""
        lets = dict.fromkeys(self.of(e) for e in self._order if e.op == "let")
        return [
            {"name": e.payload, "name_latex": latex(e), **self.formula(e.args[0])} for e in lets
        ]

    def recurrences(self) -> list[Json]:
        """The recurrences, each written out once with all its states."""
        found: dict[tuple[Any, ...], Json] = {}
        for e in (self.of(e) for e in self._order if e.op == "recur"):
            machine = e.payload[0]
            key = (machine.state, machine.update, e.args)
            if key not in found:
                found[key] = _written_out(machine.state, machine.update, e.args)
        return list(found.values())


def _written_out(state: Sequence[Expr], update: Sequence[Expr], args: Sequence[Expr]) -> Json:
    return {
        "times": {"text": text(args[0]), "latex": latex(args[0])},
        "states": [
            {
                "name": text(s),
                "name_latex": latex(s),
                "initial": {"text": text(first), "latex": latex(first)},
                "step": {"text": text(new), "latex": latex(new)},
            }
            for s, first, new in zip(state, args[1:], update, strict=True)
        ],
    }


def _direct(root: Expr) -> list[str]:
    """Names of the lets that a formula prints, bodies of lets left out."""
    found: dict[str, None] = {}
    seen: set[Expr] = set()
    stack = [root]
    while stack:
        e = stack.pop()
        if e in seen:
            continue
        seen.add(e)
        if e.op == "let" and e is not root:
            found[e.payload] = None
        else:
            stack.extend(reversed(children(e)))
    return list(found)


def reachable(names: Iterable[str], definitions: Sequence[Json]) -> list[Json]:
    """The definitions that these names need, in their order."""
    by_name = {d["name"]: d for d in definitions}
    wanted: set[str] = set()
    stack = [n for n in names if n in by_name]
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack.extend(by_name[name]["uses"])
    return [d for d in definitions if d["name"] in wanted]
