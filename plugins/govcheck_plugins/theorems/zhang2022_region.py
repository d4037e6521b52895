"""Lemmas 2 to 4 of Zhang et al. (2022, supplement): what training changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar

from govcheck.bounds.answer import Ref, Unknown, Value
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import Expr, as_expr, num, sqrt
from govcheck.kernels.family import Kind
from govcheck.theorems.protocol import Hypothesis, Status, TheoremExample
from govcheck_plugins.theorems._lemma import C_ETA, C_M, C_OUT, Conclusions, Lemma, Local, Outcome
from govcheck_plugins.theorems._lemma_examples import COMMON, NF, region_examples, text
from govcheck_plugins.theorems._lemma_hypotheses import (
    DRAWN,
    events,
    factors,
    lambda_0,
    last_factor,
    lipschitz,
    norms,
    rate,
    region,
    step,
    width,
)
from govcheck_plugins.theorems._lemma_initial import wide_gram
from govcheck_plugins.theorems._lemma_measured import features_moved, ways
from govcheck_plugins.theorems._lemma_region import PerturbedFeatures, Way
from govcheck_plugins.theorems._width_hypotheses import cost, draw, smooth, unit
from govcheck_plugins.theorems.zhang2022_initialisation import AS_PRINTED, printed_width, zhang

WIDTHS = (64, 256)
SEEDS = 8


@lru_cache(maxsize=1)
def counterexample() -> tuple[bool, str]:
    """Whether gradient descent on tiny networks contradicts Lemma 2 at every width, in words too.

    Three samples of norm 1 with targets 3, -3 and 3, H = 2, softplus, alpha_2(0) = 1, all weights
    N(0, 1) by seeds 0 to 7, half the largest stable step.
    """
    import numpy as np

    from govcheck.certify.floats import FUNCTIONS
    from govcheck.kernels.dual import normalisation
    from govcheck.kernels.papers import resnet_kernels
    from govcheck.kernels.trajectory import Given, descend, gram
    from govcheck_plugins.layers.softplus import Softplus

    x = np.array([[1, 0, 0], [0.6, 0.8, 0], [2 / 3, -1 / 3, 2 / 3]])
    dual = Softplus().dual(lambda e: float(evaluate(as_expr(e), {}).mid()))
    kernel = float(np.linalg.eigvalsh(resnet_kernels(x, [1.0], dual).last)[0])
    found, contradicted = [], True
    for m in WIDTHS:
        low: dict[float, list[float]] = {1.0: [], 1 / m: []}
        far: dict[float, list[float]] = {1.0: [], 1 / m: []}
        for seed in range(SEEDS):
            draw = np.random.default_rng(seed)
            weights = (draw.standard_normal((m, 3)), draw.standard_normal((m, m)))
            readout = draw.standard_normal(m)
            for multiplier in low:
                given = Given(
                    x, np.array([3.0, -3.0, 3.0]), weights, readout,
                    lambda z: FUNCTIONS["softplus"](z)[0], lambda z: FUNCTIONS["softplus"](z)[1],
                    normalisation(dual), (1.0,), multiplier,
                )
                top = float(np.linalg.eigvalsh(gram(given.start, multiplier))[-1])
                run = descend(given, 1 / (2 * top), 100, reduction=0.01)
                low[multiplier].append(float(run.smallest.min()) / kernel)
                far[multiplier].append(float(run.factors.max()))
        for multiplier, name in ((1.0, "eta"), (1 / m, "eta/m")):
            below = sum(v < 0.25 for v in low[multiplier])
            contradicted &= (below > 0) == (name == "eta")
            found.append(
                f"m = {m}, step {name} for alpha: lambda_min(G^(H)) falls to "
                f"{min(low[multiplier]):.3g} lambda_0, below lambda_0/4 in {below} of {SEEDS} "
                f"runs, alpha moves by {np.mean(far[multiplier]):.2g} on average"
            )
    return contradicted, "; ".join(found)


class ZhangLemma2(Lemma):
    """``lambda_min(G^(H)(k))`` stays above a part of lambda_0 during all of training, w.h.p.

    Printed ``lambda_0/4`` for alpha trained with the common step, which training contradicts.
    Corrected ``lambda_0/2`` with explicit width and step for ``alpha_h(0) + gamma_h/sqrt(m)``.
    """

    name: ClassVar[str] = "zhang2022.lemma_2"
    title: ClassVar[str] = "The Gram matrix during training"
    reference: ClassVar[Ref] = zhang("Lemma 2", "R-1", "R-2", "R-3", "R-16")
    kinds: ClassVar[tuple[Kind, ...]] = ("nf_resnet",)
    ids = ("R-1", "R-2", "R-3", "R-16")
    never_fails: ClassVar[Mapping[str, str]] = {"draw": DRAWN}

    def corrected(self, local: Local) -> Outcome:
        found, explicit = Conclusions("explicit constants, section 6", self.reference), (
            local.explicit)
        least: Value = explicit if isinstance(explicit, Unknown) else explicit.width
        eta: Value = explicit if isinstance(explicit, Unknown) else explicit.eta
        found.put("lambda_min", local.lambda_0 / 2, "lower",
                  "lambda_min(G^(H)(k)) for every k, w.h.p. if m >= m* and eta <= eta*")
        if isinstance(least, Expr):
            found.put("m*", least, "upper", "width from which it holds")
            found.put("m*/m", least / local.m, "upper", "how many times too narrow the network is")
        if not isinstance(explicit, Unknown):
            found.put("failure", local.delta, "upper", "probability of a bad draw")
        hypotheses = (
            cost(local.case), smooth(local.family), unit(local.case), last_factor(local),
            factors(local), lambda_0(local), width(local, least), step(local, eta),
            draw(events(local, explicit)),
        )
        return Outcome(hypotheses, found)

    def printed(self, local: Local) -> Outcome:
        found = Conclusions(f"{AS_PRINTED}; not a bound (R-1, R-3)", self.reference)
        least = local.hidden(C_M) * printed_width(local)
        found.put("lambda_min (printed)", local.lambda_0 / 4, "lower",
                  "the printed, incorrect value; not a bound (R-1)")
        found.put("m (printed)", least, "upper", "the printed width, with a hidden constant")
        moves = factors(local)
        status: Status = "unknown"
        why = "not contradicted in this parametrisation, but its width is not shown to suffice"
        if moves.status == "refuted":
            contradicted, why = counterexample()
            status = "refuted" if contradicted else "unknown"
        statement = Hypothesis(
            "statement", "the statement holds as it is printed", "measured", status, why
        )
        slack = Hypothesis(
            "use", "1 - 2 eta lambda_0/4 leaves room for the other terms of Thm 1", "symbolic",
            "refuted", "it is 1 - eta lambda_0/2, the rate of Thm 1 itself, and I_2 and u(k+1) - "
            "u(k) are not 0",
        )
        return Outcome(
            (unit(local.case), lambda_0(local),
             width(local, least, "the printed width", local.given),
             draw("probability at least 1 - delta"), statement, slack),
            found,
        )

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        def make(body: str = NF, *, width: str = "1e60", size: int = 3,
                 data: str = "orthonormal: {n: 2}", act: str = "softplus", extra: str = "",
                 cost: str = "cost: summed_square\n") -> str:
            found = text(cls.name, body, width=width, size=size, data=data, act=act, extra=extra,
                         cost=cost)
            return found.replace("around_init", "ball")

        both = ("width", "step")
        zero = NF.replace("initial: sqrt(m)", "initial: 0")
        return (
            TheoremExample(make(), measured=wide_gram),
            TheoremExample(make(NF.replace("bias: false", "bias: true", 1)), "network"),
            TheoremExample(make(cost=""), "cost"),
            TheoremExample(make(act="relu"), "smooth", also=both),
            TheoremExample(make(size=64, data="digits: {n: 2}"), "unit"),
            TheoremExample(make(zero), "alpha_H", also=("lambda_0", *both)),
            TheoremExample(make(COMMON), "factors"),
            TheoremExample(make(size=1, data="sphere: {n: 2}", act="tanh"), "lambda_0", also=both),
            TheoremExample(make(width="512"), "width"),
            TheoremExample(make(extra="train: {method: gd, step_size: 1}\n"), "step"),
        )


class ZhangLemma3(Way):
    """How far weights and factors go while the loss falls at its rate.

    Printed ``O(sqrt n)`` and ``O(1)`` for ``eta <= C_eta H^2/m``; corrected
    ``4 B_h sqrt(n) |y - u(0)|/lambda_0`` layer by layer, for ``alpha_h(0) + gamma_h/sqrt(m)``.
    """

    name: ClassVar[str] = "zhang2022.lemma_3"
    title: ClassVar[str] = "How far gradient descent goes in a residual network"
    reference: ClassVar[Ref] = zhang("Lemma 3", "R-4")
    kinds: ClassVar[tuple[Kind, ...]] = ("nf_resnet",)
    ids = ("R-4",)

    def printed(self, local: Local) -> Outcome:
        found = Conclusions(f"{AS_PRINTED}; not a bound (R-4)", self.reference)
        out = local.hidden(C_OUT)
        eta = local.hidden(C_ETA) * num(local.H) ** 2 / local.m
        found.put("|dW| (printed)", out * sqrt(local.n), "upper",
                  "the printed value; not a bound (R-4)")
        found.put("|dalpha| (printed)", out, "upper", "the printed value; not a bound (R-4)")
        hypotheses = (
            cost(local.case), lipschitz(local), rate(),
            step(local, eta, "the printed step", local.given), self.statement(local),
        )
        return Outcome(hypotheses, found)

    def statement(self, local: Local) -> Hypothesis:
        """The first step of a factor in the printed proof, against what its factors give."""
        at, H = local.start, local.H
        words = "the factors that the proof names for a step of alpha_h multiply to what it prints"
        sigma = local.slopes
        if isinstance(at, Unknown) or isinstance(sigma, Unknown):
            lost = at if isinstance(at, Unknown) else sigma
            assert isinstance(lost, Unknown)
            return Hypothesis("statement", words, "measured", "unknown", lost.reason)
        import numpy as np

        r = at.given.targets - at.network.outputs
        size = float(np.abs(at.network.factors @ r).max())
        high = at.features[1]
        # |a| <= 2 a_20 sqrt(m) and |sigma(W x)| <= 4 c_w0 c_x0 sqrt(m) over H sqrt(m)
        n, rho = len(r), float(np.linalg.norm(r))
        growth = np.exp(2 * at.weight * max(map(abs, at.given.alphas or (1.0,))))
        claimed = rho * 8 * at.readout * growth * at.weight * high * n**0.5 / H
        right = claimed * at.m**0.5
        why = (
            f"at the initial weights |dL/d alpha_h| = {size:.4g}; the printed factors give "
            f"{right:.4g} with the sqrt(m) of |a|, and {claimed:.4g} is printed without it"
        )
        status: Status = "refuted" if right > claimed else "unknown"
        return Hypothesis("statement", words, "measured", status, why)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return region_examples(cls.name, NF, ways, trained=True)


class ZhangLemma4(PerturbedFeatures):
    """``|x^(h)(k) - x^(h)(0)|`` is a multiple of R near the initial weights.

    Printed ``O(1)`` without the change of alpha_h; corrected with
    ``sqrt(c_sigma) L (1+q)^(h-1) + ...``, ``q = alpha L (c_w0 + R)/H``, and a term for alpha_h.
    """

    name: ClassVar[str] = "zhang2022.lemma_4"
    title: ClassVar[str] = "Features near the initial weights of a residual network"
    reference: ClassVar[Ref] = zhang("Lemma 4", "R-1", "R-8")
    kinds: ClassVar[tuple[Kind, ...]] = ("nf_resnet",)
    ids = ("R-1", "R-8")

    def printed(self, local: Local) -> Outcome:
        found = Conclusions(f"{AS_PRINTED}; not a bound (R-1, R-8)", self.reference)
        found.put("|dx| (printed)", local.hidden(C_OUT), "upper",
                  "the printed value; not a bound (R-1)")
        hypotheses = (lipschitz(local), norms(local), region(local), self.statement(local))
        return Outcome(hypotheses, found)

    def statement(self, local: Local) -> Hypothesis:
        """Features at the initial weights with the last factor moved by a tenth alone."""
        words = "features depend on the change of the weights W^(h) alone"
        at = local.start
        if isinstance(at, Unknown):
            return Hypothesis("statement", words, "measured", "unknown", at.reason)
        import numpy as np

        given = at.given
        assert given.alphas is not None
        moved = given.at(given.weights, given.readout, (*given.alphas[:-1], given.alphas[-1] + 0.1))
        change = np.linalg.norm(moved.features[-1] - at.network.features[-1], axis=0).max()
        why = (
            f"with every W^(h) as it is and alpha_H + 1/10, x^(H) moves by {change:.4g}, and the "
            "printed recursion, which has no such term, gives 0"
        )
        status: Status = "refuted" if change > 0 else "unknown"
        return Hypothesis("statement", words, "measured", status, why)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return region_examples(cls.name, NF, features_moved, smooth=False)
