"""What theorems say about the loss along gradient descent, step by step.

With a beta-smooth loss, a step of size ``eta < 2/beta`` that stays in the parameter set gives

    l_{k+1} <= l_k - (eta - beta eta^2/2) |grad l(theta_k)|^2,

and where ``|grad l|^2 >= mu l`` (infimum 0) the loss falls by the factor
``1 - mu (eta - beta eta^2/2)``; where ``|grad l| >= s l`` instead, ``1/l`` grows by at least
``s^2 (eta - beta eta^2/2)``. All three need beta between two iterates (the sets are convex) and
mu or s at the iterates alone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import ComposedBound
from govcheck.bounds.domain import EntriesWithin
from govcheck.bounds.evaluate import EvaluationError, ball, evaluate
from govcheck.bounds.expr import Expr, sym
from govcheck.numeric.train.step_size import lower_float, upper_float
from govcheck.theorems.protocol import Verdict

ROUNDING = 256
"""A loss counts as above a bound if it is by more than so many roundings of its parts."""

STEPS = ("eta", "eta*")
"""Names of conclusions that are the step size which a conclusion ``rate`` is for."""

SAME = 1e-9
"""Relative distance up to which a step size is the one that a theorem names."""


@dataclass(frozen=True)
class Point:
    """One iterate.

    Args:
        step: its number.
        loss: of all samples, measured.
        gradient_norm: measured.
        step_size: of the step that follows.
        output_norm: Frobenius norm of all outputs.
        parameter_norm: of all parameters together.
        unit: the rounding unit of the arithmetic.
        outside: why it is not in the parameter set; empty if it is.
        largest: largest absolute entry of a parameter, by (node, parameter).
    """

    step: int
    loss: float
    gradient_norm: float
    step_size: float
    output_norm: float
    parameter_norm: float
    unit: float
    outside: str
    largest: Callable[[str, str], float]


class Envelope(ABC):
    """A bound of the loss that follows the iterates.

    Args:
        theorem: whose conclusion it is.
        statement: the inequality in words.
        beta: of the loss, an upper bound.
        curvature: of the cost in the outputs, an upper bound.
    """

    fresh: ClassVar[bool] = False
    """Whether each bound starts from the loss measured one step before."""

    wrong_step: ClassVar[str] = "the step size is not below 2/beta"

    def __init__(self, theorem: str, statement: str, beta: arb, curvature: float) -> None:
        self.theorem, self.statement = theorem, statement
        self.beta, self.curvature = beta, curvature
        self.value = math.inf
        self.noise = 0.0
        self.ended = ""
        self.checked = 0
        self._gain: tuple[float, arb] | None = None

    def look(self, point: Point) -> float | None:
        """The bound of the loss at this iterate, or None where there is none.

        Args:
            point: iterates in order, none left out, each passed to `advance` afterwards.
        """
        if point.outside and not self.ended:
            self.ended = f"step {point.step}: {point.outside}"
        if self.ended:
            return None
        if point.step == 0:
            self.value = point.loss
        self.checked = point.step
        return self.value

    def allowed(self, point: Point) -> float:
        """The bound with room for rounding.

        A cost with curvature G is at most ``(sqrt(l) + sqrt(G/2) d)^2`` for outputs that are
        wrong by d; rounding the parameters changes the loss by ``|grad| u |theta|`` a step.
        """
        steps = 1 if self.fresh else point.step + 1
        wrong = steps * ROUNDING * point.unit * math.sqrt(self.curvature / 2) * point.output_norm
        here = ROUNDING * point.unit * point.gradient_norm * point.parameter_norm
        return (math.sqrt(max(self.value, 0.0)) + wrong) ** 2 + self.noise + here

    def advance(self, point: Point) -> None:
        """Make the bound of the next iterate."""
        if self.ended:
            return
        gain = self._gained(point.step_size)
        if not gain > 0:
            self.ended = f"step {point.step}: {self.wrong_step}"
            return
        after = self.next(point, gain)
        if isinstance(after, str):
            self.ended = f"step {point.step}: {after}"
            return
        self.value = math.nextafter(after, math.inf)
        rounding = ROUNDING * point.unit * point.gradient_norm * point.parameter_norm
        self.noise = rounding if self.fresh else self.noise + rounding

    def _gained(self, step_size: float) -> arb:
        """``eta - beta eta^2/2``."""
        if self._gain is None or self._gain[0] != step_size:
            eta = ball(step_size)
            self._gain = step_size, eta - self.beta * eta**2 / 2
        return self._gain[1]

    @abstractmethod
    def next(self, point: Point, gain: arb) -> float | str:
        """The bound after a step from `point`, rounded up, or why there is none."""

    def memory(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"theorem": self.theorem, "value": self.value, "noise": self.noise,
                "ended": self.ended, "checked": self.checked}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.value, self.noise = float(memory["value"]), float(memory["noise"])
        self.ended, self.checked = str(memory["ended"]), int(memory["checked"])

    def report(self, point: Point) -> dict[str, Any]:
        """The bound of the loss at the last iterate and how far the loss is below it."""
        bound = None if self.ended else self.value
        # a bound that is smaller than what rounding leaves says nothing about the measured loss
        resolved = bound is not None and bound > self.allowed(point) - bound
        ratio = point.loss / bound if bound and resolved else None
        return {"theorem": self.theorem, "statement": self.statement, "bound": bound,
                "ratio": ratio, "resolved": resolved, "checked": self.checked,
                "ended": self.ended}


class Descent(Envelope):
    """A smooth loss falls by at least so much in each step."""

    fresh = True

    def next(self, point: Point, gain: arb) -> float:
        return upper_float(ball(point.loss) - gain * ball(point.gradient_norm) ** 2)


class Linear(Envelope):
    """A smooth PL loss falls by a factor in each step.

    Args:
        theorem, statement, beta, curvature: see `Envelope`.
        mu: of the loss at an iterate, or why there is none.
    """

    def __init__(
        self, theorem: str, statement: str, beta: arb, curvature: float,
        mu: Callable[[Point], arb | str],
    ) -> None:
        super().__init__(theorem, statement, beta, curvature)
        self.mu = mu

    def next(self, point: Point, gain: arb) -> float | str:
        mu = self.mu(point)
        if isinstance(mu, str):
            return mu
        factor = (1 - mu * gain).max(ball(0))
        return max(0.0, upper_float(ball(self.value) * factor))


class Sublinear(Envelope):
    """A smooth loss with ``|grad l| >= s l``: its inverse grows by so much in each step.

    Args:
        theorem, statement, beta, curvature: see `Envelope`.
        slope: s at an iterate, or why there is none.
    """

    def __init__(
        self, theorem: str, statement: str, beta: arb, curvature: float,
        slope: Callable[[Point], arb | str],
    ) -> None:
        super().__init__(theorem, statement, beta, curvature)
        self.slope = slope

    def next(self, point: Point, gain: arb) -> float | str:
        s = self.slope(point)
        if isinstance(s, str):
            return s
        if self.value == 0:
            return 0.0
        return upper_float(1 / (1 / ball(self.value) + s**2 * gain))


class Stated(Envelope):
    """A loss that falls by a factor in each step of one size.

    Args:
        theorem, statement, curvature: see `Envelope`.
        eta: the step size.
        rate: the factor.
    """

    wrong_step = "the step size is not the one that the theorem names"

    def __init__(
        self, theorem: str, statement: str, curvature: float, eta: float, rate: arb
    ) -> None:
        super().__init__(theorem, statement, ball(0), curvature)
        self.eta, self.rate = eta, rate

    def _gained(self, step_size: float) -> arb:
        return ball(int(self.eta * (1 - SAME) <= step_size <= self.eta))

    def next(self, point: Point, gain: arb) -> float:
        return max(0.0, upper_float(ball(self.value) * self.rate))


def envelopes(analysis: Analysis) -> tuple[list[Envelope], list[str]]:
    """One envelope for each theorem that applies and speaks of the loss along the way.

    Args:
        analysis: with its verdicts; only the corrected readings count.

    Returns:
        The envelopes, and why others are left out, one line each.
    """
    found: list[Envelope] = []
    remarks: list[str] = []
    curvature = _number(analysis, analysis.bounds.get("Gamma_2"))
    size = upper_float(curvature) if isinstance(curvature, arb) else 1.0
    for verdict in analysis.verdicts:
        named = {b.quantity for b in verdict.conclusions.values()}
        if verdict.reading != "as_corrected" or not named & {"beta", "rate"}:
            continue
        made: Envelope | str = f"it does not apply ({verdict.status})"
        if verdict.status == "applies":
            made = _of_verdict(analysis, verdict, size)
        if isinstance(made, str):
            remarks.append(f"no envelope from {verdict.theorem}: {made}")
        else:
            found.append(made)
    return found, remarks


def _of_verdict(analysis: Analysis, verdict: Verdict, curvature: float) -> Envelope | str:
    by_quantity = {b.quantity: b for b in verdict.conclusions.values()}
    if "beta" not in by_quantity:
        return _stated(analysis, verdict, curvature)
    beta = _number(analysis, analysis.bounds.get("beta"))
    if not isinstance(beta, arb):
        return f"beta has no value ({beta})"
    for quantity, kind in (("mu", Linear), ("speed", Sublinear)):
        if quantity not in by_quantity:
            continue
        measure = _measure(analysis, verdict, by_quantity[quantity], beta)
        if isinstance(measure, str):
            return measure
        inequality = (
            "the loss falls at least by the factor 1 - mu (eta - beta eta^2/2) in each step"
            if kind is Linear else "1/loss grows at least by s^2 (eta - beta eta^2/2) in each step"
        )
        if isinstance(near := verdict.within, EntriesWithin):
            inequality += f", at each iterate with R = max |{near.parameter}| of {near.node}"
        return kind(verdict.theorem, inequality, beta, curvature, measure)
    return Descent(
        verdict.theorem,
        "the loss falls at least by (eta - beta eta^2/2) |grad|^2 in each step",
        beta, curvature,
    )


def _measure(
    analysis: Analysis, verdict: Verdict, bound: ComposedBound, beta: arb
) -> Callable[[Point], arb | str] | str:
    """mu or the slope at an iterate, or why there is none."""
    if isinstance(verdict.within, EntriesWithin):
        return _along(analysis, verdict.within, bound.quantity)
    if verdict.within is not None:
        return "the set that it speaks of cannot be followed"
    value = _number(analysis, bound)
    if not isinstance(value, arb):
        return f"{bound.quantity} has no value ({value})"
    # the theorem's speed is that of step 1/beta, s^2/(2 beta)
    return _fixed(value if bound.quantity == "mu" else (2 * beta * value).sqrt())


def _stated(analysis: Analysis, verdict: Verdict, curvature: float) -> Envelope | str:
    step = next((verdict.conclusions[n] for n in STEPS if n in verdict.conclusions), None)
    if step is None or "rate" not in verdict.conclusions:
        return "it names no rate with a step size"
    eta = _number(analysis, step)
    rate = _number(analysis, verdict.conclusions["rate"])
    if not isinstance(eta, arb) or not isinstance(rate, arb):
        return f"its step size or rate has no value ({eta}, {rate})"
    chance = any(h.mode == "probability" for h in verdict.hypotheses)
    statement = f"the loss falls by the theorem's rate in each step of size {float(eta.mid()):.6g}"
    statement += ", with the theorem's probability over the initial weights" if chance else ""
    return Stated(verdict.theorem, statement, curvature, float(eta.mid()), rate)


def _fixed(constant: arb) -> Callable[[Point], arb | str]:
    def at(point: Point) -> arb | str:
        return constant

    return at


def _along(
    analysis: Analysis, near: EntriesWithin, quantity: str
) -> Callable[[Point], arb | str]:
    """mu or the slope where the entries of one parameter are at most what is measured."""
    radius = sym("R_k", "largest absolute entry at the iterate")
    inside = analysis.on(EntriesWithin(near.base, near.node, near.parameter, radius), order=1)
    formula: Expr | None = None
    if quantity == "mu" and inside["mu"].known:
        formula = inside["mu"].expr
    elif quantity == "speed" and inside["kappa_gamma"].known:
        formula = inside["kappa_gamma"].expr * inside["sigma_D"].expr
    cache: dict[float, arb | str] = {}

    def at(point: Point) -> arb | str:
        size = point.largest(near.node, near.parameter)
        if size not in cache:
            cache.clear()
            cache[size] = _at_radius(analysis, formula, radius, size)
        return cache[size]

    return at


def _at_radius(
    analysis: Analysis, formula: Expr | None, radius: Expr, size: float
) -> arb | str:
    if formula is None:
        return "there is no formula"
    try:
        return evaluate(formula, analysis.env | {radius: ball(size)})
    except EvaluationError as error:
        return str(error)


def _number(analysis: Analysis, bound: ComposedBound | None) -> arb | str:
    """The safe end of a bound's value, or why there is none."""
    if bound is None:
        return "there is none"
    value = analysis.value(bound)
    if not isinstance(value, arb):
        return value.reason if hasattr(value, "reason") else f"no value for {value.names}"
    safe = upper_float(value) if bound.sense == "upper" else max(0.0, lower_float(value))
    return ball(safe) if math.isfinite(safe) else "it is infinite"
