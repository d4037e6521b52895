"""Lemmas 1.4 and 1.5 of the notes on Du et al.: what random initial weights give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from flint import arb

from govcheck.bounds.answer import Ref, Unknown
from govcheck.bounds.expr import PI, Expr, ExprLike, as_expr, function, num, power, sqrt
from govcheck.kernels.family import Kind
from govcheck.theorems.protocol import TheoremExample
from govcheck_plugins.theorems._du import C_H
from govcheck_plugins.theorems._lemma import C_M, Conclusions, Local, Outcome, powers
from govcheck_plugins.theorems._lemma_hypotheses import lambda_0, lipschitz, width
from govcheck_plugins.theorems._lemma_initial import (
    TypicalGram,
    TypicalNorms,
    gram_found,
    initial_examples,
    norms_found,
)
from govcheck_plugins.theorems._width_hypotheses import draw, unit
from govcheck_plugins.theorems.du2019_notes_region import notes

AS_PRINTED = "as printed, with hidden constants"


class NotesLemma14(TypicalNorms):
    """``1/c_x0 <= |x_i^(h)(0)| <= c_x0`` with probability 1 - delta, if m is large enough.

    Printed with c_x0 = 2 and ``m = Omega(n H g_C(H)^2/delta)``; corrected with
    ``| |x|^2 - 1| <= 1/2`` and a width that grows with log(nH/delta), all explicit.
    """

    name: ClassVar[str] = "du2019_notes.lemma_1_4"
    title: ClassVar[str] = "Norms of features of random networks"
    reference: ClassVar[Ref] = notes("Lemma 1.4", "N-5", "N-6")
    kinds: ClassVar[tuple[Kind, ...]] = ("fc",)
    ids = ("N-5", "N-6")

    def printed(self, local: Local) -> Outcome:
        found, sigma = Conclusions(AS_PRINTED, self.reference), local.slopes
        if isinstance(sigma, Unknown):
            return Outcome((lipschitz(local),))
        L, root = sigma.slope, sqrt(2 / PI)
        C = sigma.c_sigma * L * (2 * sigma.zero * root + 2 * L)
        bare = local.n * local.H * powers(C, local.H) ** 2 / local.delta
        least = local.hidden(C_M) * bare
        found.put("|x|", num(2), "upper", "|x_i^(h)(0)| for every h and i")
        found.put("min |x|", num("1/2"), "lower", "|x_i^(h)(0)| for every h and i")
        found.put("m (printed)", least, "upper", "the printed width, with a hidden constant")
        found.put("m (printed, constant 1)", bare, "upper", "the same with the constant 1")
        return Outcome(
            (lipschitz(local), unit(local.case),
             width(local, least, "the printed width", local.given),
             draw("probability at least 1 - delta")),
            found, (*self.loose(local, C), *self.here(local)),
        )

    def loose(self, local: Local, C: Expr) -> tuple[str, ...]:
        """How far the norm's recursion really expands, against the printed constant."""
        import numpy as np

        dual = local.family.activation.dual(lambda e: _mid(local, e))
        c, printed = _mid(local, local.family.c_sigma), _mid(local, C)
        if isinstance(dual, Unknown):
            return ()
        s = np.concatenate([np.linspace(0.25, 0.99, 60), np.linspace(1.01, 4, 60)])
        ratio = np.abs(c * dual.product(s, s, s) - 1) / np.abs(s - 1)
        return (
            f"|c_sigma E sigma(sZ)^2 - 1| is at most {ratio.max():.3g} |s^2 - 1| for s from 1/2 to "
            f"2, as computed; C allows {printed:.3g}.",
        )

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return initial_examples(cls.name, norms_found)


class NotesLemma15(TypicalGram):
    """``lambda_min(G^(H)(0)) >= 3 lambda_0/4`` with probability 1 - delta, if m is large enough.

    Printed with ``m = Omega(n^2 log(Hn/delta) 2^O(H)/lambda_0^2)``, corrected with explicit m*.
    """

    name: ClassVar[str] = "du2019_notes.lemma_1_5"
    title: ClassVar[str] = "The Gram matrix of random networks"
    reference: ClassVar[Ref] = notes("Lemma 1.5", "D-1")
    kinds: ClassVar[tuple[Kind, ...]] = ("fc",)
    ids = ("D-1",)

    def printed(self, local: Local) -> Outcome:
        found = Conclusions(AS_PRINTED, self.reference)
        n, log = local.n, function("log", local.H * local.n / local.delta)
        bare = n**2 * log / local.lambda_0**2
        growth = local.option("C_H") or C_H
        least = local.hidden(C_M) * power(num(2), growth * local.H) * bare
        found.put("lambda_min", 3 * local.lambda_0 / 4, "lower", "lambda_min(G^(H)(0))")
        found.put("m (printed)", least, "upper", "the printed width, with hidden constants")
        found.put("m (printed, constants 1)", bare, "upper", "the same with 1 for both factors")
        return Outcome(
            (unit(local.case), lambda_0(local),
             width(local, least, "the printed width", local.given),
             draw("probability at least 1 - delta")),
            found, self.here(local),
        )

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return initial_examples(cls.name, gram_found, kernel=True)


def _mid(local: Local, e: ExprLike) -> float:
    value = local.value(as_expr(e))
    return float(value.mid()) if isinstance(value, arb) else float("nan")
