"""Leading behaviour of a formula as the widths of a network grow, in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from flint import arb

from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import EvaluationError, evaluate
from govcheck.bounds.expr import Expr
from govcheck.bounds.printing import text
from govcheck.bounds.walk import symbols_of

Powers = tuple[tuple[Expr, Fraction], ...]
NONE: Final[Powers] = ()


class NoKernelError(Exception):
    """There is no limiting kernel; `unknown` says why."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(unknown.reason)
        self.unknown = unknown

    @classmethod
    def because(cls, reason: str) -> NoKernelError:
        """One cause, to be located by the engine."""
        return cls(Unknown.because(reason, quantity="kernel"))


@dataclass(frozen=True)
class Leading:
    """``coefficient * product of width^power``: the leading term of a formula.

    The coefficient is 0 only if the formula is identically 0.
    """

    coefficient: float
    powers: Powers = NONE

    @property
    def degree(self) -> Fraction:
        """The power of a common scale of all widths."""
        return sum((p for _, p in self.powers), Fraction(0))

    def __mul__(self, other: Leading) -> Leading:
        total = dict(self.powers)
        for s, p in other.powers:
            total[s] = total.get(s, Fraction(0)) + p
        if self.coefficient == 0 or other.coefficient == 0:
            return Leading(0.0)
        return Leading(self.coefficient * other.coefficient, _powers(total))

    def power(self, exponent: Fraction) -> Leading:
        """A rational power.

        Raises:
            NoKernelError: for a root of a negative number or a negative power of 0.
        """
        if exponent < 0 and self.coefficient == 0:
            raise NoKernelError.because("a factor divides by 0")
        if exponent.denominator != 1 and self.coefficient < 0:
            raise NoKernelError.because("a factor is the root of a negative number")
        value = self.coefficient ** (int(exponent) if exponent.denominator == 1 else
                                     float(exponent))
        return Leading(value, _powers({s: p * exponent for s, p in self.powers}))


def _powers(total: Mapping[Expr, Fraction]) -> Powers:
    kept = [(s, p) for s, p in total.items() if p]
    return tuple(sorted(kept, key=lambda item: str(item[0].payload.name)))


class Limits:
    """Limits of formulas as all widths tend to infinity together.

    Args:
        values: a ball for each symbol with a value; values of widths are not used.
        widths: the symbols that tend to infinity.
    """

    def __init__(self, values: Mapping[Expr, arb], widths: frozenset[Expr]) -> None:
        self.values = {s: v for s, v in values.items() if s not in widths}
        self.widths = widths
        self._found: dict[Expr, Leading] = {}

    def limit(self, e: Expr, what: str) -> float:
        """The limit of a formula, finite and not 0 unless the formula is 0.

        Raises:
            NoKernelError: saying how it diverges or vanishes; `what` names it in the text.
        """
        found = self.leading(e)
        if not found.powers:
            return found.coefficient
        how = "diverges" if found.degree > 0 else "vanishes" if found.degree < 0 else "goes"
        like = " ".join(f"{s.payload.name}^({p})" for s, p in found.powers)
        raise NoKernelError.because(f"{what} {how} like {like.replace('^(1)', '')} "
                                    "as the width grows")

    def leading(self, e: Expr) -> Leading:
        """The leading term.

        Raises:
            NoKernelError: if there is none that this method can find.
        """
        found = self._found.get(e)
        if found is None:
            found = self._found[e] = self._leading(e)
        return found

    def _leading(self, e: Expr) -> Leading:
        if e in self.widths:
            return Leading(1.0, ((e, Fraction(1)),))
        if not any(s in self.widths for s in symbols_of(e)):
            return Leading(self.value(e))
        match e.op:
            case "let":
                return self.leading(e.args[0])
            case "mul":
                total = Leading(float(e.payload[0]))
                for base, exponent in zip(e.args, e.payload[1:], strict=True):
                    total = total * self.leading(base).power(Fraction(exponent))
                return total
            case "add":
                terms = [Leading(float(e.payload[0]))] if e.payload[0] else []
                terms += [Leading(float(c)) * self.leading(a)
                          for c, a in zip(e.payload[1:], e.args, strict=True)]
                return self._sum(terms, e)
            case "pow" if not any(s in self.widths for s in symbols_of(e.args[1])):
                exponent = Fraction(self.value(e.args[1]))
                return self.leading(e.args[0]).power(exponent)
        raise NoKernelError.because(f"{text(e)} is no sum of powers of the width")

    def _sum(self, terms: list[Leading], e: Expr) -> Leading:
        terms = [t for t in terms if t.coefficient]
        if not terms:
            return Leading(0.0)
        top = max(t.degree for t in terms)
        best = [t for t in terms if t.degree == top]
        if len({t.powers for t in best}) > 1:
            raise NoKernelError.because(f"{text(e)} depends on how widths grow against each other")
        total = math.fsum(t.coefficient for t in best)
        if abs(total) <= 1e-12 * sum(abs(t.coefficient) for t in best):
            raise NoKernelError.because(f"the leading terms of {text(e)} cancel")
        return Leading(total, best[0].powers)

    def value(self, e: Expr) -> float:
        """Value of a formula without widths.

        Raises:
            NoKernelError: if a symbol has no value.
        """
        try:
            return float(evaluate(e, self.values).mid())
        except EvaluationError as error:
            raise NoKernelError.because(str(error)) from None
