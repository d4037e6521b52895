"""Lemmas 1 and 5 of Zhang et al. (2022, supplement): what random initial weights give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from flint import arb

from govcheck.bounds.answer import Ref, Unknown, Value
from govcheck.bounds.expr import Expr, function, minimum, num
from govcheck.kernels.family import Kind
from govcheck.theorems.protocol import Hypothesis, Status, TheoremExample
from govcheck_plugins.theorems._lemma import C_M, Conclusions, Local, Outcome
from govcheck_plugins.theorems._lemma_hypotheses import lambda_0, last_factor, lipschitz, width
from govcheck_plugins.theorems._lemma_initial import (
    TypicalGram,
    TypicalNorms,
    initial_examples,
)
from govcheck_plugins.theorems._lemma_initial import wide_gram as gram
from govcheck_plugins.theorems._lemma_initial import wide_norms as typical
from govcheck_plugins.theorems._width_case import up
from govcheck_plugins.theorems._width_hypotheses import draw, unit

AS_PRINTED = "as printed, with hidden constants"
HARMLESS = num("159/100")
"""For t up to here (1 - t/H)^(H-1) >= e^-t for every H >= 2."""


def zhang(place: str, *errata: str) -> Ref:
    """A place in the supplement of Zhang et al. (2022)."""
    return Ref("Z", place, errata)


class ZhangLemma1(TypicalGram):
    """``lambda_min(G^(H)(0)) >= 3 lambda_0/4`` with probability 1 - delta, if m is large enough.

    Printed with ``m = Omega(n^2 log(Hn/delta)/lambda_0^2)``; corrected with explicit m*, which
    grows with ``lambda_0 H^2/alpha_H(0)^2`` instead, and alpha_H(0) other than 0.
    """

    name: ClassVar[str] = "zhang2022.lemma_1"
    title: ClassVar[str] = "The Gram matrix of random residual networks"
    reference: ClassVar[Ref] = zhang("Lemma 1", "R-16", "D-1", "D-2")
    kinds: ClassVar[tuple[Kind, ...]] = ("nf_resnet",)
    ids = ("R-16", "D-1", "D-2")

    def printed(self, local: Local) -> Outcome:
        found = Conclusions(AS_PRINTED, self.reference)
        bare = printed_width(local)
        least = local.hidden(C_M) * bare
        found.put("lambda_min", 3 * local.lambda_0 / 4, "lower", "lambda_min(G^(H)(0))")
        found.put("m (printed)", least, "upper", "the printed width, with a hidden constant")
        found.put("m (printed, constant 1)", bare, "upper", "the same with the constant 1")
        return Outcome(
            (unit(local.case), lambda_0(local), last_factor(local),
             width(local, least, "the printed width", local.given),
             draw("probability at least 1 - delta")),
            found, self.here(local),
        )

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return initial_examples(cls.name, gram, residual=True, kernel=True)


def printed_width(local: Local) -> Expr:
    """``n^2 log(Hn/delta)/lambda_0^2``."""
    log = function("log", local.H * local.n / local.delta)
    return local.n**2 * log / local.lambda_0**2


class ZhangLemma5(TypicalNorms):
    """``1/c_x0 <= |x_i^(h)(0)| <= c_x0`` with probability 1 - delta, if m is large enough.

    Printed with ``c_x0 = 2 exp(c_w0 L)``, where c_w0 (option, 21/10) bounds ``|W|/sqrt(m)``;
    the proof needs more than is said. Corrected: an upper bound ``sqrt(max S_ii + 1/2)``.
    """

    name: ClassVar[str] = "zhang2022.lemma_5"
    title: ClassVar[str] = "Norms of features of random residual networks"
    reference: ClassVar[Ref] = zhang("Lemma 5, (4)", "R-7")
    kinds: ClassVar[tuple[Kind, ...]] = ("nf_resnet",)
    ids = ("R-7",)

    def corrected(self, local: Local) -> Outcome:
        found = super().corrected(local)
        extra = Conclusions("(4), a deviation of Gaussian matrices", self.reference)
        extra.update(found.conclusions)
        # |W| <= (2 + t) sqrt(m) fails with probability exp(-t^2 m/2) at most
        chance = (local.H - 1) * function("exp", -((self.weight(local) - 2) ** 2) * local.m / 2)
        extra.put("P(|W| > c_w0 sqrt(m))", minimum(1, chance), "upper", "for any h >= 2")
        return Outcome(found.hypotheses, extra, found.remarks)

    def weight(self, local: Local) -> Expr:
        """c_w0."""
        return local.option("c_w0") or num("21/10")

    def printed(self, local: Local) -> Outcome:
        found, sigma = Conclusions(AS_PRINTED, self.reference), local.slopes
        if isinstance(sigma, Unknown):
            return Outcome((lipschitz(local),))
        t = self.weight(local) * sigma.slope
        size = 2 * function("exp", t)
        least = local.hidden(C_M) * local.n / local.delta
        found.put("|x|", size, "upper", "|x_i^(h)(0)| for every h and i")
        found.put("min |x|", 1 / size, "lower", "the printed value, which the proof does not give")
        found.put("m (printed)", least, "upper", "the printed width, with a hidden constant")
        return Outcome(
            (lipschitz(local), unit(local.case), self.vanishes(local, sigma.zero),
             self.power(local, t), self.moments(local),
             width(local, least, "the printed width", local.given),
             draw("probability at least 1 - delta")),
            found, self.here(local),
        )

    def vanishes(self, local: Local, zero: Expr) -> Hypothesis:
        """That sigma(0) = 0, or by how much the printed inequality fails."""
        statement = "|sigma(W x)| <= L |W| |x|, which needs sigma(0) = 0"
        value = local.value(zero)
        none = isinstance(value, arb) and value == 0
        status: Status = "proved" if none else "refuted"
        why = f"|sigma(0)| = {local.shown(zero)}; at x = 0 the left-hand side is that times sqrt(m)"
        return Hypothesis("zero", statement, "symbolic", status,
                          "sigma(0) = 0" if none else why)

    def power(self, local: Local, t: Expr) -> Hypothesis:
        """The printed inequality between a power and the exponential function, at this H."""
        statement = "(1 - t/H)^(H-1) >= e^-t for t = c_w0 L"
        left: Value = (1 - t / local.H) ** (local.H - 1)
        right = function("exp", -t)
        a, b, size = local.value(left), local.value(right), local.value(t)
        status: Status = "unknown"
        why = f"t = {local.shown(t)}"
        if isinstance(a, arb) and isinstance(b, arb) and isinstance(size, arb):
            # for t > H the factor is negative and bounds nothing
            below = size < local.H
            status = "proved" if a >= b and below else "refuted" if a < b or size > local.H else (
                "unknown")
            why = f"t = {up(size)}: {float(a.mid()):.4g} against {float(b.mid()):.4g}"
        return Hypothesis("power", statement, "symbolic", status, why)

    def moments(self, local: Local) -> Hypothesis:
        """The printed bound of the variance, against the fourth moment of sigma."""
        statement = "c_sigma^2 E sigma(Z)^4 <= C_2"
        sigma, at = local.slopes, local.start
        if isinstance(sigma, Unknown) or isinstance(at, Unknown):
            why = "the fourth moment of sigma is not computed"
            return Hypothesis("variance", statement, "quadrature", "unknown", why)
        import numpy as np

        z = np.linspace(-12, 12, 4001)
        weight = np.exp(-z * z / 2)
        fourth = float((at.given.value(z) ** 4 * weight).sum() / weight.sum())
        zero, L = (float(v.mid()) for v in map(local.value, (sigma.zero, sigma.slope))
                   if isinstance(v, arb))
        r = float(np.sqrt(2 / np.pi))
        C = zero**4 + 4 * zero**3 * L * r + 6 * zero**2 * L**2 + 8 * zero * L**3 * r + 32 * L**4
        own = at.given.c_sigma**2 * fourth
        status: Status = "verified on data" if own <= C else "refuted"
        why = f"{own:.4g} against {C:.4g}"
        return Hypothesis("variance", statement, "quadrature", status, why)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return initial_examples(cls.name, typical, residual=True)
