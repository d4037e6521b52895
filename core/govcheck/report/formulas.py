"""Formulas of a report: text and LaTeX, with every name that occurs in them defined once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from govcheck.bounds.expr import Expr, node
from govcheck.bounds.letters import name_latex, spelled_latex
from govcheck.bounds.printing import latex, text
from govcheck.bounds.walk import children, postorder, rebuild
from govcheck.report.states import apart
from govcheck.report.widths import width

Json = dict[str, Any]
NAME: Final = 16
"""Width from which on what is repeated gets a name."""
LINE: Final = 60
"""Width that fits a line."""
PARAGRAPH: Final = 240
"""Width from which on a formula names what it repeats."""


class Notation:
    """Names for the shared parts of a set of formulas, unique within the set.

    Formulas name their shared parts; two different parts may carry the same name, such as
    those of the first copy of a repeated block and of a general one, or that of a symbol.
    Here the later ones get a number, and so do the states of recurrences. What stands several
    times in a long formula, and what is too wide for a line where lines cannot break, gets a
    name too: ``v1``, ``v2`` and so on.

    Args:
        roots: all formulas that will be shown.
        letter: of the names for parts of long formulas.
    """

    def __init__(self, roots: Iterable[Expr], letter: str = "v") -> None:
        self._letter = letter
        given = list(roots)
        self._apart = apart(given)
        listed = [self._apart.get(r, r) for r in given]
        self._order = postorder(*listed)
        self._spelled: dict[str, str] = {}
        self._plain: dict[Expr, Expr] = {}
        self._brief: dict[Expr, Expr] = {}
        self._named: dict[Expr, Expr] = {}
        self._written: dict[Expr, Json] = {}
        widths = _widths(self._order)
        bodies = _bodies(listed, self._order)
        longest = [b for b in bodies if widths[b] > PARAGRAPH]
        self._long = {*longest, *(b for b in bodies if widths[b] > LINE and _crowded(b, widths))}
        self._shared = _repeated(longest, widths)
        self._widths: dict[Expr, int] = {}
        self._taken = {e.payload for e in self._order if e.op == "let"}
        self._taken |= {e.payload.name for e in self._order if e.op in ("sym", "enc")}
        self._symbols = {latex(e) for e in self._order if e.op in ("sym", "enc")}
        self._build()
        self._letters = self._latex_names()

    def _build(self) -> None:
        """Both forms of each node: with unique names only, and with parts named."""
        owned = {e.payload.name for e in self._order if e.op in ("sym", "enc")}
        used = Counter(owned)
        for e in self._order:
            if e.op == "let":
                self._plain[e] = self._brief[e] = self._renamed(e, used)
                if e.payload in owned and used[e.payload] == 2:
                    self._spelled[self._plain[e].payload] = e.payload
            else:
                self._plain[e] = rebuild(e, self._arguments(e, self._plain))
                self._brief[e] = self._abbreviated(e)
            shown = [self._widths[a] for a in e.args]
            self._widths[e] = width(e, shown)
            if e in self._shared and self._widths[e] >= NAME:
                self._name(e)

    def _renamed(self, e: Expr, used: Counter[str]) -> Expr:
        name = e.payload
        used[name] += 1
        if used[name] > 1:
            while f"{name}.{used[name]}" in self._taken:
                used[name] += 1
            name = f"{name}.{used[name]}"
        return node("let", (self._plain[e.args[0]],), name)

    def _arguments(self, e: Expr, shown: Mapping[Expr, Expr]) -> tuple[Expr, ...]:
        """Arguments to rebuild a node from; recurrences are written out, line by line."""
        below = children(e)
        if e.op != "recur":
            return tuple(shown[a] for a in below)
        return (shown[below[0]], *(self._body(a) for a in below[1:]))

    def _abbreviated(self, e: Expr) -> Expr:
        for a in _too_wide(e, self._widths):
            self._name(a)
        return rebuild(e, self._arguments(e, self._brief))

    def _name(self, e: Expr) -> None:
        if e in self._named:
            return
        number = len(self._named) + 1
        while f"{self._letter}{number}" in self._taken:
            number += 1
        name = f"{self._letter}{number}"
        self._taken.add(name)
        self._named[e] = self._brief[e] = node("let", (self._brief[e],), name)
        self._widths[e] = len(name)

    def _body(self, e: Expr) -> Expr:
        """A formula as it is shown after its sign of equality."""
        shown = self._brief[e] if e in self._long else self._plain[e]
        return shown.args[0] if shown.op == "let" and e in self._named else shown

    def _latex_names(self) -> dict[str, str]:
        """Letters of all names, different ones for different names and symbols."""
        taken = set(self._symbols)
        found: dict[str, str] = {}
        for e in self._lets():
            tex = name_latex(e.payload)
            if e.payload in self._spelled or tex in taken:
                tex = spelled_latex(self._spelled.get(e.payload, e.payload))
            taken.add(tex)
            found[e.payload] = tex
        return found

    def _lets(self) -> list[Expr]:
        """Everything that has a name, each after what it uses."""
        found: dict[Expr, None] = {}
        for e in self._order:
            if e.op == "let":
                found[self._plain[e]] = None
            elif e in self._named:
                found[self._named[e]] = None
        return list(found)

    def of(self, e: Expr) -> Expr:
        """The formula with unique names."""
        e = self._apart.get(e, e)
        return self._plain.get(e, e)

    def formula(self, e: Expr) -> Json:
        """Text and LaTeX of a formula, and the names it uses directly."""
        e = self._apart.get(e, e)
        body = e.args[0] if e.op == "let" else e
        shown = self._body(body) if body in self._plain else body
        return self._write(shown.args[0] if shown.op == "let" else shown)

    def _write(self, shown: Expr) -> Json:
        known = self._written.get(shown)
        if known is None:
            tex = latex(shown, self._letters)
            known = {"text": text(shown), "latex": tex, "uses": _direct(shown)}
            self._written[shown] = known
        return known

    def name_latex(self, name: str) -> str:
        """LaTeX of the name of a constant: that of its definition, if it has one."""
        return self._letters.get(name) or self._free_latex(name)

    def _free_latex(self, name: str) -> str:
        tex = name_latex(name)
        return spelled_latex(name) if tex in self._symbols else tex

    def definitions(self) -> list[Json]:
        """The named parts, each after those it uses."""
        found = []
        for e in self._order:
            if e.op == "let":
                name, shown = self._plain[e].payload, self.formula(e)
            elif e in self._named:
                name, shown = self._named[e].payload, self._write(self._named[e].args[0])
            else:
                continue
            found.append({"name": name, "name_latex": self._letters[name], **shown})
        return found

    def recurrences(self) -> list[Json]:
        """The recurrences, each written out once with all its states."""
        found: dict[tuple[Any, ...], Json] = {}
        for e in (self._plain[e] for e in self._order if e.op == "recur"):
            machine = e.payload[0]
            key = (machine.state, machine.update, e.args)
            if key not in found:
                found[key] = self._written_out(machine.state, machine.update, e.args)
        return list(found.values())

    def _written_out(
        self, state: Sequence[Expr], update: Sequence[Expr], args: Sequence[Expr]
    ) -> Json:
        return {
            "times": self._both(args[0]),
            "states": [
                {
                    "name": text(s),
                    "name_latex": latex(s),
                    "initial": self._both(first),
                    "step": self._both(new),
                }
                for s, first, new in zip(state, args[1:], update, strict=True)
            ],
        }

    def _both(self, shown: Expr) -> Json:
        return {"text": text(shown), "latex": latex(shown, self._letters)}


def _widths(order: Iterable[Expr]) -> dict[Expr, int]:
    """Width of each node when nothing but its named parts is shown by name."""
    found: dict[Expr, int] = {}
    for e in order:
        found[e] = width(e, [found[a] for a in e.args])
    return found


def _bodies(roots: Iterable[Expr], order: Iterable[Expr]) -> list[Expr]:
    """Formulas that are shown on lines of their own."""
    found = dict.fromkeys(e.args[0] if e.op == "let" else e for e in roots)
    for e in order:
        if e.op == "let":
            found[e.args[0]] = None
        elif e.op == "recur":
            found.update(dict.fromkeys(children(e)[1:]))
    return list(found)


def _too_wide(e: Expr, widths: Mapping[Expr, int]) -> list[Expr]:
    """Arguments that leave a line no place to break, the node not being a sum."""
    if e.op not in ("mul", "pow", "fn", "max", "min", "chs"):
        return []
    alone = e.op == "mul"
    if not alone and sum(widths[a] for a in e.args) <= LINE:
        return []
    room = LINE if alone else max(NAME, LINE // len(e.args))
    return [a for a in e.args if widths[a] > room and a.op not in ("let", "recur")]


def _crowded(body: Expr, widths: Mapping[Expr, int]) -> bool:
    """Whether a formula has a part that is too wide for a line."""
    stack, seen = [body], {body}
    while stack:
        e = stack.pop()
        if e.op in ("let", "recur"):
            continue
        if _too_wide(e, widths):
            return True
        fresh = [a for a in e.args if a not in seen]
        seen.update(fresh)
        stack += fresh
    return False


def _repeated(bodies: Iterable[Expr], widths: Mapping[Expr, int]) -> set[Expr]:
    """What stands at least twice in one of the formulas and is worth a name."""
    found: set[Expr] = set()
    for body in bodies:
        times: Counter[Expr] = Counter()
        stack, seen = [body], {body}
        while stack:
            e = stack.pop()
            if e.op in ("let", "recur"):
                continue
            for a in e.args:
                times[a] += 1
                if a not in seen:
                    seen.add(a)
                    stack.append(a)
        found |= {
            e for e, n in times.items()
            if n > 1 and widths[e] >= NAME and e.op not in ("let", "recur")
        }
    return found


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
