"""A bound with its value and derivation, as something to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from govcheck.analysis import Analysis
from govcheck.bounds.answer import MEANING, Bound
from govcheck.bounds.expr import Expr
from govcheck.bounds.letters import quantity_latex
from govcheck.bounds.loss import LOSS_MEANING
from govcheck.report.derivation import Gap, Step, abridged, derivation
from govcheck.report.formulas import Notation
from govcheck.report.jupyter import COMMAND, SIGN, number_latex
from govcheck.report.lookup import find
from govcheck.report.numbers import Numbers


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a constant is bounded: its value, and the steps that lead to it.

    Shown in notebooks as Markdown with formulas, elsewhere as text.

    Args:
        analysis: that the bound is of.
        about: what it speaks of, in words.
        bound: the answer.
        full: all steps, however many.
    """

    analysis: Analysis
    about: str
    bound: Bound
    full: bool = False

    @property
    def value(self) -> str | None:
        """The number as a decimal on the safe side, or None."""
        value = self.bound.value
        if not isinstance(value, Expr):
            return None
        return Numbers(self.analysis.env).of(value, self.bound.sense).text

    def __str__(self) -> str:
        lines = [self._headline()]
        for s in self._steps():
            if isinstance(s, Gap):
                lines.append(f"  ... steps {s.first} to {s.last} left out")
                continue
            sign = SIGN[s.sense] + " " if s.known else ""
            value = "" if s.value is None or s.value.text in (None, s.text) else (
                f" {SIGN[s.sense]} {s.value.text}")
            lines.append(f"  {s.number}. {_place(s)} {sign}{s.text}{value}  [{_why(s)}]")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_markdown_(self) -> str:
        """Numbered steps, then the names that the formula uses."""
        lines = [f"**{_plain(self._headline())}**", ""]
        for s in self._steps():
            if isinstance(s, Gap):
                lines.append(f"- … steps {s.first} to {s.last} are left out")
                continue
            name = quantity_latex(s.quantity)
            where = s.node if s.node.startswith("before ") else f"of {s.node}"
            said = f"${name}$ {_plain(where)}{' by itself' if s.local else ''}"
            if s.known:
                said += f": ${COMMAND[s.sense]} {s.latex}$"
                if s.value is not None and s.value.text not in (None, s.text):
                    said += f" ${COMMAND[s.sense]} {number_latex(str(s.value.text))}$"
            else:
                said += f": {_plain(s.text)}"
            lines.append(f"{s.number}. {said}  \n   _{_plain(_why(s))}_")
        names = self._names()
        if names:
            lines += ["", "where", ""]
            lines += [f"- ${d['name_latex']} = {d['latex']}$" for d in names]
        return "\n".join(lines)

    def _headline(self) -> str:
        q = self.bound.quantity
        meaning = MEANING.get(q) or LOSS_MEANING.get(q, "")
        value = self.value
        number = "" if value is None else f" {SIGN[self.bound.sense]} {value}"
        head = f"{q} of {self.about}{number}"
        return f"{head} ({meaning}; {self.analysis.domain.describe()})" if meaning else head

    def _steps(self) -> list[Step | Gap]:
        steps = derivation(self.bound, Numbers(self.analysis.env))
        return list(steps) if self.full else abridged(steps)

    def _names(self) -> list[dict[str, Any]]:
        value = self.bound.value
        found = Notation([value]).definitions() if isinstance(value, Expr) else []
        return found if self.full else found[:20]


def explain(analysis: Analysis, target: str, *, full: bool = False) -> Explanation:
    """The derivation of a constant.

    Args:
        analysis: from `govcheck.analyze`.
        target: ``beta`` for a constant of the network or the loss, ``J@tanh`` for one of a
            layer or of the map up to a block; the layer by itself where both exist.
        full: all steps, however many.

    Raises:
        InputError: for a quantity or node that does not exist.
    """
    found = find(analysis, target)[0]
    return Explanation(analysis, found.about, found.bound, full)


def _place(s: Step) -> str:
    where = s.node if s.node.startswith("before ") else f"of {s.node}"
    return f"{s.quantity} {where}" + (" by itself" if s.local else "")


def _why(s: Step) -> str:
    numbers = ", ".join(map(str, s.premises))
    return s.rule + (f", from {numbers}" if numbers else "") + f"; {s.ref}" + (
        f"; {s.note}" if s.note else "")


def _plain(words: str) -> str:
    """Words in which Markdown finds nothing."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#$" else c for c in words)
