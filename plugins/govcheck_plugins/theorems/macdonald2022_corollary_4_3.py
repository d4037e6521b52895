"""Proposition 4.2 and Corollary 4.3: smoothness of the loss from properties of each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from govcheck.analysis import SAMPLES, Y_FROBENIUS, Analysis
from govcheck.bounds.answer import ComposedBound, Ref, Unknown
from govcheck.bounds.expr import mul, sym
from govcheck.plugin.cost import CostAt
from govcheck.plugin.guard import ask
from govcheck.report.numbers import outward
from govcheck.theorems.protocol import Hypothesis, Reading, Status, Theorem, TheoremExample, Verdict
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.theorems._errata import errata
from govcheck_plugins.theorems._layers import layer_hypotheses
from govcheck_plugins.theorems._support import (
    NO_COST,
    as_printed,
    false_statement,
    known,
    paper,
    printed,
    show,
    sound,
    summarised,
)

NAMES: Final = ("D", "tt", "alpha", "Gamma_1", "Gamma_2", "beta", "lipschitz", "eta")
CONSTANTS: Final = ("E4", "E5", "E6", "E10")
WRONG: Final = ("E4", "E5", "E10")
"""E6 is about a printed constant that is loose, not wrong."""
PRINTED: Final = "the constants that the proof of Theorem 4.4 prints bound the derivatives"


_NET: Final = """
govcheck: 1
name: two layers
input: [2]
layers:
  - affine: {{out: 2, bias: false, weight: {weight}}}
  - {activation}
  - affine: {{out: 2, bias: {bias}, weight: weight_norm}}
{cost}
data: {{sphere: {{n: 2}}}}
"""


class Corollary43(Theorem):
    """Bounded and Lipschitz layers give a loss with Lipschitz gradient."""

    name: ClassVar[str] = "macdonald2022.corollary_4_3"
    title: ClassVar[str] = "Smoothness of the loss"
    reference: ClassVar[Ref] = paper("Prop 4.2 and Cor 4.3", *CONSTANTS)
    readings: ClassVar[tuple[Reading, ...]] = ("as_printed", "as_corrected")
    never_fails: ClassVar[Mapping[str, str]] = {"data": "what is loaded is finite"}

    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        proven = sound(analysis)
        hypotheses = (*layer_hypotheses(proven), *_cost(proven), _data(analysis))
        if reading == "as_printed":
            return self._printed(analysis, hypotheses)
        conclusions = known({n: proven.bounds[n] for n in NAMES if n in proven.bounds})
        verdict = Verdict(
            self.name,
            self.title,
            self.reference,
            reading,
            hypotheses,
            conclusions,
            errata=errata(*CONSTANTS),
            remarks=_anyway(hypotheses, conclusions),
        )
        applies = "The loss has a Lipschitz gradient on the parameter set."
        if "beta" in conclusions:
            applies += f" Its constant: {show(proven, 'beta', conclusions['beta'])}."
        return summarised(verdict, applies)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        def text(
            weight: str = "weight_norm",
            activation: str = "tanh",
            bias: str = "false",
            cost: str = "cost: square",
        ) -> str:
            return _NET.format(weight=weight, activation=activation, bias=bias, cost=cost)

        lost = ("f_lipschitz", "Df_lipschitz", "Jf_lipschitz")
        return (
            TheoremExample(text(), measured=_measured),
            TheoremExample(text(bias="true"), "f_bounded"),
            TheoremExample(text(weight="plain"), "Jf_bounded", also=("f_bounded", "f_lipschitz")),
            TheoremExample(text(weight="spectral"), "Df_bounded", also=lost),
            TheoremExample(text(activation="relu"), "Jf_lipschitz"),
            TheoremExample(text(cost=""), "cost_bounded", also=("cost_lipschitz",)),
            TheoremExample(text(), "statement", "as_printed"),
        )

    def _printed(self, analysis: Analysis, hypotheses: tuple[Hypothesis, ...]) -> Verdict:
        """The statement is right; the constants its proof prints for weight norm are not."""
        concerned = [
            leaf.node
            for leaf in analysis.leaves()
            if isinstance(leaf.layer, Affine)
            and leaf.layer.weight == "weight_norm"
            and not leaf.layer.bias
        ]
        bounds = printed(analysis).bounds
        conclusions = known({n: bounds[n] for n in NAMES if n in bounds})
        remarks: tuple[str, ...] = ()
        if concerned:
            hypotheses = (*hypotheses, false_statement(*WRONG, statement=PRINTED))
            right = sound(analysis).bounds
            conclusions = {
                n: b if b.value is right[n].value else as_printed(b, *WRONG)
                for n, b in conclusions.items()
            }
            remarks = (
                "The statement itself is right; wrong are constants that the proof of Theorem 4.4 "
                f"prints for weight-normalised layers (here {', '.join(concerned[:6])}).",
            )
        verdict = Verdict(
            self.name,
            self.title,
            self.reference,
            "as_printed",
            hypotheses,
            conclusions,
            errata=errata(*CONSTANTS),
            remarks=remarks,
        )
        return summarised(
            verdict, "The loss has a Lipschitz gradient; composed by sums of products (Lemma 8.1)."
        )


def _measured(analysis: Analysis) -> Mapping[str, float]:
    from govcheck.numeric.loss import Loss
    from govcheck.numeric.network import extreme

    loss = Loss(analysis)
    found = {n: loss.extreme(n) for n in ("alpha", "lipschitz", "beta")}
    found["eta"] = 1 / found["beta"]
    return found | {n: extreme(analysis, n, starts=2, steps=20) for n in ("D", "tt")}


def _cost(analysis: Analysis) -> tuple[Hypothesis, ...]:
    """The two properties of the cost, on a sublevel set of any finite level."""
    subject = "the gradient of the cost is"
    rows = (
        ("cost_bounded", f"{subject} bounded on its sublevel sets", "gradient"),
        ("cost_lipschitz", f"{subject} Lipschitz on its sublevel sets", "curvature"),
    )
    cost = analysis.architecture.cost
    if cost is None:
        return tuple(Hypothesis(k, s, "symbolic", "unknown", NO_COST) for k, s, _ in rows)
    outputs = mul(*analysis.architecture.output)
    at = CostAt(SAMPLES, outputs, Y_FROBENIUS, sym("alpha", "level of the cost"))
    found = []
    for key, statement, method in rows:
        value = ask(cost, method, at)
        status: Status = "unknown" if isinstance(value, Unknown) else "proved"
        evidence = (
            value.reason
            if isinstance(value, Unknown)
            else f"at most {value!r} where {cost.name} <= alpha"
        )
        found.append(Hypothesis(key, statement, "symbolic", status, evidence))
    return tuple(found)


def _data(analysis: Analysis) -> Hypothesis:
    statement = "the data is a finite matrix"
    if analysis.data is None:
        why = "no data is loaded; its norms stay symbols"
        return Hypothesis("data", statement, "assumption", "assumed", why)
    facts = analysis.data.facts
    norm = outward(facts.frobenius, "upper")
    why = f"{facts.samples} samples of {facts.features} features, |X|_F <= {norm}"
    return Hypothesis("data", statement, "data", "verified on data", why)


def _anyway(
    hypotheses: tuple[Hypothesis, ...], conclusions: dict[str, ComposedBound]
) -> tuple[str, ...]:
    if "beta" in conclusions and not all(h.holds for h in hypotheses):
        return (
            "A hypothesis is missing, but the calculus bounds this network's beta all the same: "
            "the constants listed are proved.",
        )
    return ()
