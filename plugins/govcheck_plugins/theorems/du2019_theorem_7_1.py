"""Theorem 7.1: gradient descent on convolutional residual networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from govcheck.analysis import SAMPLES
from govcheck.bounds.answer import Ref, Unknown, Value
from govcheck.bounds.expr import Expr, function, maximum
from govcheck.kernels.family import Family, Kind
from govcheck.kernels.widths import Explicit
from govcheck.theorems.protocol import TheoremExample
from govcheck_plugins.theorems._du import C_ETA, C_M, POLY, DuTheorem, du, terms
from govcheck_plugins.theorems._du_examples import IMAGE, examples
from govcheck_plugins.theorems._width_case import WidthCase


class DuTheorem71(DuTheorem):
    """``|y - u(k)|^2 <= (1 - eta lambda_0/2)^k |y - u(0)|^2`` for convolutional networks.

    With probability at least 1 - delta, if the width is at least m* and the step at most
    eta*. The constants C_m and C_eta and the polynomial poly in the number of pixels are not
    known in either reading; the options C_m, C_eta and poly assume values for them.
    """

    name: ClassVar[str] = "du2019.theorem_7_1"
    title: ClassVar[str] = "Convergence of wide convolutional residual networks"
    reference: ClassVar[Ref] = du("Thm 7.1", "D-1", "D-2", "D-3", "D-4", "D-9", "D-14")
    kind: ClassVar[Kind] = "conv_resnet"
    ids = ("D-1", "D-2", "D-3", "D-4", "D-9", "D-11", "D-13", "D-14")
    false = ("D-1", "D-2", "D-3", "D-4", "D-9", "D-11")

    def printed_width(self, case: WidthCase, family: Family) -> tuple[Expr, Expr]:
        n, least, norm, start = terms(case, family, self._delta(case))
        H = family.hidden
        bare = maximum(n**4 / (least**4 * H**6), n**4 / (least**4 * H**2), norm, start)
        return bare, self._hidden(case, C_M) * self._hidden(case, POLY) * bare

    def printed_step(self, case: WidthCase, family: Family) -> Expr:
        n, least, *_ = terms(case, family, self._delta(case))
        factor = self._hidden(case, C_ETA) / self._hidden(case, POLY)
        return factor * least * family.hidden**2 / n**2

    def _needed(
        self, case: WidthCase, family: Family, found: Explicit | Unknown
    ) -> tuple[Value, Value]:
        """The orders of Theorem 6.1 as corrected, with what images add left open."""
        n, H, delta = SAMPLES, family.hidden, self._delta(case)
        least = case.lambda_0(self._own(case, "lambda_0"))
        poly = self._hidden(case, POLY)
        drift = n**4 * (1 + function("log", H * n / delta)) / (least**4 * H**4)
        start = n**2 * function("log", H * n / delta) / least**2
        width = self._hidden(case, C_M) * poly * maximum(drift, start)
        return width, self._hidden(case, C_ETA) * least / (n**2 * poly)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return examples(cls.name, IMAGE, ", C_m: 1, C_eta: 1, poly: 27", "1, ")
