"""Lemmas 6 to 8 of Zhang et al. (2022, supplement): what one step of gradient descent does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from govcheck.analysis import Analysis
from govcheck.bounds.answer import Ref, Unknown, Value
from govcheck.bounds.expr import Expr, num
from govcheck.kernels.family import Kind
from govcheck.theorems.protocol import Hypothesis, Status, TheoremExample
from govcheck_plugins.theorems._lemma import C_ETA, C_OUT, Conclusions, Lemma, Local, Outcome
from govcheck_plugins.theorems._lemma_examples import NF, SEEDS, region_examples, text
from govcheck_plugins.theorems._lemma_hypotheses import at_most, norms, rate, step
from govcheck_plugins.theorems._lemma_measured import one_step, run, second_order
from govcheck_plugins.theorems._lemma_region import OutputStep, SecondOrder
from govcheck_plugins.theorems._lemma_start import measured
from govcheck_plugins.theorems._width_hypotheses import cost
from govcheck_plugins.theorems.zhang2022_initialisation import AS_PRINTED, zhang


class ZhangLemma6(SecondOrder):
    """The second-order part of a step, ``|I_2| <= (eta |y - u|)^2 n^(3/2) S/2``.

    Printed ``O(eta^2 |y - u|)``, which hides n^(3/2) and the size of the residual; the proof of
    Thm 1 needs ``eta lambda_0 |y - u|/8``, which is corrected with an explicit step.
    """

    name: ClassVar[str] = "zhang2022.lemma_6"
    title: ClassVar[str] = "The second-order part of a step in a residual network"
    reference: ClassVar[Ref] = zhang("Lemma 6", "R-11", "R-1")
    kinds: ClassVar[tuple[Kind, ...]] = ("nf_resnet",)
    ids = ("R-11", "R-1")

    def printed(self, local: Local) -> Outcome:
        found = Conclusions(AS_PRINTED, self.reference)
        out = local.hidden(C_OUT)
        found.put("|I_2|/(eta^2 |r|) (printed)", out, "upper", "a constant that is not given")
        factor: Value = self.factor(local)
        needed = factor * local.norms["rho_0"] if isinstance(factor, Expr) else factor
        enough = at_most(
            local, "sufficient", "the hidden constant covers n^(3/2) S |y - u(0)|/2",
            ("n^(3/2) S |y - u(0)|/2", needed), ("C_out", out), assumed=local.given,
        )
        return Outcome((*self.trained(local), enough), found)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return region_examples(cls.name, NF, second_order, trained=True, step=True)


class ZhangLemma7(Lemma):
    """``(y - u)^T I_1 >= eta lambda_min(G^(H)) |y - u|^2`` for the first-order part of a step.

    Printed without eta. With ``I_1 = eta G (y - u)`` and G the sum over all trained blocks,
    that of the factors included, it holds at all weights, because the blocks are positive.
    """

    name: ClassVar[str] = "zhang2022.lemma_7"
    title: ClassVar[str] = "The first-order part of a step"
    reference: ClassVar[Ref] = zhang("Lemma 7", "R-6", "R-11")
    kinds: ClassVar[tuple[Kind, ...]] = ("nf_resnet",)
    ids = ("R-6", "R-11")

    def corrected(self, local: Local) -> Outcome:
        found = Conclusions("the blocks of G are positive semidefinite", self.reference)
        at = local.start
        if not isinstance(at, Unknown):
            least = measured("lambda_min(G^(H)(0))", max(at.least, 0.0))
            found.put("(r, I_1)/(eta |r|^2)", least, "lower",
                      "measured lambda_min(G^(H)(0)), a bound at the initial weights")
        return Outcome((cost(local.case), norms(local)), found)

    def printed(self, local: Local) -> Outcome:
        found = Conclusions(f"{AS_PRINTED}; not a bound (R-11)", self.reference)
        words = "(y - u)^T I_1 >= lambda_min(G^(H)) |y - u|^2 for small steps"
        at = local.start
        if isinstance(at, Unknown):
            statement = Hypothesis("statement", words, "measured", "unknown", at.reason)
            return Outcome((cost(local.case), statement), found)
        import numpy as np

        from govcheck.kernels.trajectory import gram

        r = at.given.targets - at.network.outputs
        whole = float(r @ gram(at.network, at.given.multiplier) @ r)
        least = at.least * float(r @ r)
        eta = least / whole / 2
        status: Status = "refuted" if least > 0 and whole > 0 else "unknown"
        why = (
            f"at the initial weights and eta = {eta:.3g}: {eta * whole:.4g} against {least:.4g}; "
            f"with the factor eta on the right {eta * least:.4g}"
        )
        without = gram(at.network, 0.0)
        left_out = float(np.linalg.norm((gram(at.network, at.given.multiplier) - without) @ r))
        found.put("lambda_min (printed)", measured("lambda_min", max(at.least, 0.0)), "lower",
                  "the printed, incorrect value; not a bound (R-11)")
        remark = (
            f"Without the block of the factors I_1 would differ by {left_out:.4g} eta from the "
            f"first-order part of the step, {float(np.linalg.norm(without @ r)):.4g} eta (R-6)."
        )
        statement = Hypothesis("statement", words, "measured", status, why)
        return Outcome((cost(local.case), statement), found, (remark,))

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        def make(body: str = NF, *, act: str = "tanh", cost: str = "cost: summed_square\n") -> str:
            return text(cls.name, body, width="40", act=act, cost=cost, seed=SEEDS[NF],
                        data="orthonormal: {n: 2}")

        return (
            TheoremExample(make(), measured=_first),
            TheoremExample(make(NF.replace("bias: false", "bias: true", 1)), "network"),
            TheoremExample(make(cost=""), "cost"),
            TheoremExample(make(act="silu"), "norms"),
        )


def _first(analysis: Analysis) -> Mapping[str, float]:
    eta = 1e-4
    return {"(r, I_1)/(eta |r|^2)": float(run(analysis, eta, 1).first[0]) / eta}


class ZhangLemma8(OutputStep):
    """``|u(k+1) - u(k)|^2 <= (eta n B_2 |y - u(k)|)^2``.

    Printed ``O(eta^2 |y - u|^2)`` for ``eta <= C_eta lambda_0 H^2/n^2``, which hides n^2; the
    proof of Thm 1 needs ``eta lambda_0 |y - u|^2/8``, which is corrected with an explicit step.
    """

    name: ClassVar[str] = "zhang2022.lemma_8"
    title: ClassVar[str] = "How far the outputs of a residual network move in a step"
    reference: ClassVar[Ref] = zhang("Lemma 8", "R-11", "R-1")
    kinds: ClassVar[tuple[Kind, ...]] = ("nf_resnet",)
    ids = ("R-11", "R-1")

    def printed(self, local: Local) -> Outcome:
        found = Conclusions(AS_PRINTED, self.reference)
        out = local.hidden(C_OUT)
        eta = local.hidden(C_ETA) * local.lambda_0 * num(local.H) ** 2 / local.n**2
        found.put("|du|^2/(eta |r|)^2 (printed)", out, "upper", "a constant that is not given")
        descent = local.descent
        needed: Value = descent if isinstance(descent, Unknown) else (local.n * descent.trace) ** 2
        enough = at_most(
            local, "sufficient", "the hidden constant covers (n B_2)^2",
            ("(n B_2)^2", needed), ("C_out", out), assumed=local.given,
        )
        return Outcome(
            (cost(local.case), rate(), enough, step(local, eta, "the printed step", local.given)),
            found,
        )

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return region_examples(cls.name, NF, one_step, trained=True, step=True)
