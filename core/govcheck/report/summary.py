"""What an analysis means, in sentences."""

from __future__ import annotations

from typing import Final

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import Unknown
from govcheck.bounds.expr import ZERO
from govcheck.graph.blocks import Repeat
from govcheck.plugin.data import Dataset
from govcheck.report.numbers import Number, Numbers, outward
from govcheck.theorems.protocol import Verdict

REASONS: Final = 3


def summary(a: Analysis, numbers: Numbers) -> list[str]:
    """Sentences on what is guaranteed, what is not and why, most important first."""
    lines = []
    if a.mode.printed:
        lines.append(
            "The constants below are composed from what the paper prints, mistakes included; "
            "they are for comparison and guarantee nothing."
        )
    lines += _smoothness(a, numbers)
    lines += _regularity(a, numbers)
    lines += _samples(a)
    lines += [_verdict(v) for v in a.verdicts if v.reading == "as_corrected"]
    return lines


def _place(a: Analysis) -> str:
    if a.architecture.domain.kind == "everything":
        return "For every choice of weights"
    return f"For all {a.domain.describe()}"


def _smoothness(a: Analysis, numbers: Numbers) -> list[str]:
    if "beta" not in a.bounds:
        return [
            "The file names no cost, so there is no loss: the constants are those of the network "
            "alone."
        ]
    beta = a.bounds["beta"].value
    if isinstance(beta, Unknown):
        return [
            "No smoothness constant of the loss is guaranteed, so no step size is: "
            + failures(a, beta)
        ]
    staying = "" if a.architecture.domain.kind == "everything" else (
        ", as long as it stays in this set"
    )
    number = numbers.of(beta, "upper")
    if number.ball is None:
        needs = _needs(number)
        return [
            f"{_place(a)} the gradient of the loss is beta-Lipschitz with the closed form for "
            f"beta given here{needs}; gradient descent with any step below 2/beta never "
            f"increases the loss{staying}."
        ]
    if not number.ball > 0:
        return [f"{_place(a)} the gradient of the loss is beta-Lipschitz with beta <= "
                f"{number.text}."]
    step = outward(2 / number.ball, "lower")
    best = outward(1 / number.ball, "lower")
    return [
        f"{_place(a)} the gradient of the loss is beta-Lipschitz with beta <= {number.text}.",
        f"Gradient descent with any step below 2/beta (at least {step}) never increases the "
        f"loss{staying}; the largest guaranteed decrease comes with step 1/beta >= {best}.",
    ]


def _needs(number: Number) -> str:
    if number.problem:
        return f" ({number.problem})"
    return f" (a number needs values for {', '.join(number.missing)})"


def failures(a: Analysis, unknown: Unknown) -> str:
    """Where an answer is lost, the first layer first, each reason once."""
    order = {leaf.node: i for i, leaf in enumerate(a.leaves())}
    causes = sorted(unknown.causes, key=lambda c: order.get(c.node, -1))
    first = {c.reason: c.node for c in reversed(causes)}
    parts: list[str] = []
    for c in causes:
        if first.pop(c.reason, None) is not None:
            lead = "then at" if parts else "it fails first at"
            parts.append(f"{lead} {c.node}, where {c.reason}" if c.node else c.reason)
    more = len(parts) - REASONS
    tail = f" There are {more} further reasons." if more > 0 else ""
    return "; ".join(parts[:REASONS]) + "." + tail


def _regularity(a: Analysis, numbers: Numbers) -> list[str]:
    if "mu" not in a.bounds:
        return []
    mu = a.bounds["mu"].value
    if isinstance(mu, Unknown):
        return ["No rate follows from these constants alone: " + failures(a, mu)]
    if mu is ZERO:
        return [_why_no_rate(a)]
    number = numbers.of(mu, "lower")
    if number.ball is None:
        return [
            f"The loss satisfies |grad|^2 >= mu (loss - inf) with the closed form for mu given "
            f"here{_needs(number)}; where mu > 0, gradient descent converges linearly."
        ]
    if not number.ball > 0:
        return [_why_no_rate(a)]
    rate = a.bounds["rate"]
    text = ""
    if not isinstance(rate.value, Unknown):
        shown = numbers.of(rate.value, "upper")
        below_one = shown.ball is not None and shown.ball < 1
        text = f" by a factor of at most {below(shown.ball)}" if below_one else ""
    return [
        f"On this set the loss satisfies |grad|^2 >= mu (loss - inf) with mu >= {number.text}: "
        f"each step of size 1/beta that stays in it shrinks loss - inf{text}."
    ]


def below(ball: arb | None) -> str:
    """A factor just below 1 as ``1 - x``, since few digits would round it to 1."""
    assert ball is not None
    return f"1 - {outward(1 - ball, 'lower')}"


def _why_no_rate(a: Analysis) -> str:
    regular = [n for n, c in a.local.items() if c.value("sigma_D") is not ZERO]
    if not regular:
        why = (
            "no layer has a positive lower bound for the derivative in its parameters on this "
            "set (sigma_D is 0 for each)"
        )
    elif (lost := _lost_after(a)) is not None:
        why = (
            f"the derivative is bounded away from 0 in the parameters of {regular[0]}, but not "
            f"through {lost} (its sigma_J is 0)"
        )
    else:
        why = "the lower bound for the derivative of the network in all parameters is 0"
    return f"No linear rate follows on this set from these constants alone: {why}."


def _lost_after(a: Analysis) -> str | None:
    """The first outer block at which a positive ``sigma_D`` becomes 0."""
    before = False
    for block in (step.block for step in a.architecture.body.steps):
        at = a.upto.get(block.node)
        if at is None:
            continue
        now = at.value("sigma_D") is not ZERO
        if before and not now:
            return f"the copies of {block.node}" if isinstance(block, Repeat) else block.node
        before = now
    return None


def _samples(a: Analysis) -> list[str]:
    if a.data is None:
        return []
    facts = a.data.facts
    dataset: Dataset = a.data.dataset
    if facts.independent == "proved":
        state = "are linearly independent"
    elif facts.independent == "refuted":
        state = "are not linearly independent"
    else:
        state = "may or may not be linearly independent"
    return [f"The {facts.samples} samples ({dataset.source}) {state}: {facts.explanation}."]


def _verdict(v: Verdict) -> str:
    state = {
        "applies": "applies",
        "fails": "does not apply",
        "undecided": "undecided",
    }[v.status]
    tail = v.summary or next(
        (f"{h.statement}: {h.status}." for h in v.hypotheses if not h.holds), ""
    )
    return f"{v.title} ([{v.reference.source}] {v.reference.place}): {state}. {tail}".rstrip()
