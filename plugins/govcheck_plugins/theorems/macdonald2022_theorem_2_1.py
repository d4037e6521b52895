"""Theorem 2.1: linear convergence of gradient descent, its rate and its best step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, Final

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import ComposedBound, Ref, Sense
from govcheck.bounds.domain import Everything
from govcheck.bounds.expr import ZERO, Expr, let, sym
from govcheck.bounds.loss import contraction
from govcheck.bounds.rates import (
    INFLATED,
    TIGHT,
    best_scaled_step,
    best_tight_factor,
    ratio,
    tight_factor,
)
from govcheck.theorems.protocol import Hypothesis, Reading, Status, Theorem, TheoremExample, Verdict
from govcheck_plugins.theorems._support import (
    NO_COST,
    SECTION5,
    TRAJECTORY,
    finite,
    known,
    option,
    paper,
    positive,
    show,
    sound,
    stays,
    summarised,
)

PL = "the loss is mu-PL on S with mu > 0: |grad l|^2 >= mu (l - inf)"
SMOOTH = "the loss has a beta-Lipschitz gradient on S"

_NET: Final = """
govcheck: 1
name: least squares
input: [3]
layers: [{layers}]
cost: square
data: {{sphere: {{n: {n}}}}}
domain: {domain}
theorems:
  - macdonald2022.theorem_2_1
