"""Proven bound, measured value, ratio: whether a measurement contradicts a bound."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import MEANING, ComposedBound, LocalBound, Sense, Unknown
from govcheck.bounds.evaluate import Missing
from govcheck.bounds.loss import LOSS_MEANING
from govcheck.numeric.measure.record import Measurement
from govcheck.report.numbers import outward

Status = Literal["holds", "alarm", "no bound", "no evidence"]

@dataclass(frozen=True, eq=False)
class Row:
    """One quantity.

    Args:
        quantity: its name.
        meaning: in words.
        sense: of the bound.
        bound: the end of the ball that is proven; None without a value.
        text: it as a decimal, rounded outward; or why there is none.
        measured: the measurement.
        status: ``alarm`` if the measurement is beyond the bound by more than its error;
            ``no evidence`` if it is not finite, or float32 and below its numerical floor.
    """

    quantity: str
    meaning: str
    sense: Sense
    bound: float | None
    text: str
    measured: Measurement
    status: Status

    @property
    def ratio(self) -> float | None:
        """How many times the bound is looser than what was measured: at least 1 where it
        holds, up to the error."""
        if self.bound is None or self.status == "no evidence":
            return None
        m = self.measured
        if not m.evidence or m.value <= 0:
            return None
        if self.sense == "upper":
            return self.bound / m.value
        return m.value / self.bound if self.bound > 0 else None

    @property
    def name(self) -> str:
        """The quantity, and of which layer it is."""
        where = self.measured.where
        return self.quantity if where == "network" else f"{self.quantity} of {where}"

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        relation = "at most" if self.sense == "upper" else "at least"
        m = self.measured
        return (
            f"{self.name} is proven to be {relation} {self.text}, but was measured as "
            f"{m.value:.10g} with an error of {max(m.error, 0.0):.1e}"
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        ratio = self.ratio
        return {
            "quantity": self.quantity, "meaning": self.meaning, "sense": self.sense,
            "bound": None if self.bound is None else self.text,
            "why_no_bound": self.text if self.bound is None else None,
            "ratio": ratio if ratio is None or math.isfinite(ratio) else None,
            "status": self.status, "measured": self.measured.as_json(),
        }


def rows(analysis: Analysis, measured: Iterable[Measurement]) -> list[Row]:
    """A row for each measurement of the whole network that a bound speaks of."""
    found = []
    for m in measured:
        if m.where == "network" and m.quantity in analysis.bounds:
            found.append(row(analysis, analysis.bounds[m.quantity], m))
    return found


def row(analysis: Analysis, bound: ComposedBound | LocalBound, m: Measurement) -> Row:
    """Compare one measurement with a bound that holds on a set containing its point."""
    meaning = MEANING.get(m.quantity) or LOSS_MEANING.get(m.quantity, "")
    value = analysis.value(bound.value)
    if isinstance(value, Unknown):
        return Row(m.quantity, meaning, bound.sense, None, value.reason, m, "no bound")
    if isinstance(value, Missing):
        why = f"no value for {', '.join(value.names)}"
        return Row(m.quantity, meaning, bound.sense, None, why, m, "no bound")
    upper = bound.sense == "upper"
    end = float((value.upper() if upper else value.lower()).mid())
    text = outward(value, bound.sense)
    if not math.isfinite(m.value) or (m.dtype != "float64" and not m.evidence):
        return Row(m.quantity, meaning, bound.sense, end, text, m, "no evidence")
    return Row(m.quantity, meaning, bound.sense, end, text, m,
               "alarm" if violates(value, bound.sense, m) else "holds")


def violates(bound: arb, sense: Sense, m: Measurement) -> bool:
    """Whether a measurement is beyond a bound by more than its error."""
    if not math.isfinite(m.value):
        return False
    if sense == "upper":
        return bool(arb(m.low) > bound.upper())
    return bool(arb(m.high) < bound.lower())
