"""Theorem 4.8: gradient descent on weight-normalised residual networks, and its two cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Final

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import ComposedBound, Ref
from govcheck.bounds.domain import Everything
from govcheck.theorems.protocol import Hypothesis, Reading, Theorem, TheoremExample, Verdict
from govcheck_plugins.costs._quadratic import Quadratic
from govcheck_plugins.costs.cross_entropy import CrossEntropy
from govcheck_plugins.theorems._case_one import CaseOne, case_one, confinement, cost_hypothesis
from govcheck_plugins.theorems._errata import ERRATA, errata
from govcheck_plugins.theorems._residual import (
    Form,
    activation_hypothesis,
    branch_jacobians,
    contraction_hypothesis,
    linear_branches,
    smallest_delta,
    weight_normalised_form,
)
from govcheck_plugins.theorems._support import (
    NO_COST,
    TRAJECTORY,
    as_printed,
    finite,
    first_failure,
    independent_data,
    known,
    paper,
    printed,
    show,
    sound,
    stays,
)

IDS = ("E1", "E7", "E8", "E9")
SMOOTH = "the loss has a beta-Lipschitz gradient (Theorem 4.4, Corollary 4.3)"
GAP = (
    "Case 2 (|w| of the first layer grows without bound) is claimed in [M]; the printed proof has "
    "a gap (E7): eq (36) takes mu_t proportional to sigma(DP(w_t)). With the exponent that Theorem "
    "2.2 really gives (E1), mu_t ~ sigma(DP(w_t))^2 ~ r_t^-6 ~ t^(-3/2), so the sum of mu_t "
    "converges and the product in eq (29) need not tend to 0."
)
COUNTEREXAMPLE = (
    "Numerical counterexamples to the statement itself exist (float64, not a proof): with phi = "
    "identity (d = N = 3, X = I, L = 2, square cost, delta = eps = 0.1) gradient descent from some "
    "starts tends to the loss 0.3366, from others to 0.2841, so it does not reach a global minimum "
    "from any start; a search finds such targets with phi = tanh too (govcheck reproduce "
    "m22-thm48)."
)
NOT_PROVED = (
    "Case 2 (|w| unbounded) is not proved: the printed proof has a gap (E7), and numerical "
    "counterexamples to the statement exist with phi = identity and phi = tanh. Convergence from "
    "any initialisation is therefore not established."
)


_NET: Final = """
govcheck: 1
name: one block
symbols: {{R: 1}}
input: [2]
layers:
  - affine: {{out: 2, bias: false, weight: {first}}}
{between}
  - residual:
      - affine: {{out: 2, bias: false, weight: weight_norm, scale: {scale}}}
      - {activation}
{cost}
data: {{sphere: {{n: {n}}}}}
theorems: [macdonald2022.theorem_4_8]
"""


@dataclass(frozen=True)
class _Parts:
    """What both readings need."""

    analysis: Analysis
    form: Form
    jacobians: dict[str, ComposedBound]
    shared: tuple[Hypothesis, ...]


class Theorem48(Theorem):
    """Case 1 is proved with constants; case 2 is reported as what it is, a claim."""

    name: ClassVar[str] = "macdonald2022.theorem_4_8"
    title: ClassVar[str] = "Convergence of weight-normalised residual networks"
    reference: ClassVar[Ref] = paper("Thm 4.8", *IDS)
    readings: ClassVar[tuple[Reading, ...]] = ("as_printed", "as_corrected")
    never_fails: ClassVar[Mapping[str, str]] = {"trajectory": TRAJECTORY}

    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        parts = _parts(sound(analysis))
        if reading == "as_printed":
            return self._printed(analysis, parts)
        return self._corrected(parts)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        def text(
            first: str = "entrywise",
            between: str = "",
            scale: str = "1/4",
            activation: str = "tanh",
            cost: str = "cost: square",
            n: int = 2,
        ) -> str:
            return _NET.format(first=first, between=between, scale=scale,
                               activation=activation, cost=cost, n=n)

        return (
            TheoremExample(text(), measured=_measured),
            TheoremExample(text(first="weight_norm"), "first"),
            TheoremExample(text(between="  - scale: {factor: 2}"), "blocks"),
            TheoremExample(text(scale="2"), "contraction"),
            TheoremExample(text(activation="gelu"), "activation"),
            TheoremExample(text(n=3), "data"),
            TheoremExample(text(cost=""), "cost", also=("smooth", "confined")),
            TheoremExample(text(cost="cost: cross_entropy"), "confined"),
            TheoremExample(text(), "case_2", "as_printed"),
        )

    def _corrected(self, parts: _Parts) -> Verdict:
        a = parts.analysis
        case = case_one(a, parts.form.first, self.name) if parts.form.first else None
        hypotheses = (
            *parts.shared,
            cost_hypothesis(a),
            finite(a, "smooth", SMOOTH, "beta"),
            stays(a),
        )
        conclusions = {}
        if case is not None:
            ready = all(h.holds for h in hypotheses)
            hypotheses = (*hypotheses, confinement(case, ready))
            conclusions = self._conclusions(parts, case)
        verdict = Verdict(
            self.name,
            f"{self.title}, case 1: the first layer stays bounded",
            self.reference,
            "as_corrected",
            hypotheses,
            conclusions,
            errata=errata(*IDS),
            remarks=_remarks(parts, case),
            within=None if case is None else case.within,
        )
        return replace(verdict, summary=_summary(verdict, case))

    def _conclusions(self, parts: _Parts, case: CaseOne) -> dict[str, ComposedBound]:
        if any(h.status == "refuted" for h in parts.shared):
            # the formulas would speak of a network that the theorem does not cover
            return {}
        a = parts.analysis
        found = known({n: a.bounds[n] for n in ("beta", "eta") if n in a.bounds})
        delta = smallest_delta(parts.jacobians)
        if delta is not None:
            found["delta"] = ComposedBound(
                "delta",
                "every residual block",
                delta,
                "lower",
                "sigma(Id + Jg) >= 1 - |Jg|_2",
                paper("Prop 4.6"),
                tuple(parts.jacobians.values()),
            )
        return found | case.conclusions

    def _printed(self, analysis: Analysis, parts: _Parts) -> Verdict:
        a = parts.analysis
        bounds = printed(analysis).bounds
        values = known({n: bounds[n] for n in ("beta", "eta") if n in bounds})
        case_two = Hypothesis(
            "case_2",
            "where |w| of the first layer tends to infinity, the sum of mu_t diverges (eq 37)",
            "symbolic",
            "refuted",
            f"E7: {ERRATA['E7'].corrected}; {ERRATA['E7'].evidence}",
        )
        hypotheses = (
            *parts.shared,
            _convex(a),
            finite(a, "smooth", SMOOTH, "beta"),
            case_two,
        )
        verdict = Verdict(
            self.name,
            self.title,
            self.reference,
            "as_printed",
            hypotheses,
            {n: as_printed(b, "E4", "E5", "E10") for n, b in values.items()},
            errata=errata(*IDS, "E4", "E5", "E10"),
            remarks=_remarks(parts, None),
        )
        others = replace(verdict, hypotheses=tuple(h for h in hypotheses if h is not case_two))
        failure = first_failure(others.hypotheses)
        return replace(verdict, summary=failure or f"As printed it claims too much. {NOT_PROVED}")


def _measured(analysis: Analysis) -> Mapping[str, float]:
    """On the set where the first layer's entries are at most R = 1, as is a descent's start."""
    from govcheck.numeric.loss import Loss
    from govcheck.numeric.network import extreme

    node = analysis.leaves()[0].node
    inside = {node: 1.0}
    loss = Loss(analysis, inside)
    found = {
        "beta": Loss(analysis).extreme("beta"),
        "mu(R)": loss.extreme("mu"),
        "sigma_D(R)": extreme(analysis, "sigma_D", entries=inside),
    }
    step = analysis.value(analysis.bounds["eta"])
    assert isinstance(step, arb)
    losses, points = loss.descend(float(step.mid()))
    place = next(p for n, p in loss.f.slices.items() if n.split(".")[-2] == node)
    found["rate(R)"] = found["tight_rate(R)"] = max(
        after / before
        for (before, after), point in zip(pairwise(losses), points, strict=False)
        if float(point[place].abs().max()) <= 1
    )
    return found


def _parts(a: Analysis) -> _Parts:
    form = weight_normalised_form(a.architecture.body)
    jacobians = branch_jacobians(a, form.blocks)
    first = "the first layer is affine without bias, with entrywise w/sqrt(eps + w^2) (eq 26)"
    blocks = (
        "every later block is X + g(X), g made of bias-free weight-normalised affine layers, "
        "elementwise maps and fixed factors (eq 27)"
    )
    shape = (
        _form("first", first, form.wrong_first, form.first.node if form.first else ""),
        _form("blocks", blocks, form.wrong_blocks, _count(len(form.blocks))),
    )
    # without a residual block there is nothing to contract: delta is 1
    contraction = (contraction_hypothesis(a, jacobians),) if jacobians else ()
    shared = (*shape, *contraction, activation_hypothesis(a, form), independent_data(a))
    return _Parts(a, form, jacobians, shared)


def _count(blocks: int) -> str:
    return f"{blocks} residual block{'' if blocks == 1 else 's'} (those in a repeat count once)"


def _form(key: str, statement: str, wrong: list[str], right: str) -> Hypothesis:
    if wrong:
        return Hypothesis(key, statement, "symbolic", "refuted", "; ".join(wrong[:4]))
    return Hypothesis(key, statement, "symbolic", "proved", right)


def _convex(a: Analysis) -> Hypothesis:
    statement = "the cost is continuously differentiable and convex"
    cost = a.architecture.cost
    if cost is None:
        return Hypothesis("cost", statement, "symbolic", "unknown", NO_COST)
    if isinstance(cost, Quadratic | CrossEntropy):
        return Hypothesis("cost", statement, "symbolic", "proved", cost.name)
    return Hypothesis("cost", statement, "symbolic", "unknown", f"not declared by {cost.name}")


def _remarks(parts: _Parts, case: CaseOne | None) -> tuple[str, ...]:
    here = " This network has such branches." if linear_branches(parts.form) else ""
    found = [GAP, COUNTEREXAMPLE + here]
    if case is None or not case.statement or any(h.status == "refuted" for h in parts.shared):
        return tuple(found)
    if case.impossible:
        found.append(f"Case 1 cannot last here: {case.impossible}.")
    elif "rate(R)" in case.conclusions:
        found.append(
            "Case 1, more precisely: the loss converges to 0 whenever |w| of the first layer does "
            "not tend to infinity, for then infinitely many steps have a factor of at most "
            "1 - mu(R)/(2 beta) with one R; the rate needs |w| <= R throughout."
        )
    return tuple(found)


def _summary(verdict: Verdict, case: CaseOne | None) -> str:
    others = tuple(h for h in verdict.hypotheses if h.key != "confined")
    failure = first_failure(others)
    if case is None or any(h.status == "refuted" for h in others):
        return f"{failure} Theorem 4.8 says nothing about this network."
    if failure:
        return f"{failure} If it holds, case 1 holds with the constants listed. {NOT_PROVED}"
    if case.impossible:
        leaves_set = (
            "So |w| of the first layer leaves every bound R, and all depends on case 2."
            if isinstance(case.analysis.domain, Everything)
            else "So gradient descent leaves the parameter set."
        )
        return (
            f"Case 1 cannot last for this network: {case.impossible}. {leaves_set} {NOT_PROVED}"
        )
    confined = next(h for h in verdict.hypotheses if h.key == "confined")
    if not confined.holds:
        return f"Case 1 is not decided: {confined.evidence}. {NOT_PROVED}"
    numbers = [
        show(case.analysis, name, verdict.conclusions[name])
        for name in ("beta", "eta", "mu(R)", "rate(R)", "speed(R)")
        if name in verdict.conclusions and (name != "rate(R)" or _has_value(case, verdict))
    ]
    return f"Case 1 holds with {'; '.join(numbers)}. {case.statement} {NOT_PROVED}"


def _has_value(case: CaseOne, verdict: Verdict) -> bool:
    return isinstance(case.analysis.value(verdict.conclusions["rate(R)"]), arb)
