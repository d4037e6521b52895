"""Lemmas 1.9 and 1.10 of the notes on Du et al.: what one step of gradient descent does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from flint import arb

from govcheck.bounds.answer import Ref, Unknown, Value
from govcheck.bounds.expr import Expr
from govcheck.kernels.family import Kind
from govcheck.theorems.protocol import TheoremExample
from govcheck_plugins.theorems._lemma import C_ETA, Conclusions, Local, Outcome, powers
from govcheck_plugins.theorems._lemma_examples import FC, region_examples
from govcheck_plugins.theorems._lemma_hypotheses import at_most, step
from govcheck_plugins.theorems._lemma_measured import one_step, second_order
from govcheck_plugins.theorems._lemma_region import OutputStep, SecondOrder
from govcheck_plugins.theorems._width_case import up
from govcheck_plugins.theorems._width_hypotheses import step_factor
from govcheck_plugins.theorems.du2019_notes_region import PRINTED, c_x, notes


def printed_step(local: Local, exponent: int) -> Value:
    """``C lambda_0/(n^2 H^2 c_x^(exponent H) g_(2 c_x)(H))``."""
    growth = c_x(local, floor=True)
    if isinstance(growth, Unknown):
        return growth
    H = local.H
    below = local.n**2 * H**2 * growth ** (exponent * H) * powers(2 * growth, H)
    return local.hidden(C_ETA) * local.lambda_0 / below


class NotesLemma19(SecondOrder):
    """``|I_2(k)| <= eta lambda_0 |y - u(k)|/8`` if the step is small enough.

    I_2 is what ``u(k+1) - u(k)`` has beyond first order in eta. The printed step has a hidden
    constant C_eta; corrected it is ``lambda_0/(4 n^(3/2) S |y - u(0)|)``.
    """

    name: ClassVar[str] = "du2019_notes.lemma_1_9"
    title: ClassVar[str] = "The second-order part of a step"
    reference: ClassVar[Ref] = notes("Lemma 1.9", "N-5")
    kinds: ClassVar[tuple[Kind, ...]] = ("fc",)
    ids = ("N-5",)
    exponent: ClassVar[int] = 3

    def printed(self, local: Local) -> Outcome:
        found = Conclusions(PRINTED, self.reference)
        eta = printed_step(local, self.exponent)
        if isinstance(eta, Expr):
            found.put("eta (printed)", eta / step_factor(local.analysis), "lower",
                      "the printed step, with a hidden constant")
        enough = at_most(
            local, "sufficient", "the hidden constant makes the printed step small enough",
            ("the printed step", eta), ("the explicit one", self.largest(local)),
            assumed=local.given,
        )
        return Outcome(
            (*self.trained(local), enough, step(local, eta, "the printed step", local.given)), found
        )

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return region_examples(cls.name, FC, second_order, trained=True, step=True)


class NotesLemma110(OutputStep):
    """``|u(k+1) - u(k)|^2 <= eta lambda_0 |y - u(k)|^2/8`` if the step is small enough.

    The printed step has a hidden constant C_eta, and for a growing number of layers none
    serves; corrected it is ``lambda_0/(8 n^2 B_2^2)``.
    """

    name: ClassVar[str] = "du2019_notes.lemma_1_10"
    title: ClassVar[str] = "How far the outputs move in a step"
    reference: ClassVar[Ref] = notes("Lemma 1.10", "N-5", "N-7")
    kinds: ClassVar[tuple[Kind, ...]] = ("fc",)
    ids = ("N-5", "N-7")

    def printed(self, local: Local) -> Outcome:
        found = Conclusions(PRINTED, self.reference)
        eta = printed_step(local, 2)
        most = self.corrected(local).conclusions.get("eta")
        explicit: Value = Unknown.because("its constants are not known")
        if isinstance(eta, Expr):
            found.put("eta (printed)", eta / step_factor(local.analysis), "lower",
                      "the printed step, with a hidden constant")
        if most is not None and isinstance(most.value, Expr):
            explicit = most.value * step_factor(local.analysis)
        enough = at_most(
            local, "sufficient", "the hidden constant makes the printed step small enough",
            ("the printed step", eta), ("the explicit one", explicit), assumed=local.given,
        )
        hypotheses = (
            *self.trained(local), enough, step(local, eta, "the printed step", local.given)
        )
        return Outcome(hypotheses, found, self.gap(local))

    def gap(self, local: Local) -> tuple[str, ...]:
        """What the proof needs against what is printed, at this depth and at larger ones."""
        growth = c_x(local, floor=True)
        if isinstance(growth, Unknown):
            return ()
        ratios = []
        for H in (local.H, 10 * local.H, 20 * local.H):
            ratio = local.value(powers(growth, H) ** 2 / (H**2 * powers(2 * growth, H)))
            if isinstance(ratio, arb):
                ratios.append(f"{up(ratio)} at H = {H}")
        size = local.value(growth)
        shown = up(size) if isinstance(size, arb) else "c_x"
        return (
            f"The printed step is too large for the proof by the factor g_(c_x)(H)^2/(H^2 "
            f"g_(2 c_x)(H)), c_x = {shown}: {', '.join(ratios)}.",
        )

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return region_examples(cls.name, FC, one_step, trained=True, step=True)
