"""The symbols of a file, the formulas read with them, and what can be decided of these."""

from __future__ import annotations

from fractions import Fraction

from flint import arb

from govcheck.bounds.evaluate import evaluate, free_symbols
from govcheck.bounds.expr import Expr
from govcheck.spec.exact import exact
from govcheck.spec.formula import Normalisation, parse_formula
from govcheck.spec.names import shown
from govcheck.spec.tokens import FormulaError
from govcheck.spec.tree import ListNode, MapNode, Node, Problems


class Scope:
    """Declared symbols and their values.

    Args:
        problems: where problems of formulas go.
        symbols: symbols by name.
        values: formulas without symbols, for those with a value.
        normalisation: what ``c_sigma(NAME)`` means, see `parse_formula`.
    """

    def __init__(
        self,
        problems: Problems,
        symbols: dict[str, Expr],
        values: dict[Expr, Expr],
        normalisation: Normalisation | None = None,
    ) -> None:
        self.normalisation = normalisation
        self.problems = problems
        self.symbols = symbols
        self.values = values
        self._env = {s: evaluate(v, {}) for s, v in values.items()}
        self._memo: dict[Expr, arb] = {}
        self._read: dict[str, Expr] = {}
        self._exact: dict[Expr, Fraction | None] = {}
        self._counts: dict[tuple[Expr, int], str] = {}

    def formula(self, at: Node, what: str) -> Expr | None:
        """The formula a scalar holds; None with a problem recorded.

        Args:
            at: the node.
            what: what the formula stands for, for messages.
        """
        if isinstance(at, ListNode | MapNode):
            kind = "list" if isinstance(at, ListNode) else "mapping"
            self.problems.add("wrong-type", f"{what} takes a formula, not a {kind}", at,
                              "write a number or a formula such as 1/sqrt(m)")
            return None
        if at.null:
            self.problems.add("wrong-type", f"{what} has no value", at,
                              "write a number or a formula such as 1/sqrt(m)")
            return None
        known = self._read.get(at.text)
        if known is not None:
            return known
        try:
            read = parse_formula(at.text, self.symbols, self.normalisation)
        except FormulaError as error:
            self.problems.add(error.code, f"{what}: {error.message}", at, error.hint, error.offset)
            return None
        trouble = self.trouble(read)
        if trouble:
            self.problems.add("no-value", f"{what}: {trouble}", at,
                              "change the formula or the values of its symbols")
            return None
        self._read[at.text] = read
        return read

    def trouble(self, e: Expr) -> str:
        """Why a formula has no value although its symbols have; empty if it has one."""
        try:
            value = self.ball(e)
        except (ValueError, ArithmeticError) as error:
            return str(error)
        if value is not None and not value.is_finite():
            return f"{shown(repr(e))} has no finite value"
        return ""

    def ball(self, e: Expr) -> arb | None:
        """Enclosure of the value; None if a symbol has none.

        Raises:
            EvaluationError: if there is no real value.
        """
        if e.is_number:
            return evaluate(e, {})
        return None if self.free(e) else evaluate(e, self._env, self._memo)

    def exact(self, e: Expr) -> Fraction | None:
        """The value if it is rational and provably so."""
        if e not in self._exact:
            self._exact[e] = exact(e, self.values)
        return self._exact[e]

    def free(self, e: Expr) -> list[str]:
        """Names of the symbols in a formula that have no value."""
        return [s.payload.name for s in free_symbols(e, self._env)]

    def not_integer(self, e: Expr, least: int) -> str:
        """Why a formula is not an integer of at least `least`; empty if it may be one."""
        if (e, least) not in self._counts:
            self._counts[e, least] = self._not_integer(e, least)
        return self._counts[e, least]

    def _not_integer(self, e: Expr, least: int) -> str:
        wanted = "a positive integer" if least == 1 else "a non-negative integer"
        value = self.exact(e)
        label = shown(repr(e))
        if value is not None:
            if value.denominator == 1 and value >= least:
                return ""
            size = f"{value}" if _short(value) else "too large or too small"
            return f"{label} is {size}, not {wanted}" if not e.is_number else (
                f"{size} is not {wanted}")
        try:
            ball = self.ball(e)
        except (ValueError, ArithmeticError) as error:
            return f"{label} has no value: {error}"
        if ball is None:
            return ""
        if not ball.contains_integer() or ball < least:
            return f"{label} is {ball.str(8, radius=False)}, not {wanted}"
        return f"{label} cannot be shown to be an integer"

    def definitely_below(self, e: Expr, limit: int, *, or_equal: bool = False) -> bool:
        """Whether the value is known and below `limit` (or equal to it)."""
        value = self.ball(e)
        return value is not None and bool(value <= limit if or_equal else value < limit)


def _short(x: Fraction) -> bool:
    return max(x.numerator.bit_length(), x.denominator.bit_length()) < 100
