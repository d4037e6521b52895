"""Theorem 1 of Zhang et al. (2022): gradient descent on residual networks with trained factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from govcheck.bounds.answer import ComposedBound, Ref
from govcheck.bounds.expr import Expr, maximum
from govcheck.kernels.family import Family, Kind
from govcheck.theorems.protocol import Hypothesis, TheoremExample
from govcheck_plugins.theorems._du import C_ETA, C_M, DuTheorem, terms
from govcheck_plugins.theorems._du_examples import RESNET, examples
from govcheck_plugins.theorems._errata_du import DU
from govcheck_plugins.theorems._errata_zhang import ZHANG
from govcheck_plugins.theorems._lemma import Local
from govcheck_plugins.theorems._lemma_hypotheses import factors, last_factor
from govcheck_plugins.theorems._width_case import WidthCase
from govcheck_plugins.theorems.zhang2022_initialisation import zhang

TRAINED = RESNET.replace(
    "scale: {factor: 1/(2*sqrt(m))}", "scale: {factor: 1/(2*m), trainable: true, initial: sqrt(m)}"
)
COMMON = RESNET.replace("1/(2*sqrt(m))}", "1/(2*sqrt(m)), trainable: true, initial: 1}")

Found = tuple[tuple[Hypothesis, ...], dict[str, ComposedBound], tuple[str, ...]]


class ZhangTheorem1(DuTheorem):
    """``|y - u(k)|^2 <= (1 - eta lambda_0/2)^k |y - u(0)|^2`` with trained residual factors.

    With probability at least 1 - delta, if the width is at least m* and the step at most eta*.
    Printed for alpha_h trained with the common step; corrected for gamma_h trained, where
    ``alpha_h = alpha_h(0) + gamma_h/sqrt(m)``. Options: delta, lambda_0, C_m, C_eta.
    """

    name: ClassVar[str] = "zhang2022.theorem_1"
    title: ClassVar[str] = "Convergence of wide residual networks with trained factors"
    reference: ClassVar[Ref] = zhang("Thm 1", "R-1", "R-2", "R-3", "R-4", "R-16", "D-1", "D-9")
    kind: ClassVar[Kind] = "nf_resnet"
    ids = ("R-1", "R-2", "R-3", "R-4", "R-16", "D-1", "D-2", "D-9", "D-11", "D-13")
    false = ("R-1", "R-2", "R-3", "D-9", "D-11")
    records = ZHANG | DU

    def printed_width(self, case: WidthCase, family: Family) -> tuple[Expr, Expr]:
        n, least, norm, start = terms(case, family, self._delta(case))
        H = family.hidden
        bare = maximum(n**4 / (least**4 * H**6), n**2 / (least**2 * H**2), norm, start)
        return bare, self._hidden(case, C_M) * bare

    def printed_step(self, case: WidthCase, family: Family) -> Expr:
        n, least, *_ = terms(case, family, self._delta(case))
        return self._hidden(case, C_ETA) * least * family.hidden**2 / n**2

    def _corrected(self, case: WidthCase, family: Family, is_network: Hypothesis) -> Found:
        hypotheses, conclusions, remarks = super()._corrected(case, family, is_network)
        local = Local(self, case, family)
        return (*hypotheses, last_factor(local), factors(local)), conclusions, remarks

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        body = TRAINED
        zero = body.replace("initial: sqrt(m)", "initial: 0")
        lost = ("lambda_0", "width", "step")

        def moved(layers: str, key: str, also: tuple[str, ...] = ()) -> TheoremExample:
            valid = examples(cls.name, layers)[0]
            return TheoremExample(valid.architecture, key, also=also)

        return (
            *examples(cls.name, body), moved(COMMON, "factors"), moved(zero, "alpha_H", lost)
        )