"""
_LAYER: Final = "affine: {out: 2, bias: false}"


class Theorem21(Theorem):
    """A smooth PL loss falls by a fixed factor in each step."""

    name: ClassVar[str] = "macdonald2022.theorem_2_1"
    title: ClassVar[str] = "Linear convergence of gradient descent"
    reference: ClassVar[Ref] = paper("Thm 2.1")
    never_fails: ClassVar[Mapping[str, str]] = {"trajectory": TRAJECTORY}

    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        proven = sound(analysis)
        hypotheses = (
            finite(proven, "smooth", SMOOTH, "beta"),
            _pl(proven),
            stays(proven),
        )
        conclusions = self._conclusions(proven)
        verdict = Verdict(
            self.name,
            self.title,
            self.reference,
            reading,
            hypotheses,
            conclusions,
            remarks=_remarks(proven, conclusions),
        )
        applies = ""
        if "rate" in conclusions:
            applies = (
                f"With step eta = 1/beta the loss above its infimum falls in each step at least by "
                f"a factor: {show(proven, 'rate', conclusions['rate'])}."
            )
        if "tight_rate" in conclusions:
            shown = show(proven, "tight_rate", conclusions["tight_rate"])
            where = "" if isinstance(proven.domain, Everything) else f" ({INFLATED})"
            applies += f" The exact worst factor is {shown}{where}."
        return summarised(verdict, applies)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        def text(layers: str = _LAYER, n: int = 2, domain: str = "everything") -> str:
            return _NET.format(layers=f"{{{layers}}}", n=n, domain=domain)

        return (
            TheoremExample(text(), measured=_measured),
            TheoremExample(text(domain="{ball: 2}")),
            TheoremExample(text(f"{_LAYER}}}, {{leaky_relu: {{slope: 1/2}}"), "smooth"),
            TheoremExample(text(n=5), "pl"),
        )

    def _conclusions(self, a: Analysis) -> dict[str, ComposedBound]:
        found = known({n: a.bounds[n] for n in ("beta", "eta", "mu", "rate") if n in a.bounds})
        if "mu" not in found or "beta" not in found or found["mu"].value is ZERO:
            return found | _speed(a)
        mu, beta = found["mu"], found["beta"]
        premises = (mu, beta)

        def put(
            name: str,
            value: Expr,
            rule: str,
            note: str,
            ref: Ref = self.reference,
            sense: Sense = "upper",
        ) -> None:
            body = let(name, value)
            found[name] = ComposedBound(name, "loss", body, sense, rule, ref, premises, note)

        given = option(a, self.name, "eta")
        step = given or sym("eta", "step size of gradient descent")
        put(
            "factor",
            contraction(mu.expr, beta.expr, step),
            "1 - mu (eta - beta eta^2/2)",
            "for any step size 0 < eta < 2/beta",
        )
        kappa = let("kappa", ratio(mu.expr, beta.expr))
        note = "steps in which the loss above its infimum falls at least by the factor e"
        put("steps", 1 / kappa, "(1 - mu/(2 beta))^t <= exp(-t mu/(2 beta))", note)
        where = "" if isinstance(a.domain, Everything) else f"; {INFLATED}"
        put("tight_rate", tight_factor(kappa), "2(1-k)/(2+k), k = mu/(2 beta)",
            f"at step 1/beta; no smooth PL function is slower{where}", TIGHT)
        if given is not None:
            put("tight_factor", tight_factor(kappa, beta.expr * given),
                "largest of the three regimes of k = mu/(2 beta), x = beta eta",
                f"exact worst factor at the given step, 0 < eta < 2/beta{where}", TIGHT)
        put("best_step", best_scaled_step(kappa) / beta.expr,
            "k x^3 + 3 x^2 = 4, x = beta eta, k = mu/(2 beta)",
            f"step size with the least guaranteed factor{where}", TIGHT, "lower")
        put("tight_best_rate", best_tight_factor(kappa),
            "1 - k x (4-x^2)/(2 + k x) at the best step", f"at the best step{where}", TIGHT)
        return found | _speed(a)


def _measured(analysis: Analysis) -> Mapping[str, float]:
    """The infimum of this loss is 0, as mu > 0 on all parameters."""
    from govcheck.numeric.loss import Loss

    loss = Loss(analysis)
    found = {name: loss.extreme(name) for name in ("beta", "mu")}
    verdict = Theorem21().decide(analysis, "as_corrected")
    for rate, step in (("rate", "eta"), ("tight_rate", "eta"), ("tight_best_rate", "best_step")):
        size = analysis.value(verdict.conclusions[step])
        assert isinstance(size, arb)
        losses, _ = loss.descend(float(size.mid()))
        found[rate] = max(after / before for before, after in pairwise(losses))
    return found


def _pl(a: Analysis) -> Hypothesis:
    mu = a.bounds.get("mu")
    if mu is None:
        return Hypothesis("pl", PL, "symbolic", "unknown", NO_COST)
    state = positive(a, mu.value)
    status: Status = "proved" if state else "unknown"
    evidence = show(a, "mu", mu)
    if state is not True and mu.known:
        evidence += (
            "; a positive mu is not derived: it needs mu_gamma > 0 of the cost "
            f"({show(a, 'mu_gamma', a.bounds['mu_gamma'])}) and a positive lower bound of "
            f"sigma(DF) on S ({show(a, 'sigma(DF)', a.bounds['sigma_D'])})"
        )
    return Hypothesis("pl", PL, "symbolic", status, evidence, (mu,))


def _speed(a: Analysis) -> dict[str, ComposedBound]:
    """For costs that are not PL: how much ``1/loss`` grows in each step of size 1/beta."""
    needed = [a.bounds.get(n) for n in ("kappa_gamma", "sigma_D", "beta", "mu_gamma")]
    kappa, sigma, beta, pl = needed
    if kappa is None or sigma is None or beta is None or pl is None:
        return {}
    if pl.known or not (kappa.known and beta.known) or sigma.value is ZERO:
        return {}
    value = let("speed", (kappa.expr * sigma.expr) ** 2 / (2 * beta.expr))
    rule = "l_t <= 1/(1/l_0 + t speed)"
    note = "1/loss grows at least by this in each step of size 1/beta"
    premises = (kappa, sigma, beta)
    return {
        "speed": ComposedBound("speed", "loss", value, "lower", rule, SECTION5, premises, note)
    }


def _remarks(a: Analysis, conclusions: dict[str, ComposedBound]) -> tuple[str, ...]:
    found = [
        "The step size must satisfy 0 < eta < 2/beta; the factor is least at eta = 1/beta.",
    ]
    if "tight_rate" in conclusions:
        found.append(
            "tight_rate and tight_best_rate are the exact worst factors for smooth PL functions; "
            "they replace the textbook factor 1 - mu/(2 beta) of the paper."
        )
        if not isinstance(a.domain, Everything):
            found.append(f"For the exact rates {INFLATED}: inflate it by half a step.")
    if "speed" in conclusions:
        found.append(
            "The cost is not PL (E9), so there is no linear rate; instead the loss after t steps "
            "is at most 1/(1/l_0 + t speed)."
        )
    return tuple(found)
