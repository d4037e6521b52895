"""Theorem 2 of Zhang et al. (2022): sizes of derivatives during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import erf, sqrt
from typing import ClassVar

from govcheck.analysis import Analysis
from govcheck.bounds.answer import Ref, Unknown
from govcheck.bounds.expr import sqrt as root
from govcheck.kernels.family import Kind
from govcheck.theorems.protocol import Hypothesis, Status, TheoremExample
from govcheck_plugins.theorems._lemma import C_OUT, Conclusions, Local, Outcome
from govcheck_plugins.theorems._lemma_examples import NF, region_examples
from govcheck_plugins.theorems._lemma_hypotheses import furthest
from govcheck_plugins.theorems._lemma_measured import nearby
from govcheck_plugins.theorems._lemma_region import FIRM, RegionLemma
from govcheck_plugins.theorems.zhang2022_initialisation import AS_PRINTED, zhang


class ZhangTheorem2(RegionLemma):
    """Derivatives of the outputs in each block of parameters are bounded near the start.

    Printed ``m_1 <= |du_i/d xi| <= M`` with m_1 > 0 and M = O(sqrt n) for every parameter xi; no
    m_1 serves, because du_i/d alpha_h tends to a centred normal variable. Corrected: upper
    bounds on the region, block by block, which do not depend on n.
    """

    name: ClassVar[str] = "zhang2022.theorem_2"
    title: ClassVar[str] = "No exploding derivatives near the initial weights"
    reference: ClassVar[Ref] = zhang("Thm 2", "R-12")
    kinds: ClassVar[tuple[Kind, ...]] = ("nf_resnet",)
    ids = ("R-12",)

    def corrected(self, local: Local) -> Outcome:
        found = Conclusions(FIRM, self.reference)
        constants = local.constants
        if not isinstance(constants, Unknown):
            sizes = {b.name: b.size for b in constants.blocks}
            weights = {b: e for b, e in sizes.items() if b.startswith("W")}
            factors = {b: e for b, e in sizes.items() if b.startswith("gamma")}
            found.put("|du/dW|", furthest(weights), "upper", "in any W^(h), for every sample")
            found.put("|du/da|", sizes["a"], "upper", "in a, for every sample")
            found.put("|du/dalpha|", root(local.m) * furthest(factors), "upper",
                      "in any alpha_h, for every sample; in gamma_h it is 1/sqrt(m) of that")
        return Outcome(self.trusted(local), found, self.chances(local))

    def chances(self, local: Local) -> tuple[str, ...]:
        """How small derivatives in factors are, measured and in the limit."""
        at = local.start
        if isinstance(at, Unknown):
            return ()
        import numpy as np

        sizes = np.abs(at.network.factors)
        return (
            f"Measured at the initial weights: |du_i/d alpha_h| is between {sizes.min():.3g} and "
            f"{sizes.max():.3g} over {sizes.size} samples and layers.",
        )

    def printed(self, local: Local) -> Outcome:
        found = Conclusions(f"{AS_PRINTED}; not a bound (R-12)", self.reference)
        found.put("M (printed)", local.hidden(C_OUT) * root(local.n), "upper",
                  "the printed value, with a hidden constant")
        return Outcome((self.lower(local),), found, self.chances(local))

    def lower(self, local: Local) -> Hypothesis:
        """Whether one m_1 > 0 serves: the limiting distribution has density at 0."""
        words = "some m_1 > 0 is below |du_i/d alpha_h| with high probability, for every width"
        deviation = _deviation(local)
        if isinstance(deviation, Unknown):
            return Hypothesis("statement", words, "quadrature", "unknown", deviation.reason)
        chances = [f"{erf(c / sqrt(2)):.3g} for m_1 = {c:g} of it" for c in (0.1, 0.01)]
        status: Status = "refuted" if deviation > 0 else "unknown"
        why = (
            f"du_1/d alpha_H tends to a centred normal variable of deviation {deviation:.4g}, "
            f"which is below m_1 with probability {', '.join(chances)}, whatever the width"
        )
        return Hypothesis("statement", words, "quadrature", status, why)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return region_examples(cls.name, NF, _sizes)


def _deviation(local: Local) -> float | Unknown:
    """Deviation of ``du_1/d alpha_H`` in the limit of large width."""
    from flint import arb

    from govcheck.bounds.expr import ExprLike, as_expr
    from govcheck.kernels.papers import resnet_kernels

    data = local.analysis.data
    if data is None:
        return Unknown.because("no data is loaded")

    def number(e: ExprLike) -> float:
        value = local.value(as_expr(e))
        if not isinstance(value, arb):
            raise ValueError(f"{e!r} has no value")
        return float(value.mid())

    dual = local.family.activation.dual(number)
    if isinstance(dual, Unknown):
        return dual
    alphas = [number(e) for e in local.family.alphas]
    return sqrt(float(resnet_kernels(data.dataset.x[:1], alphas, dual).factors[-1][0, 0]))


def _sizes(analysis: Analysis) -> Mapping[str, float]:
    """Largest derivatives that are found on the region's boundary."""
    import numpy as np

    found = {"|du/dW|": 0.0, "|du/da|": 0.0, "|du/dalpha|": 0.0}
    for net in nearby(analysis):
        blocks = {k: float(np.sqrt(np.diag(v).max())) for k, v in net.blocks.items()}
        weights = max(v for k, v in blocks.items() if k.startswith("W"))
        for key, own in (("|du/dW|", weights), ("|du/da|", blocks["a"]),
                         ("|du/dalpha|", float(np.abs(net.factors).max()))):
            found[key] = max(found[key], own)
    return found
