"""Proposition 4.5: regularity of the network from its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from govcheck.analysis import Analysis, with_mode
from govcheck.bounds.answer import Ref
from govcheck.bounds.constants import Mode
from govcheck.bounds.expr import ZERO
from govcheck.theorems.protocol import Hypothesis, Reading, Status, Theorem, TheoremExample, Verdict
from govcheck_plugins.theorems._errata import errata
from govcheck_plugins.theorems._support import (
    as_printed,
    false_statement,
    known,
    paper,
    positive,
    show,
    sound,
    summarised,
)

IDS: Final = ("E2", "E3")
SHOWN: Final = 6
SUM: Final = Mode("printed sum", lemma81=True, printed=True)
"""Everything that is known about the data, layers and sums as printed."""


_NET: Final = """
govcheck: 1
name: two layers
input: [2]
layers:
  - affine: {{out: 2, bias: false, weight: entrywise}}
  - residual:
      - affine: {{out: 2, bias: false, weight: weight_norm, scale: 1/4}}
      - tanh
data: {{sphere: {{n: {n}}}}}
domain: {{ball: 1}}
"""


class Proposition45(Theorem):
    """A lower bound of the surjectivity modulus of DF by those of the layers."""

    name: ClassVar[str] = "macdonald2022.proposition_4_5"
    title: ClassVar[str] = "Regularity of the network from its layers"
    reference: ClassVar[Ref] = paper("Prop 4.5", *IDS)
    readings: ClassVar[tuple[Reading, ...]] = ("as_printed", "as_corrected")
    never_fails: ClassVar[Mapping[str, str]] = {
        "system": "architecture files write nothing else"
    }

    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        proven = sound(analysis)
        bound = proven.bounds["sigma_D"]
        hypotheses = (_separate(proven), _positive(proven))
        if reading == "as_corrected":
            verdict = Verdict(
                self.name,
                self.title,
                self.reference,
                reading,
                hypotheses,
                known({"sigma_D": bound}),
                errata=errata(*IDS),
                remarks=(
                    "sigma is the surjectivity modulus, min |A^T v| over unit v; layers add in "
                    "squares.",
                ),
            )
            return summarised(verdict, f"On the whole set {show(proven, 'sigma(DF)', bound)}.")
        # a sum has more than no terms only if the root of the sum of squares has
        value = bound if bound.value is ZERO else with_mode(proven, SUM).bounds["sigma_D"]
        same = value.value is bound.value
        verdict = Verdict(
            self.name,
            self.title,
            self.reference,
            reading,
            (*hypotheses, false_statement(*IDS)),
            known({"sigma_D": value if same else as_printed(value, *IDS)}),
            errata=errata(*IDS),
            remarks=("Here the printed sum equals the corrected bound.",) if same else (),
        )
        return summarised(verdict, "")

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return (
            TheoremExample(_NET.format(n=2), measured=_measured),
            TheoremExample(_NET.format(n=3), "positive"),
            TheoremExample(_NET.format(n=2), "statement", "as_printed"),
        )


def _measured(analysis: Analysis) -> Mapping[str, float]:
    from govcheck.numeric.network import extreme

    return {"sigma_D": extreme(analysis, "sigma_D")}


def _separate(analysis: Analysis) -> Hypothesis:
    statement = "F is a composition of blocks, each with parameters of its own"
    count = len(analysis.architecture.body.steps)
    evidence = f"{count} blocks; inside a block paths that share parameters count nothing"
    return Hypothesis("system", statement, "symbolic", "proved", evidence)


def _positive(analysis: Analysis) -> Hypothesis:
    statement = (
        "some layer has inf sigma(Df) > 0 and all maps behind it have inf sigma(Jf) > 0 on S"
    )
    bound = analysis.bounds["sigma_D"]
    state = positive(analysis, bound.value)
    status: Status = "proved" if state else "unknown"
    shown = show(analysis, "sigma(DF)", bound)
    if bound.value is ZERO:
        regular = [n for n, c in analysis.local.items() if c.value("sigma_D") is not ZERO]
        if regular:
            shown += f"; sigma(Df) > 0 at {_names(regular)}, but not sigma(Jf) of all maps behind"
        else:
            shown += "; no layer has a positive lower bound of sigma(Df) on S"
    return Hypothesis("positive", statement, "symbolic", status, shown, (bound,))


def _names(nodes: list[str]) -> str:
    more = f" and {len(nodes) - SHOWN} more" if len(nodes) > SHOWN else ""
    return ", ".join(nodes[:SHOWN]) + more
