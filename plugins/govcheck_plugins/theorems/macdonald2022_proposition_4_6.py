"""Proposition 4.6: a residual block with a contracting branch is regular."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from govcheck.analysis import Analysis
from govcheck.bounds.answer import ComposedBound, Ref
from govcheck.bounds.expr import let
from govcheck.theorems.protocol import Reading, Theorem, TheoremExample, Verdict
from govcheck_plugins.theorems._residual import (
    branch_jacobians,
    contraction_hypothesis,
    residuals,
    smallest_delta,
)
from govcheck_plugins.theorems._support import paper, show, sound, summarised

_BLOCK = """
govcheck: 1
name: one block
input: [2]
layers:
  - residual:
      - affine: {{out: 2, weight: weight_norm, bias: false, scale: {scale}}}
      - tanh
data: {{sphere: {{n: 2}}}}
domain: {{ball: 2}}
"""


class Proposition46(Theorem):
    """``|Jg| <= 1 - delta`` gives ``sigma(Id + Jg) >= delta``, by Weyl's inequality."""

    name: ClassVar[str] = "macdonald2022.proposition_4_6"
    title: ClassVar[str] = "Regularity of residual blocks"
    reference: ClassVar[Ref] = paper("Prop 4.6")

    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        proven = sound(analysis)
        jacobians = branch_jacobians(proven, residuals(proven.architecture.body))
        hypotheses = (contraction_hypothesis(proven, jacobians),)
        delta = smallest_delta(jacobians)
        conclusions = {}
        if delta is not None:
            conclusions["delta"] = ComposedBound(
                "delta",
                "every residual block",
                let("delta", delta),
                "lower",
                "sigma(Id + Jg) >= 1 - |Jg|_2",
                self.reference,
                tuple(jacobians.values()),
                "for all parameters of the set and all inputs",
            )
        verdict = Verdict(
            self.name, self.title, self.reference, reading, hypotheses, conclusions
        )
        applies = ""
        if delta is not None:
            applies = f"In every residual block {show(proven, 'sigma(Jf)', conclusions['delta'])}."
        return summarised(verdict, applies)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return (
            TheoremExample(_BLOCK.format(scale="1/2"), measured=_measured),
            TheoremExample(_BLOCK.format(scale="2"), "contraction"),
        )


def _measured(analysis: Analysis) -> Mapping[str, float]:
    from govcheck.numeric.network import extreme

    return {"delta": extreme(analysis, "sigma_J")}
