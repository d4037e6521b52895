"""Lemmas 1.6 to 1.8 of the notes on Du et al.: what a small change of the weights changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from govcheck.bounds.answer import Ref, Unknown, Value
from govcheck.bounds.expr import ONE, Expr, maximum, minimum, num, sqrt
from govcheck.kernels.family import Kind
from govcheck.theorems.protocol import Hypothesis, TheoremExample
from govcheck_plugins.theorems._lemma import C_R, Conclusions, Local, Outcome, powers
from govcheck_plugins.theorems._lemma_examples import FC, region_examples
from govcheck_plugins.theorems._lemma_hypotheses import (
    at_most,
    curved,
    lambda_0,
    lipschitz,
    norms,
    rate,
    region,
)
from govcheck_plugins.theorems._lemma_measured import features_moved, gram_moved, ways
from govcheck_plugins.theorems._lemma_region import PerturbedFeatures, StableGram, Way
from govcheck_plugins.theorems._width_hypotheses import cost

PRINTED = "as printed, with measured norms at the initial weights"


def notes(place: str, *errata: str) -> Ref:
    """A place in the notes on Du et al. (2019)."""
    return Ref("N", place, errata)


def c_x(local: Local, *, floor: bool = False) -> Value:
    """``2 sqrt(c_sigma) L c_w0``, at least 1 where the lemma says so."""
    found = local.growth(2 * local.norms["c_w0"]) if local.norms else local.start
    if isinstance(found, Expr):
        return maximum(found, ONE) if floor else found
    return Unknown.because("the norms of the initial weights are not known")


def small(local: Local, least: Value) -> Hypothesis:
    """R is at most something with a hidden constant."""
    return at_most(
        local, "radius", "R is at most what is printed, up to a hidden constant",
        ("R", local.radius), ("the printed radius", least), assumed=local.given,
    )


class NotesLemma16(PerturbedFeatures):
    """``|x^(h)(k) - x^(h)(0)| <= sqrt(c_sigma) L c_x0 g_(c_x)(h) R`` near the initial weights.

    With measured norms at the initial weights, for all weights within ``R sqrt(m)`` of them;
    printed ``c_x = 2 sqrt(c_sigma) L c_w0`` for R <= c_w0, corrected with c_w0 + R for 2 c_w0.
    """

    name: ClassVar[str] = "du2019_notes.lemma_1_6"
    title: ClassVar[str] = "Features near the initial weights"
    reference: ClassVar[Ref] = notes("Lemma 1.6", "N-5")
    kinds: ClassVar[tuple[Kind, ...]] = ("fc",)
    ids = ("N-5",)

    def printed(self, local: Local) -> Outcome:
        found, growth, R = Conclusions(PRINTED, self.reference), c_x(local), local.radius
        # there is no W^(h) with h >= 2, and any c_w0 serves
        most: Value = num(10**9) if local.H == 1 else local.norms.get("c_w0", Unknown.because(
            "the norms of the initial weights are not known"))
        hypotheses = (
            lipschitz(local), norms(local), region(local),
            at_most(local, "small", "R <= c_w0", ("R", R), ("c_w0", most)),
        )
        sigma = local.slopes
        if isinstance(growth, Expr) and isinstance(R, Expr) and not isinstance(sigma, Unknown):
            base = sqrt(sigma.c_sigma) * sigma.slope * local.norms["c_x0"]
            found.put("|dx|", base * powers(growth, local.H) * R, "upper",
                      "|x^(h) - x^(h)(0)| on S, for every h")
        return Outcome(hypotheses, found)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return region_examples(cls.name, FC, features_moved, smooth=False)


class NotesLemma17(StableGram):
    """``|G^(H)(k) - G^(H)(0)|_2 <= lambda_0/4`` if R is small enough.

    With measured norms at the initial weights. The printed radius has a hidden constant C_R;
    the corrected statement gives the bound n c_sigma K R, and a C_R that serves.
    """

    name: ClassVar[str] = "du2019_notes.lemma_1_7"
    title: ClassVar[str] = "The last layer's Gram matrix near the initial weights"
    reference: ClassVar[Ref] = notes("Lemma 1.7", "N-5", "D-1")
    kinds: ClassVar[tuple[Kind, ...]] = ("fc",)
    ids = ("N-5", "D-1")

    def corrected(self, local: Local) -> Outcome:
        found = super().corrected(local)
        constant = self.constant(local)
        if isinstance(constant, Expr):
            extra = Conclusions("section 2, with twice the initial norms on S", self.reference)
            extra.update(found.conclusions)
            extra.put("C_R", constant, "lower", "a value of the printed hidden constant that "
                      "serves, for these norms at first")
            return Outcome(found.hypotheses, extra, found.remarks)
        return found

    def constant(self, local: Local) -> Value:
        """C with ``|dG| <= lambda_0/4`` for ``R <= C min(1, lambda_0/n)/g_(c_x)(H)``."""
        growth, sigma = c_x(local), local.slopes
        if isinstance(growth, Unknown) or isinstance(sigma, Unknown):
            return growth if isinstance(growth, Unknown) else Unknown.because("L is not known")
        at, L, root = local.norms, sigma.slope, sqrt(sigma.c_sigma)
        x, a, g = at["c_x0"], at["a_20"], powers(growth, local.H)
        kappa = (
            3 * L**3 * root * x**2 * a**2 * powers(growth, local.H - 1)
            + 2 * L * sigma.curvature * at["a_40"] ** 2 * x**3 * g
            + 12 * x**2 * L**2 * a
        ) / g
        firm = [1 / (4 * sigma.c_sigma * kappa), 1 / (root * L), a]
        return minimum(*firm, *([at["c_w0"]] if local.H > 1 else []))

    def printed(self, local: Local) -> Outcome:
        found, growth = Conclusions(PRINTED, self.reference), c_x(local)
        least: Value = growth
        if isinstance(growth, Expr):
            least = local.hidden(C_R) * minimum(ONE, local.lambda_0 / local.n)
            least = least / powers(growth, local.H)
            found.put("R (printed)", least, "lower", "the printed radius, with a hidden constant")
            found.put("|dG|", local.lambda_0 / 4, "upper", "|G^(H) - G^(H)(0)|_2 on S")
        hypotheses = (
            curved(local), norms(local), region(local), lambda_0(local), small(local, least)
        )
        return Outcome(hypotheses, found)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return region_examples(cls.name, FC, gram_moved, small=True)


class NotesLemma18(Way):
    """Weights stay within ``R' sqrt(m)`` while the loss falls at its rate, steps within eta Q'.

    ``R' = 4 M sqrt(n) |y - u(0)|/(lambda_0 sqrt(m))``, ``Q' = M sqrt(n) |y - u|`` with M the
    largest derivative in one layer: printed ``4 c_x0 a_20 c_x^H``, corrected layer by layer.
    """

    name: ClassVar[str] = "du2019_notes.lemma_1_8"
    title: ClassVar[str] = "How far gradient descent goes"
    reference: ClassVar[Ref] = notes("Lemma 1.8", "N-5", "N-8")
    kinds: ClassVar[tuple[Kind, ...]] = ("fc",)
    ids = ("N-5", "N-8")

    def printed(self, local: Local) -> Outcome:
        found, at = Conclusions(PRINTED, self.reference), local.norms
        growth = c_x(local, floor=True)
        least: Value = growth
        way: Value = growth
        half = num("1/2")
        lost = Unknown.because("the norms of the initial weights are not known")
        if isinstance(growth, Expr):
            size = 4 * at["c_x0"] * at["a_20"] * growth**local.H * sqrt(local.n) * at["rho_0"]
            way = 4 * size / (local.lambda_0 * sqrt(local.m))
            least = local.hidden(C_R) / powers(growth, local.H)
            found.put("R'", way, "upper", "the largest of all ways, over sqrt(m)")
            found.put("Q'(0)", size, "upper", "a step moves no layer by more than eta Q'(k)")
        hypotheses = (
            cost(local.case), lipschitz(local), norms(local),
            at_most(local, "constants", "a_20 >= 1/2, and c_w0 >= 1/2 if H >= 2",
                    ("1/2", half), ("the smallest", _least(local) if at else lost)),
            lambda_0(local), rate(),
            at_most(local, "radius", "R' is at most what is printed, up to a hidden constant",
                    ("R'", way), ("the printed radius", least), assumed=local.given),
        )
        return Outcome(hypotheses, found)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        return region_examples(cls.name, FC, ways, trained=True)


def _least(local: Local) -> Expr:
    at = local.norms
    return at["a_20"] if local.H == 1 else minimum(at["a_20"], at["c_w0"])
