"""Printed bound, derived bound, bound near the iterates, measured value: in that order.

Constants are compared on a short run of gradient descent, whose iterates every set contains.
Rates are compared at the step size that each bound itself allows, from the same start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, Literal

import torch
from flint import arb
from torch import Tensor

from govcheck.analysis import Analysis
from govcheck.bounds.answer import MEANING, ComposedBound, Sense, Unknown
from govcheck.bounds.domain import EntriesWithin
from govcheck.bounds.evaluate import Missing
from govcheck.bounds.loss import LOSS_MEANING
from govcheck.numeric.initial import leaf_name
from govcheck.numeric.measure.gram import grams, spectrum
from govcheck.numeric.measure.hessian import hessian_extremes
from govcheck.numeric.measure.products import Products
from govcheck.numeric.measure.record import Budget, Measurement
from govcheck.numeric.measure.run import singular
from govcheck.numeric.measure.scalars import ROUNDING, loss_numbers, rounding
from govcheck.numeric.measure.sets import Proven, in_mode, proven
from govcheck.numeric.measure.subject import Subject
from govcheck.numeric.measure.table import violates
from govcheck.plugin.registry import Registry
from govcheck.report.numbers import outward
from govcheck.theorems.protocol import Verdict

QUANTITIES: Final = ("beta", "D", "sigma_D", "mu")
RATE_STEPS: Final = 5
NEAR: Final = 1e-2
DIGITS: Final = 3
HALVINGS: Final = 12
EQUAL: Final = 1e-12
"""Bounds that differ by less, relatively, count as equal."""

State = Literal["holds", "alarm", "contradicted", "unproven", "no bound"]


@dataclass(frozen=True, eq=False)
class Link:
    """One bound of a chain.

    Args:
        of: ``printed``, ``derived``, ``local``, or a theorem's name.
        value: what is claimed; None where there is nothing, `text` then says why.
        text: decimal, rounded outward.
        state: ``alarm`` if a measurement contradicts a proven bound, ``contradicted`` if it
            contradicts a printed one; ``unproven`` where a printed one claims more than is
            proven on the same set.
        measured: what it was compared with.
    """

    of: str
    value: arb | None
    text: str
    state: State
    measured: Measurement


@dataclass(frozen=True, eq=False)
class Chain:
    """The bounds of one quantity from the weakest on, and the measurement they end at."""

    quantity: str
    meaning: str
    sense: Sense
    links: tuple[Link, ...]

    @property
    def measured(self) -> Measurement:
        """At the step size that the last bound allows, for a rate."""
        return self.links[-1].measured

    @property
    def ordered(self) -> bool:
        """Whether each bound is at least as strong as the one before, and the measurement
        within all."""
        ends = [self._end(k.value) for k in self.links if k.value is not None]
        sign = 1 if self.sense == "upper" else -1
        falling = all(
            sign * (a - b) >= -EQUAL * max(abs(a), abs(b)) for a, b in pairwise(ends)
        )
        return falling and all(
            k.state in ("holds", "no bound") for k in self.links
        )

    def _end(self, value: arb) -> float:
        return float((value.upper() if self.sense == "upper" else value.lower()).mid())

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "quantity": self.quantity, "meaning": self.meaning, "sense": self.sense,
            "ordered": self.ordered, "measured": self.measured.as_json(),
            "bounds": [
                {"of": k.of, "bound": None if k.value is None else k.text, "state": k.state,
                 "why_none": k.text if k.value is None else None,
                 "compared_with": k.measured.value}
                for k in self.links
            ],
        }


@dataclass(eq=False)
class Chains:
    """All chains.

    Args:
        sets: where the bounds hold, by name.
        steps: of the run, and their size.
        size: of the steps of the run.
        chains: one for each quantity.
        notes: what is contradicted, or could not be compared.
    """

    sets: dict[str, str]
    steps: int
    size: float
    chains: list[Chain] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def alarms(self) -> list[str]:
        """Proven bounds that a measurement contradicts."""
        return [_sentence(c, k) for c in self.chains for k in c.links if k.state == "alarm"]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"sets": self.sets, "steps": self.steps, "step_size": self.size,
                "chains": [c.as_json() for c in self.chains], "notes": self.notes,
                "alarms": self.alarms}


def chains(
    analysis: Analysis,
    s: Subject,
    start: Tensor,
    registry: Registry,
    *,
    steps: int = 20,
    budget: Budget = Budget(),  # noqa: B008
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> Chains:
    """Compare bounds for beta, D, sigma_D, mu and the rate with what a short run attains.

    ``printed`` and ``derived`` hold on the file's set, enlarged if the run leaves it; ``local``
    holds where each layer stays within the largest distance from the initial weights that the
    run reached. Measured constants are the most extreme of three iterates.

    Args:
        analysis: tight, with its verdicts, whose conclusions become chains of their own.
        s: the subject; the run begins at its parameters.
        start: initial parameters.
        registry: the plugins.
        steps: of the run, of size 1 over the measured ``|H|`` at its start, or of the half
            of that as often as needed to stay in the file's set.
        budget: of memory and time for each measurement.
        seed: of starts.
        progress: told what comes next.

    Raises:
        InputError: without loss, or if a Gram matrix does not fit into memory.
    """
    progress("the run")
    first = hessian_extremes(s, budget=budget, seed=seed)[-1].value
    size, points = _run(s, 1 / first if first > 0 else 0.0, steps,
                        proven(analysis, s, start, registry, "file"))
    reached = {
        "derived": proven(analysis, s, start, registry, "file", points),
        "local": proven(analysis, s, start, registry, "point", points),
        "printed": proven(in_mode(analysis, "paper", registry), s, start, registry, "file", points),
    }
    order = ("printed", "derived", "local")
    made = Chains({n: reached[n].words for n in order}, steps, size)
    measured = _constants(s, [points[0], points[steps // 2], points[-1]], budget, seed, progress)
    for q in QUANTITIES:
        links = tuple(
            _link(n, reached[n].analysis, reached[n].bounds[q], measured[q]) for n in order
        )
        made.chains.append(_chain(q, links))
    progress("rates")
    made.chains.append(_rates(s, reached, order, made.notes))
    if analysis.verdicts and reached["derived"].analysis is not analysis:
        made.notes.append("the run leaves the file's set, which theorems speak of; what they state "
                          "is not compared")
    for verdict in analysis.verdicts:
        made.chains += _concluded(s, verdict, analysis, reached["derived"], points, measured, made)
    for c in made.chains:
        made.notes += [_sentence(c, k) for k in c.links if k.state in ("contradicted", "unproven")]
    return made


def _sentence(c: Chain, k: Link) -> str:
    relation = "at most" if c.sense == "upper" else "at least"
    if k.state == "unproven":
        return (f"{c.quantity}, {k.of}: {relation} {k.text} claims more than is proven on the "
                "same set; no measurement contradicts it")
    m = k.measured
    return (f"{c.quantity}, {k.of}: {relation} {k.text}, but was measured as {m.value:.10g} with "
            f"an error of {max(m.error, 0.0):.1e}")


def _chain(quantity: str, links: tuple[Link, ...]) -> Chain:
    sense: Sense = "lower" if quantity in ("sigma_D", "mu") else "upper"
    derived = {k.of: k for k in links}.get("derived")
    marked = []
    for k in links:
        state = k.state
        if k.of != "printed" and state == "contradicted":
            state = "alarm"
        elif k.of == "printed" and state == "holds" and derived and derived.value is not None:
            assert k.value is not None
            sign = 1 if sense == "upper" else -1
            ends = [float((v.upper() if sign > 0 else v.lower()).mid())
                    for v in (k.value, derived.value)]
            if sign * (ends[0] - ends[1]) < -EQUAL * max(map(abs, ends)):
                state = "unproven"
        marked.append(replace(k, state=state))
    meaning = MEANING.get(quantity) or LOSS_MEANING.get(quantity, "")
    return Chain(quantity, meaning, sense, tuple(marked))


def _link(of: str, analysis: Analysis, bound: ComposedBound, m: Measurement) -> Link:
    value = analysis.value(bound)
    if isinstance(value, Unknown):
        return Link(of, None, value.reason, "no bound", m)
    if isinstance(value, Missing):
        return Link(of, None, f"no value for {', '.join(value.names)}", "no bound", m)
    state: State = "contradicted" if violates(value, bound.sense, m) else "holds"
    return Link(of, value, _text(value, bound), state, m)


def _text(value: arb, bound: ComposedBound) -> str:
    """A decimal, rounded outward; of a rate just below 1, how far it is below."""
    below = (1 - value).lower()
    if bound.quantity == "rate" and 0 < below < NEAR:
        return f"1 - {outward(below, 'lower', DIGITS)}"
    return outward(value, bound.sense)


def _run(s: Subject, size: float, steps: int, inside: Proven) -> tuple[float, list[Tensor]]:
    """Iterates that stay in a set if a step size within reason makes them."""
    first = _descend(s, size, steps)[1]
    smaller, points = size, first
    for _ in range(HALVINGS):
        if all(inside.contains(t) for t in points):
            return smaller, points
        smaller /= 2
        points = _descend(s, smaller, steps)[1]
    return size, first


def _descend(s: Subject, size: float, steps: int) -> tuple[list[float], list[Tensor]]:
    """Losses and parameters of gradient descent."""
    theta = s.theta.clone()
    losses, points = [], [theta]
    for k in range(steps + 1):
        t = theta.detach().requires_grad_()
        loss = s.loss(t)
        losses.append(float(loss.detach()))
        if k < steps:
            (g,) = torch.autograd.grad(loss, t)
            theta = theta - size * g
            points.append(theta)
    return losses, points


def _constants(
    s: Subject, points: Sequence[Tensor], budget: Budget, seed: int,
    progress: Callable[[str], None],
) -> dict[str, Measurement]:
    """The most extreme of some points, and where."""
    found: dict[str, Measurement] = {}
    for i, theta in enumerate(points):
        progress(f"constants at iterate {i + 1} of {len(points)}")
        here = s.at(theta)
        products = Products(here)
        measured = hessian_extremes(here, budget=budget, seed=seed, products=products)
        g = grams(here, lambda name: False, budget)
        measured += singular(here, g.total, *spectrum(g.total, here, g.expected, g.method))
        measured += loss_numbers(here, products)
        for m in measured:
            if m.quantity not in QUANTITIES or m.where != "network":
                continue
            best = found.get(m.quantity)
            upper = m.quantity in ("beta", "D")
            if best is None or (m.value > best.value) == upper:
                found[m.quantity] = m
    return found


def _factor(s: Subject, size: float) -> tuple[Measurement, list[Tensor]] | None:
    """The largest factor of a step on the loss; None where the loss is 0."""
    losses, points = _descend(s, size, RATE_STEPS)
    if min(losses[:-1]) <= 0:
        return None
    worst = max(b / a for a, b in pairwise(losses))
    return Measurement(
        "rate", "network", worst, "loss after over loss before", f"the largest of {RATE_STEPS} "
        f"steps of {size:.6g}", 2 * rounding(s, max(worst, 1.0)), ROUNDING, dtype=str(s.dtype)[6:],
    ), points


def _rates(
    s: Subject, reached: dict[str, Proven], order: Sequence[str], notes: list[str]
) -> Chain:
    links = []
    for name in order:
        p = reached[name]
        found = None
        size = p.analysis.value(p.bounds["eta"])
        if isinstance(size, arb) and float(size.lower()) > 0:
            found = _factor(s, float(size.lower()))
        if found is None:
            nothing = Measurement("rate", "network", math.nan, "", "not run", math.inf, "none")
            links.append(Link(name, None, "no step size is proven, or the loss is 0", "no bound",
                              nothing))
            continue
        link = _link(name, p.analysis, p.bounds["rate"], found[0])
        if not all(p.contains(t) for t in found[1]):
            notes.append(f"rate, {name}: the steps leave the set, so they are not compared")
            link = replace(link, state="no bound")
        links.append(link)
    return _chain("rate", tuple(links))


def _concluded(
    s: Subject, verdict: Verdict, analysis: Analysis, derived: Proven, points: Sequence[Tensor],
    measured: dict[str, Measurement], made: Chains,
) -> list[Chain]:
    """What a theorem states on the file's set, or on part of it, where the run stays inside."""
    printed, part = verdict.reading == "as_printed", verdict.within or analysis.domain
    if derived.analysis is not analysis or not (printed or verdict.status == "applies"):
        return []
    found = []
    for name, bound in verdict.conclusions.items():
        quantity = name.removesuffix("(R)")
        local = name != quantity
        if quantity not in (*QUANTITIES, "rate") or not (local or printed):
            continue
        # some speak of one layer
        whole = bound.node == analysis.bounds[quantity].node
        value = analysis.value(bound)
        if not (whole and isinstance(value, arb)):
            continue
        if local and not _inside(s, verdict, analysis, points):
            continue
        if quantity == "rate":
            size = analysis.value(verdict.conclusions["eta"])
            ran = _factor(s, float(size.lower())) if isinstance(size, arb) else None
            if ran is None or (local and not _inside(s, verdict, analysis, ran[1])):
                continue
            m = ran[0]
        else:
            m = measured[quantity]
        if local:
            made.sets[name] = f"{verdict.theorem}, {part.describe()}"
        of = "printed" if printed else verdict.theorem
        links: tuple[Link, ...] = (_link(of, analysis, bound, m),)
        if printed and any(c.quantity == quantity and c.links[0].text == links[0].text
                           for c in made.chains):
            continue
        if printed and not local:
            links += (_link("derived", analysis, analysis.bounds[quantity], m),)
        chain = _chain(quantity, links)
        found.append(replace(chain, quantity=f"{name} in {verdict.theorem}" if printed else name))
    return found


def _inside(
    s: Subject, verdict: Verdict, analysis: Analysis, points: Sequence[Tensor]
) -> bool:
    """Whether parameters lie in the part of the set that a verdict speaks of."""
    part = verdict.within
    if not isinstance(part, EntriesWithin) or part.base is not analysis.domain:
        return False
    radius = analysis.value(part.radius)
    if not isinstance(radius, arb):
        return False
    most = float(radius.lower())
    return all(
        float(theta[place].abs().max()) <= most
        for theta in points for name, place in s.slices.items()
        if leaf_name(name) == part.node and name.rpartition(".")[2] == part.parameter
    )
