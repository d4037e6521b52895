"""What an answer about a quantity is: a proven formula with its derivation, or Unknown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Union

from govcheck.bounds.expr import (
    ZERO,
    Expr,
    ExprLike,
    add,
    as_expr,
    largest_eigenvalue,
    maximum,
    minimum,
    mul,
    root_sum_square,
)

Sense = Literal["upper", "lower"]
CauseKind = Literal["", "unbounded", "not smooth", "undeclared", "not PL"]

UPPER: tuple[str, ...] = ("out", "out_spec", "J", "D", "xx", "xt", "tt")
LOWER: tuple[str, ...] = ("sigma_J", "sigma_D", "out_inj")
QUANTITIES: tuple[str, ...] = UPPER + LOWER
"""The constants of section 2 of the bound calculus, which people ask for."""

AUXILIARY: tuple[str, ...] = ("out_max", "J_rows", "D_rows")
"""Upper bounds carried along because they make those of second order smaller."""

LOCAL: tuple[str, ...] = ("J_inf", "xx_inf", "sigma_skip")
"""What only a layer by itself declares; `sigma_skip` is a lower bound."""

CARRIED: tuple[str, ...] = QUANTITIES + AUXILIARY


def sense_of(quantity: str) -> Sense:
    """Whether a quantity is bounded from above or from below."""
    return "lower" if quantity in LOWER or quantity == "sigma_skip" else "upper"



MEANING: dict[str, str] = {
    "out": "Frobenius norm of the output, all samples together",
    "out_spec": "operator norm of the output as a features x samples matrix",
    "out_inj": "smallest |Z v| over unit v, Z the output as a features x samples matrix",
    "J": "operator norm of the derivative in the input",
    "D": "operator norm of the derivative in the parameters",
    "xx": "norm of the second derivative in the input",
    "xt": "norm of the mixed second derivative in input and parameters",
    "tt": "norm of the second derivative in the parameters",
    "sigma_J": "surjectivity modulus of the derivative in the input",
    "sigma_D": "surjectivity modulus of the derivative in the parameters",
    "out_max": "largest Euclidean norm of the output of one sample",
    "J_rows": "largest Euclidean norm of a row of the derivative in the input",
    "D_rows": "largest Euclidean norm of a row of the derivative in the parameters",
    "J_inf": "norm of the derivative in the input from max norm to max norm",
    "xx_inf": "|second derivative in the input [h, k]|_2 over |h|_max |k|_2",
    "sigma_skip": "surjectivity modulus of the identity plus the derivative in the input",
}


@dataclass(frozen=True)
class Ref:
    """A place in the literature, with the errata that concern it."""

    source: str
    place: str
    errata: tuple[str, ...] = ()

    def __str__(self) -> str:
        tail = f" (erratum {', '.join(self.errata)})" if self.errata else ""
        return f"[{self.source}] {self.place}{tail}"


@dataclass(frozen=True)
class Cause:
    """The layer at which an answer is lost, and why.

    Args:
        node: the layer.
        quantity: what it was asked for.
        reason: for people.
        kind: for decisions: a parameter is ``unbounded`` on the set, a map is ``not smooth``
            (its derivative jumps), a layer leaves the question ``undeclared``, a cost is
            ``not PL``; empty where none of these is known.
    """

    node: str
    quantity: str
    reason: str
    kind: CauseKind = ""


MAX_CAUSES = 6


@dataclass(frozen=True)
class Unknown:
    """No bound: not on this set, not for this layer, or not by the rules we have.

    Args:
        causes: the leaf-most places where the answer is lost.
        more: number of further causes that are not listed.
    """

    causes: tuple[Cause, ...]
    more: int = 0

    @staticmethod
    def because(
        reason: str, *, node: str = "", quantity: str = "", kind: CauseKind = ""
    ) -> Unknown:
        """An Unknown with one cause; the core fills in node and quantity."""
        return Unknown((Cause(node, quantity, reason, kind),))

    def located(self, node: str, quantity: str) -> Unknown:
        """The same answer with empty places filled in."""
        return Unknown(
            tuple(
                replace(c, node=c.node or node, quantity=c.quantity or quantity)
                for c in self.causes
            ),
            self.more,
        )

    @property
    def reason(self) -> str:
        """All listed causes in one sentence."""
        shown: dict[str, list[str]] = {}
        for c in self.causes:
            shown.setdefault(c.reason, []).append(c.node)
        parts = []
        for why, nodes in shown.items():
            where = ", ".join(dict.fromkeys(n for n in nodes if n))
            parts.append(f"{where}: {why}" if where else why)
        tail = f" (and at {self.more} more places)" if self.more else ""
        return "; ".join(parts) + tail


Value = Union[Expr, Unknown]


@dataclass(frozen=True, eq=False)
class Bound:
    """An answer about one quantity at one place.

    Use `LocalBound` for a layer by itself and `ComposedBound` for a map made of several;
    the two are different types so that one cannot stand for the other.

    Args:
        quantity: one of `QUANTITIES`, or a name of the loss (``beta``, ``mu``, ...).
        node: the place it speaks of.
        value: the formula, or Unknown.
        sense: whether the formula bounds from above or from below.
        rule: the rule it follows by, in one phrase.
        ref: where the rule is proved.
        premises: the answers the rule used.
        note: tightness or the set over which it holds, in words.
    """

    quantity: str
    node: str
    value: Value
    sense: Sense
    rule: str
    ref: Ref
    premises: tuple[Bound, ...] = field(default=(), repr=False)
    note: str = ""

    @property
    def known(self) -> bool:
        """Whether there is a formula."""
        return not isinstance(self.value, Unknown)

    @property
    def expr(self) -> Expr:
        """The formula.

        Raises:
            ValueError: if the answer is Unknown; the text says why.
        """
        if isinstance(self.value, Unknown):
            raise ValueError(f"{self.quantity} at {self.node} is unknown: {self.value.reason}")
        return self.value

    def text(self) -> str:
        """The formula in plain text, or the reason why there is none."""
        from govcheck.bounds.printing import text

        return f"unknown: {self.value.reason}" if isinstance(self.value, Unknown) else text(
            self.value
        )

    def latex(self) -> str:
        """The formula in LaTeX; shared parts by name, see `printing.definitions`."""
        from govcheck.bounds.printing import latex

        if isinstance(self.value, Unknown):
            return r"\text{unknown}"
        return latex(self.value)

    def _repr_latex_(self) -> str:
        from govcheck.report.jupyter import bound_latex

        return bound_latex(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        from govcheck.report.jupyter import bound_text

        printer.text(bound_text(self))


@dataclass(frozen=True, eq=False, repr=False)
class LocalBound(Bound):
    """An answer about one layer by itself, on a stated input set."""


@dataclass(frozen=True, eq=False, repr=False)
class ComposedBound(Bound):
    """An answer about a map composed of layers, from a stated start."""


def merge_unknown(values: Iterable[Value]) -> Unknown | None:
    """The causes of all Unknown values together, or None if there is none."""
    causes: dict[Cause, None] = {}
    more = 0
    for v in values:
        if isinstance(v, Unknown):
            causes.update(dict.fromkeys(v.causes))
            more = max(more, v.more)
    if not causes:
        return None
    listed = tuple(causes)
    return Unknown(listed[:MAX_CAUSES], more + max(0, len(listed) - MAX_CAUSES))


def v_add(*values: Value) -> Value:
    """Sum; Unknown if a summand is."""
    return merge_unknown(values) or add(*(v for v in values if isinstance(v, Expr)))


def v_mul(*values: Value | ExprLike) -> Value:
    """Product; a factor that is identically 0 wins over Unknown.

    That is sound because a factor 0 stands for a derivative that vanishes identically:
    the term of the chain rule that contains it is absent, whatever the other factor is.
    """
    plain = [v if isinstance(v, Unknown) else as_expr(v) for v in values]
    if any(v is ZERO for v in plain):
        return ZERO
    return merge_unknown(plain) or mul(*(v for v in plain if isinstance(v, Expr)))


def v_square(value: Value) -> Value:
    """Square."""
    return value if isinstance(value, Unknown) else value**2


def v_rss(*values: Value) -> Value:
    """Root of the sum of squares."""
    return merge_unknown(values) or root_sum_square(*(v for v in values if isinstance(v, Expr)))


def v_max(*values: Value) -> Value:
    """Maximum; Unknown if one is."""
    return merge_unknown(values) or maximum(*(v for v in values if isinstance(v, Expr)))


def v_best(values: Iterable[Value], sense: Sense) -> Value:
    """The best of several answers to one question: Unknown only if all are."""
    all_values = list(values)
    known = [v for v in all_values if isinstance(v, Expr)]
    if known:
        return minimum(*known) if sense == "upper" else maximum(*known)
    unknown = merge_unknown(all_values)
    return unknown or Unknown.because("no rule gives this quantity")


def v_eigenvalue(p: Value, q: Value, r: Value) -> Value:
    """Largest eigenvalue of ``[[p, q], [q, r]]``."""
    unknown = merge_unknown((p, q, r))
    if unknown:
        return unknown
    assert isinstance(p, Expr) and isinstance(q, Expr) and isinstance(r, Expr)
    return largest_eigenvalue(p, q, r)
