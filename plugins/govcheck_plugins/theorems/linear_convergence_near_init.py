"""Theorem A: gradient descent converges linearly within the set around the initial weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar, Final

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import ComposedBound, Ref, Sense, Unknown, Value
from govcheck.bounds.domain import AroundInit
from govcheck.bounds.evaluate import Missing
from govcheck.bounds.expr import minimum
from govcheck.kernels.descent import Descent, theorem_a_jointly
from govcheck.report.numbers import outward
from govcheck.theorems.protocol import Hypothesis, Reading, Status, Theorem, TheoremExample, Verdict
from govcheck_plugins.theorems._near_init import measured_factor, smooth, start_norm, surjective
from govcheck_plugins.theorems._support import show, sound, summarised
from govcheck_plugins.theorems._width_case import WidthCase, up, width_case
from govcheck_plugins.theorems._width_hypotheses import Demand, cost, slow, step_factor

SOURCE: Final = Ref("govcheck theory", "widths and rates, section 1 (Theorem A)")
REGION: Final = "S is a neighbourhood of the initial weights"
STAYS: Final = "S reaches as far as gradient descent can go"


class LinearConvergenceNearInit(Theorem):
    """Theorem A: ``|y - u(k)|^2 <= (1 - eta sigma^2)^k |y - u(0)|^2`` from the given start.

    For any architecture, if on the set S around the initial weights ``|DF| <= D``,
    ``|D2F| <= tt`` and ``sigma(DF) >= sigma``, if S reaches ``2 D |y - u(0)|/sigma^2`` far and
    the step is at most eta*. All inputs are derived bounds, so nothing is left to chance.
    """

    name: ClassVar[str] = "govcheck.theorem_a"
    title: ClassVar[str] = "Linear convergence near the initial weights (Theorem A)"
    reference: ClassVar[Ref] = SOURCE

    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        proven = sound(analysis)
        domain = proven.domain
        hypotheses: tuple[Hypothesis, ...]
        conclusions: dict[str, ComposedBound] = {}
        if isinstance(domain, AroundInit):
            why = domain.describe()
            region = Hypothesis("region", REGION, "symbolic", "proved", why)
            hypotheses, conclusions = self._around(width_case(proven), domain, region)
        else:
            why = f"S is: {domain.describe()}; write domain: {{around_init: R}}"
            hypotheses = (Hypothesis("region", REGION, "symbolic", "refuted", why),)
        verdict = Verdict(
            self.name, self.title, self.reference, reading, hypotheses, conclusions,
            remarks=(
                "With bounds of D, D2F and sigma(DF) on S that are derived for every layer the "
                "set is seldom large enough; the same statement with measured inputs is "
                "govcheck.kernels.descent.theorem_a.",
            ),
        )
        return summarised(verdict, self._applies(proven, conclusions))

    def _around(
        self, case: WidthCase, domain: AroundInit, region: Hypothesis
    ) -> tuple[tuple[Hypothesis, ...], dict[str, ComposedBound]]:
        a = case.analysis
        bounded, onto = smooth(a), surjective(a)
        found = self._descent(a) if bounded.holds and onto.holds else None
        lost = Unknown.because("D, D2F or sigma(DF) has no bound on S that helps")
        eta: Value = found.eta / step_factor(a) if isinstance(found, Descent) else found or lost
        step = Demand(
            "step", "training is full-batch gradient descent with 0 < eta <= eta*", "eta*",
            a.value(eta),
        )
        hypotheses = (
            region, cost(case), bounded, onto, _reaches(a, domain, found or lost),
            slow(case, step),
        )
        return hypotheses, self._conclusions(a, found) if isinstance(found, Descent) else {}

    def _descent(self, a: Analysis) -> Descent | Unknown:
        net = a.network.bounds
        D, tt, sigma = net["D"].expr, net["tt"].expr, net["sigma_D"].expr
        start = start_norm(a)
        if isinstance(start, Unknown):
            return start
        return theorem_a_jointly(D, tt, 2 * sigma**2, start)

    def _conclusions(self, a: Analysis, found: Descent) -> dict[str, ComposedBound]:
        net = a.network.bounds
        premises = (net["D"], net["tt"], net["sigma_D"])
        result: dict[str, ComposedBound] = {}

        def put(name: str, value: Value, sense: Sense, note: str) -> None:
            result[name] = ComposedBound(
                name, "loss", value, sense, "Theorem A", SOURCE, premises, note
            )

        put("rho", start_norm(a), "upper", "norm of y - u at the initial weights")
        put("radius", found.radii["all"], "upper", "how far gradient descent goes at most")
        put("eta*", found.eta / step_factor(a), "lower", "largest step for the file's cost")
        put("factor", 1 - found.eta * found.rate, "upper",
            "factor of |y - u|^2 in each step of size eta*")
        put("steps", found.steps(found.eta), "upper",
            "steps of size eta* until |y - u|^2 has fallen to 1/1000")
        return result

    def _applies(self, a: Analysis, conclusions: Mapping[str, ComposedBound]) -> str:
        shown = [show(a, k, conclusions[k]) for k in ("eta*", "factor", "steps", "radius")
                 if k in conclusions]
        return f"Gradient descent converges to zero loss: {'; '.join(shown)}."

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        def text(
            body: str = "[{affine: {out: 1, bias: false}}]",
            radius: str = "{around_init: 500}",
            n: int = 2,
            rest: str = "cost: summed_square\n",
        ) -> str:
            return (
                f"govcheck: 1\ninput: [4]\nlayers: {body}\ndata: {{sphere: {{n: {n}}}}}\n"
                f"domain: {radius}\n{rest}"
            )

        wide = "[{affine: {out: 9, bias: false}}, ACT, {affine: {out: 1}}]"
        fast = "cost: summed_square\ntrain: {method: gd, step_size: 10}\n"
        return (
            TheoremExample(text(), measured=partial(measured_factor, cls)),
            TheoremExample(text("[{affine: {out: 3}}]", n=3)),
            TheoremExample(text(radius="{ball: 500}"), "region"),
            TheoremExample(text(rest=""), "cost"),
            TheoremExample(text(wide.replace("ACT", "relu"), "{around_init: 1/10}"), "smooth",
                           also=("surjective", "radius", "step")),
            TheoremExample(text(n=6), "surjective", also=("radius", "step")),
            TheoremExample(text(radius="{around_init: 1/10}"), "radius"),
            TheoremExample(text(rest=fast), "step"),
        )


def _reaches(a: Analysis, domain: AroundInit, found: Descent | Unknown) -> Hypothesis:
    demand = found if isinstance(found, Unknown) else found.radii["all"]
    # a layer moves at most as far as all parameters together
    reach = minimum(domain.radius, *domain.radii.values())
    needed, own = a.value(demand), a.value(reach)
    status: Status = "unknown"
    if isinstance(needed, Unknown):
        why = needed.reason
    elif isinstance(needed, Missing) or not isinstance(own, arb):
        lacking = needed if isinstance(needed, Missing) else own
        why = f"no value: {', '.join(getattr(lacking, 'names', ()))}"
    elif own >= needed:
        status = "proved"
        why = f"gradient descent goes at most {up(needed)} far, S {outward(own, 'lower', 3)}"
    else:
        status = "refuted" if own < needed else "unknown"
        why = f"S reaches {outward(own, 'lower', 3)} far, and it takes {up(needed)}"
    return Hypothesis("radius", STAYS, "symbolic", status, why)


