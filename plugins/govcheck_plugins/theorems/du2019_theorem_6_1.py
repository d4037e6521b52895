"""Theorem 6.1: gradient descent on residual networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from govcheck.bounds.answer import Ref
from govcheck.bounds.expr import Expr, maximum
from govcheck.kernels.family import Family, Kind
from govcheck.theorems.protocol import TheoremExample
from govcheck_plugins.theorems._du import C_ETA, C_M, DuTheorem, du, terms
from govcheck_plugins.theorems._du_examples import RESNET, examples
from govcheck_plugins.theorems._width_case import WidthCase


class DuTheorem61(DuTheorem):
    """``|y - u(k)|^2 <= (1 - eta lambda_0/2)^k |y - u(0)|^2`` for residual networks.

    With probability at least 1 - delta, if the width is at least m* and the step at most
    eta*; as corrected, both are explicit. Options: delta, lambda_0, C_m, C_eta.
    """

    name: ClassVar[str] = "du2019.theorem_6_1"
    title: ClassVar[str] = "Convergence of wide residual networks"
    reference: ClassVar[Ref] = du("Thm 6.1", "D-1", "D-2", "D-9", "D-11", "D-13")
    kind: ClassVar[Kind] = "resnet"
    ids = ("D-1", "D-2", "D-9", "D-11", "D-13")
    false = ("D-1", "D-9", "D-11")

    def printed_width(self, case: WidthCase, family: Family) -> tuple[Expr, Expr]:
        n, least, norm, start = terms(case, family, self._delta(case))
        H = family.hidden
        bare = maximum(n**4 / (least**4 * H**6), n**2 / (least**2 * H**2), norm, start)
        return bare, self._hidden(case, C_M) * bare

    def printed_step(self, case: WidthCase, family: Family) -> Expr:
        n, least, *_ = terms(case, family, self._delta(case))
        return self._hidden(case, C_ETA) * least * family.hidden**2 / n**2

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return examples(cls.name, RESNET)
