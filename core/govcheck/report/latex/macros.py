"""Each constant as macros: one for its formula, one for its value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from govcheck.report.latex.write import number

Json = dict[str, Any]

DIGITS: Final = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
PREFIX: Final = "gov"


@dataclass(frozen=True)
class Macro:
    """One macro.

    Args:
        name: letters only, without the backslash.
        tex: what it stands for, in math mode.
        meaning: one line for the table of macros.
    """

    name: str
    tex: str
    meaning: str

    def definition(self) -> str:
        """The line that defines it, again where a report is read twice."""
        start = rf"\providecommand{{\{self.name}}}{{}}\renewcommand{{\{self.name}}}"
        # without the sign of comment, each line would be a space in the paper
        return rf"{start}{{\ensuremath{{{self.tex}}}}}%"


def letters(name: str) -> str:
    """A name in letters only: ``tt@repeat.2`` is ``TtAtRepeatTwo``."""
    spelled = re.sub(r"[0-9]", lambda d: f" {DIGITS[int(d.group())]} ", name.replace("@", " at "))
    words = re.findall(r"[A-Za-z]+", spelled)
    return "".join(w[0].upper() + w[1:] for w in words)


def macros(doc: Json, prefix: str = PREFIX) -> list[Macro]:
    """All macros of a report, names unique.

    Args:
        doc: the document.
        prefix: with which every name begins, letters only.
    """
    used: set[str] = set()
    found = []
    for name, formula, value, meaning in _constants(doc):
        base = unique = prefix + (letters(name) or "X")
        extra = 1
        while {unique, f"{unique}Value"} & used:
            extra += 1
            unique = base + letters(str(extra))
        if formula is not None:
            used.add(unique)
            found.append(Macro(unique, formula, meaning))
        if value is not None:
            used.add(f"{unique}Value")
            found.append(Macro(f"{unique}Value", number(value), f"value of {name}"))
    return found


def _constants(doc: Json) -> Iterator[tuple[str, str | None, str | None, str]]:
    """Name, formula, value and meaning of everything that gets macros."""
    modes = [m["name"] for m in doc["modes"]]
    for mode in modes:
        for q in (*doc["bounds"]["network"], *doc["bounds"]["loss"]):
            a = q["answers"].get(mode)
            if a is None or a["unknown"] is not None:
                continue
            name = q["quantity"] if mode == modes[0] else f"{mode} {q['quantity']}"
            bound = f"{q['quantity']}, {a['sense']} bound, mode {mode}: {q['meaning']}"
            yield name, a["latex"], a["value"], bound
            if mode == modes[0] and q["closed_form"] is not None:
                c = q["closed_form"]
                yield (f"closed {name}", c["latex"], c["value"],
                       f"closed form of {q['quantity']}; its names are those of closed def")
    for v in doc["theorems"]:
        if v["reading"] != "as_corrected":
            continue
        key = v["theorem"].rpartition(".")[2]
        for c in v["conclusions"]:
            if c["unknown"] is None:
                yield (f"{key} {c['name']}", c["latex"], c["value"],
                       f"{c['name']}, {c['sense']} bound, of {v['theorem']}")
    for s in doc["symbols"]:
        ends = {s["low"], s["high"]}
        exact = s["low"] if len(ends) == 1 else None
        yield f"symbol {s['name']}", s["latex"], exact, f"symbol {s['name']}: {s['meaning']}"
        if len(ends) > 1:
            for end in ("low", "high"):
                yield f"symbol {s['name']} {end}", None, s[end], ""
    for mode in modes:
        for d in doc["definitions"][mode]:
            name = d["name"] if mode == modes[0] else f"{mode} {d['name']}"
            yield f"def {name}", d["latex"], None, f"{d['name']}, which the formulas use"
    for other in [m for m in doc["definitions"] if m not in modes]:
        for d in doc["definitions"][other]:
            yield (f"closed def {d['name']}", d["latex"], None,
                   f"{d['name']}, as the closed forms use it")


def table(found: list[Macro]) -> str:
    """The macros as lines of comment."""
    lines = ["% Macros of this report (letters only, so digits are spelled):"]
    for m in found:
        meaning = " ".join(m.meaning.split())[:150]
        lines.append(f"% \\{m.name:<28} {meaning.encode('ascii', 'replace').decode()}".rstrip())
    return "\n".join(lines)
