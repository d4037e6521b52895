"""The formulas of a report in reading order, each name explained where it is first used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from markupsafe import Markup

from govcheck.bounds.letters import name_latex
from govcheck.report.html.cells import SIGN, Cell, cell, shown
from govcheck.report.html.mathml import mathml
from govcheck.report.pointers import pointer

Json = dict[str, Any]
PREFIX: Final = "f"
NAMED: Final = 6
BRIEF: Final = 60
TRIVIAL: Final = (None, "0", "1")


@dataclass(frozen=True)
class Definition:
    """A name and what it stands for."""

    key: str
    anchor: str
    name: Markup
    body: Markup | None
    text: str


@dataclass
class Formula:
    """One formula with the names it introduces.

    Args:
        key: quantity it bounds.
        sign: at most or at least.
        where: definitions of the names that occur here first.
        before: names that are explained further up.
        steps: derivation, as `govcheck.report.derivations` has it.
    """

    key: str
    anchor: str
    name: Markup
    sign: str
    body: Markup | None
    text: str
    value: Cell
    rule: str
    reference: str
    note: str
    guaranteed: bool = True
    where: list[Definition] = field(default_factory=list)
    before: list[Definition] = field(default_factory=list)
    closed: Formula | None = None
    steps: list[Json] = field(default_factory=list)


def quantity_name(q: Json) -> Markup:
    """The symbol of a quantity of the document."""
    name = str(q.get("quantity", q.get("name", "")))
    return mathml(q.get("name_latex") or name_latex(name))


class Reading:
    """Gives each name its explanation once, at its first use."""

    def __init__(self, doc: Json, mode: str, prefix: str) -> None:
        self._prefix = prefix
        self._definitions: dict[str, Json] = {
            d["name"]: d for d in doc["definitions"].get(mode, [])
        }
        self._done: dict[str, Definition] = {}

    def introduce(self, uses: list[str]) -> tuple[list[Definition], list[Definition]]:
        """Definitions of names that are new, in order of use, and of those that are not."""
        fresh: list[Definition] = []
        before: list[Definition] = []
        queue = list(dict.fromkeys(uses))
        seen: set[str] = set()
        while queue:
            name = queue.pop(0)
            given = self._definitions.get(name)
            if given is None or name in seen:
                continue
            seen.add(name)
            if name in self._done:
                before.append(self._done[name])
                continue
            fresh.append(self._explained(name, given))
            queue += given["uses"]
        return fresh, before

    def _explained(self, name: str, given: Json) -> Definition:
        anchor = f"{self._prefix}-{len(self._done) + 1}"
        found = Definition(name, anchor, mathml(given["name_latex"]), shown(given["latex"]),
                           given["text"])
        self._done[name] = found
        return found


def formulas(doc: Json, mode: str, reading: Reading, prefix: str = PREFIX) -> list[Formula]:
    """The formulas of one mode that say more than 0 or 1.

    Args:
        doc: the report's document.
        mode: name of a column.
        reading: of this mode.
        prefix: of the anchors.
    """
    loose = {
        q["closed_form"]["mode"] for rows in doc["bounds"].values() for q in rows
        if q["closed_form"]
    }
    closed_readings = {m: Reading(doc, m, f"{prefix}-{m}-def") for m in loose}
    main = mode == doc["modes"][0]["name"]
    steps = doc.get("derivations") or {}
    found = []
    for part, rows in doc["bounds"].items():
        for i, q in enumerate(rows):
            answer = q["answers"].get(mode)
            if q["auxiliary"] or answer is None or answer["text"] in TRIVIAL:
                continue
            at = pointer("bounds", part, i)
            f = _formula(q, answer, at + pointer("answers", mode), f"{prefix}-{q['quantity']}",
                         reading)
            closed = q["closed_form"]
            if main and closed is not None:
                f.closed = _formula(q, closed, f"{at}/closed_form",
                                    f"{prefix}-closed-{q['quantity']}",
                                    closed_readings[closed["mode"]])
            if main:
                f.steps = [_step(q["quantity"], k, s)
                           for k, s in enumerate(steps.get(q["quantity"], []))]
            found.append(f)
    return found


def _formula(q: Json, answer: Json, at: str, anchor: str, reading: Reading) -> Formula:
    body = shown(answer["latex"])
    fresh, before = reading.introduce(answer["uses"] if body is not None else [])
    value = cell(answer, at, room=0)
    return Formula(
        q["quantity"], anchor, quantity_name(q), SIGN[answer["sense"]],
        None if answer["text"] == answer["value"] else body, answer["text"], value,
        answer["rule"], answer["reference"]["text"], answer["note"], answer["guaranteed"],
        fresh, before,
    )


def _step(quantity: str, k: int, step: Json) -> Json:
    """A step of a derivation with what a page needs of it."""
    if "gap" in step:
        return step
    at = pointer("derivations", quantity, k)
    value = Cell("value", step["value"], f"{at}/value") if step["value"] is not None else None
    latex = step["latex"] or ""
    brief = 0 < len(latex) <= BRIEF and step["text"] != step["value"]
    block = len(latex) > BRIEF
    return {
        **step, "name": mathml(name_latex(step["quantity"])), "sign": SIGN[step["sense"]],
        "shown": value, "brief": brief, "block": block,
        "math": mathml(latex, display=block) if latex else None,
    }


def recurrences(doc: Json, mode: str) -> list[Json]:
    """Recurrences of one mode with their states as formulas."""
    found = []
    for r in doc["recurrences"].get(mode, []):
        states = [
            {
                "first": shown(f"{s['name_latex']}^{{(0)}} = {s['initial']['latex']}"),
                "step": shown(f"{s['name_latex']}^{{(k+1)}} = {s['step']['latex']}"),
                "name": s["name"],
                "initial_text": s["initial"]["text"],
                "step_text": s["step"]["text"],
            }
            for s in r["states"]
        ]
        names = [mathml(s["name_latex"]) for s in r["states"][:NAMED]]
        found.append({"times": mathml(r["times"]["latex"]), "states": states,
                      "names": names, "more": len(states) - len(names)})
    return found
