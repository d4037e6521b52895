"""Theorem 5.1: gradient descent on fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from govcheck.bounds.answer import Ref
from govcheck.bounds.expr import Expr, maximum, num, power
from govcheck.kernels.family import Family, Kind
from govcheck.theorems.protocol import TheoremExample
from govcheck_plugins.theorems._du import C_ETA, C_H, C_M, DuTheorem, du, terms
from govcheck_plugins.theorems._du_examples import FC, examples
from govcheck_plugins.theorems._width_case import WidthCase


class DuTheorem51(DuTheorem):
    """``|y - u(k)|^2 <= (1 - eta lambda_0/2)^k |y - u(0)|^2`` for fully connected networks.

    With probability at least 1 - delta, if the width is at least m* and the step at most
    eta*; as corrected, both are explicit. Options: delta, lambda_0, C_m, C_eta, C_H.
    """

    name: ClassVar[str] = "du2019.theorem_5_1"
    title: ClassVar[str] = "Convergence of wide fully connected networks"
    reference: ClassVar[Ref] = du("Thm 5.1", "D-1", "D-11", "D-13")
    kind: ClassVar[Kind] = "fc"
    ids = ("D-1", "D-11", "D-13")
    false = ("D-1", "D-11")

    def printed_width(self, case: WidthCase, family: Family) -> tuple[Expr, Expr]:
        n, least, norm, start = terms(case, family, self._delta(case))
        bare = maximum(n**4 / least**4, norm, start)
        return bare, self._hidden(case, C_M) * self._power(case, family) * bare

    def printed_step(self, case: WidthCase, family: Family) -> Expr:
        n, least, *_ = terms(case, family, self._delta(case))
        return self._hidden(case, C_ETA) * least / (n**2 * self._power(case, family))

    def _power(self, case: WidthCase, family: Family) -> Expr:
        return power(num(2), self._hidden(case, C_H) * family.hidden)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return examples(cls.name, FC)
