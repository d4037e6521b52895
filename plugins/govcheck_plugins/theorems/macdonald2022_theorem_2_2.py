"""Theorem 2.2: the Polyak-Lojasiewicz inequality of the loss from that of the cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

from govcheck.analysis import Analysis
from govcheck.bounds.answer import ComposedBound, Ref, Unknown, v_mul
from govcheck.bounds.expr import ZERO, let, sym
from govcheck.theorems.protocol import Hypothesis, Reading, Theorem, TheoremExample, Verdict
from govcheck_plugins.theorems._errata import errata
from govcheck_plugins.theorems._layers import differentiable
from govcheck_plugins.theorems._support import (
    NO_COST,
    SECTION5,
    as_printed,
    false_statement,
    known,
    paper,
    show,
    sound,
    summarised,
    written,
)

PL = "the cost gamma is mu_gamma-PL on all outputs, with mu_gamma > 0"
SLOPE = "the cost is PL, or |grad gamma| >= kappa gamma on a sublevel set that contains F(S)"

SIGMA_DF = sym("sigma_DF", "surjectivity modulus of DF at one point", latex=r"\sigma(DF(\theta))")


_NET: Final = """
govcheck: 1
name: one layer
input: [3]
layers: [{layers}]
data: {{sphere: {{n: 2}}}}
{cost}
"""
_LAYER: Final = "{affine: {out: 2, bias: false, weight: entrywise}}"


class Theorem22(Theorem):
    """``|grad l|^2 >= mu_gamma sigma(DF)^2 (l - gamma*)`` at every point."""

    name: ClassVar[str] = "macdonald2022.theorem_2_2"
    title: ClassVar[str] = "Polyak-Lojasiewicz inequality of the loss"
    reference: ClassVar[Ref] = paper("Thm 2.2", "E1")
    readings: ClassVar[tuple[Reading, ...]] = ("as_printed", "as_corrected")

    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        proven = sound(analysis)
        smooth = differentiable(proven)
        if reading == "as_printed":
            verdict = Verdict(
                self.name,
                self.title,
                self.reference,
                reading,
                (_pl(proven), smooth, false_statement("E1")),
                _printed(proven, self.reference),
                errata=errata("E1"),
                remarks=("The exponent of sigma(DF) is missing in print.",),
            )
            return summarised(verdict, "")
        # at a kink there is no gradient to speak of
        kinked = smooth.status == "refuted"
        conclusions = {} if kinked else _corrected(proven, self.reference)
        verdict = Verdict(
            self.name,
            self.title,
            self.reference,
            reading,
            (_cost(proven), smooth),
            conclusions,
            errata=errata("E1", "E9"),
            remarks=_remarks(proven),
        )
        applies = ""
        for name, inequality in (
            ("mu_pointwise", "|grad l|^2 >= {} (l - inf gamma)"),
            ("slope_pointwise", "|grad l| >= {} l"),
        ):
            if name in conclusions and not applies:
                formula = written(conclusions[name].expr)
                applies = f"At every point of the set {inequality.format(formula)}."
        return summarised(verdict, applies)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        def text(layers: str = _LAYER, cost: str = "square", ball: str = "ball: 1") -> str:
            rest = f"cost: {cost}" if cost else ""
            return _NET.format(layers=layers, cost=f"{rest}\ndomain: {{{ball}}}")

        return (
            TheoremExample(text(), measured=_measured("mu", "mu")),
            TheoremExample(text(cost="cross_entropy"), measured=_measured("slope", "slope")),
            TheoremExample(text(cost=""), "cost"),
            TheoremExample(text(f"{_LAYER}, {{leaky_relu: {{slope: 1/2}}}}"), "differentiable"),
            TheoremExample(text(), "statement", "as_printed"),
        )


def _measured(name: str, of: str) -> Callable[[Analysis], Mapping[str, float]]:
    def measure(analysis: Analysis) -> Mapping[str, float]:
        from govcheck.numeric.loss import Loss

        return {name: Loss(analysis).extreme(of)}

    return measure


def _pl(a: Analysis) -> Hypothesis:
    bound = a.bounds.get("mu_gamma")
    if bound is None:
        return Hypothesis("cost", PL, "symbolic", "unknown", NO_COST)
    shown = show(a, "mu_gamma", bound)
    if isinstance(bound.value, Unknown):
        false = any(c.kind == "not PL" for c in bound.value.causes)
        return Hypothesis("cost", PL, "symbolic", "refuted" if false else "unknown", shown)
    return Hypothesis("cost", PL, "symbolic", "proved", shown, (bound,))


def _cost(a: Analysis) -> Hypothesis:
    strict = _pl(a)
    if strict.status == "proved" or "kappa_gamma" not in a.bounds:
        return replace(strict, statement=SLOPE)
    kappa = a.bounds["kappa_gamma"]
    shown = show(a, "kappa", kappa)
    if kappa.known:
        evidence = f"not PL (E9), but {shown}"
        return Hypothesis("cost", SLOPE, "symbolic", "proved", evidence, (kappa,))
    return Hypothesis("cost", SLOPE, "symbolic", "unknown", f"{strict.evidence}; {shown}")


def _corrected(a: Analysis, ref: Ref) -> dict[str, ComposedBound]:
    found = known({n: a.bounds[n] for n in ("mu_gamma", "mu") if n in a.bounds})
    sigma = a.bounds["sigma_D"]
    pl, kappa = a.bounds.get("mu_gamma"), a.bounds.get("kappa_gamma")
    here = "at any point, with sigma(DF) of that point"
    if pl is not None and pl.known:
        value = pl.expr * SIGMA_DF**2
        rule = "|grad l|^2 = |DF^T grad gamma|^2 >= sigma(DF)^2 |grad gamma|^2"
        found["mu_pointwise"] = ComposedBound(
            "mu", "loss", value, "lower", rule, ref, (pl,), here
        )
    elif kappa is not None and kappa.known:
        rule = "|grad l| >= sigma(DF) |grad gamma| >= sigma(DF) kappa gamma"
        found.pop("mu", None)
        found["slope_pointwise"] = ComposedBound(
            "slope", "loss", kappa.expr * SIGMA_DF, "lower", rule, SECTION5, (kappa,), here
        )
        found["slope"] = ComposedBound(
            "slope",
            "loss",
            let("slope", kappa.expr * sigma.expr),
            "lower",
            rule,
            SECTION5,
            (kappa, sigma),
            "|grad l| >= slope l on the whole set",
        )
    return found


def _printed(a: Analysis, ref: Ref) -> dict[str, ComposedBound]:
    pl, sigma = a.bounds.get("mu_gamma"), a.bounds["sigma_D"]
    if pl is None or not pl.known:
        return {}
    value = v_mul(pl.value, sigma.value)
    bound = ComposedBound("mu", "loss", value, "lower", "", ref, (pl, sigma))
    return {"mu": as_printed(bound, "E1")}


def _remarks(a: Analysis) -> tuple[str, ...]:
    mu = a.bounds.get("mu")
    uniform = mu is not None and mu.known and mu.value is not ZERO
    if uniform:
        return ()
    return (
        "No positive lower bound of sigma(DF) on the whole set is derived, so this does not make "
        "the loss PL on it; the inequality holds with the sigma(DF) of each point.",
    )

