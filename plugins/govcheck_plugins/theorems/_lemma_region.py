"""Lemmas about a trust region, for both kinds of networks, with explicit constants.

``eta`` here is the step for the loss ``|y - u|^2/2``, whatever multiple of it the file's is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from govcheck.bounds.answer import Unknown, Value
from govcheck.bounds.expr import Expr, num, sqrt
from govcheck.kernels.explicit import BlockConstants
from govcheck.theorems.protocol import Hypothesis
from govcheck_plugins.theorems._lemma import THEORY, Conclusions, Lemma, Local, Outcome
from govcheck_plugins.theorems._lemma_hypotheses import (
    INDUCTION,
    at_most,
    curved,
    factors,
    furthest,
    lambda_0,
    lipschitz,
    norms,
    rate,
    region,
    slack,
    stays,
    step,
)
from govcheck_plugins.theorems._width_hypotheses import cost, step_factor

FIRM = "measured norms at the initial weights, derived bounds on S"


class RegionLemma(Lemma):
    """A lemma with measured norms on a ball around the initial weights."""

    def trusted(self, local: Local, *, smooth: bool = True) -> tuple[Hypothesis, ...]:
        """The hypotheses about activation, norms and region."""
        found = [curved(local) if smooth else lipschitz(local), norms(local), region(local)]
        if local.family.trained:
            found.append(factors(local))
        if smooth or local.family.trained:
            found.append(slack(local))
        return tuple(found)

    def trained(self, local: Local) -> tuple[Hypothesis, ...]:
        """The same, and those about the course of training."""
        return (
            cost(local.case), *self.trusted(local), lambda_0(local), rate(), stays(local),
        )


class PerturbedFeatures(RegionLemma):
    """Features move by a multiple of R at most while weights are within R sqrt(m)."""

    def corrected(self, local: Local) -> Outcome:
        found = Conclusions(FIRM, THEORY)
        spread = self.spread(local)
        R = local.radius
        if isinstance(spread, Expr) and isinstance(R, Expr):
            found.put("|dx|", spread * R, "upper", "|x^(h) - x^(h)(0)| on S, for every h")
            found.put("|dx|/R", spread, "upper", "the same as a multiple of R")
        return Outcome(self.trusted(local, smooth=False), found)

    def spread(self, local: Local) -> Value:
        """The multiple of R."""
        found = local.constants
        return found if isinstance(found, Unknown) else found.spread


class StableGram(RegionLemma):
    """The last layer's Gram matrix moves by lambda_0/4 at most."""

    def corrected(self, local: Local) -> Outcome:
        found = Conclusions(FIRM, THEORY)
        moved = moved_gram(local)
        quarter = local.lambda_0 / 4
        small = at_most(
            local, "radius", "R is so small that G^(H) moves by lambda_0/4 at most",
            ("the change", moved), ("lambda_0/4", quarter),
        )
        if isinstance(moved, Expr):
            found.put("|dG|", moved, "upper", "|G^(H) - G^(H)(0)|_2 on S")
            found.put("lambda_0/4", quarter, "lower", "what it may be")
        return Outcome((*self.trusted(local), lambda_0(local), small), found)


def moved_gram(local: Local) -> Value:
    """``n prefactor K R``, the bound of ``|G^(H) - G^(H)(0)|_2``."""
    found, R = local.constants, local.radius
    if isinstance(found, Unknown):
        return found
    if isinstance(R, Unknown):
        return R
    return local.n * local.prefactor * found.stability * R


class Way(RegionLemma):
    """How far gradient descent goes while the loss falls at its rate."""

    never_fails: ClassVar[Mapping[str, str]] = {"rate": INDUCTION}

    def corrected(self, local: Local) -> Outcome:
        return Outcome(self.trained(local), self.ways(local))

    def ways(self, local: Local) -> Conclusions:
        """Bounds of the blocks' distances from their start."""
        found = Conclusions(FIRM, THEORY)
        descent, constants = local.descent, local.constants
        if isinstance(descent, Unknown) or isinstance(constants, Unknown):
            return found
        weights = {b: r for b, r in descent.radii.items() if b.startswith("W")}
        found.put("|dW|", furthest(weights), "upper", "max_h |W^(h)(k) - W^(h)(0)|_F")
        found.put("|da|", descent.radii["a"], "upper", "|a(k) - a(0)|")
        if local.family.trained:
            factors = {b: r for b, r in descent.radii.items() if b.startswith("gamma")}
            found.put("|dalpha|", furthest(factors) / sqrt(local.m), "upper",
                      "max_h |alpha_h(k) - alpha_h(0)|")
        found.put("R'", furthest(descent.radii) / sqrt(local.m), "upper",
                  "the largest of all ways, over sqrt(m)")
        found.put("Q'(0)", largest_size(constants) * sqrt(local.n) * local.norms["rho_0"],
                  "upper", "a step moves no block by more than eta Q'(k), and Q' is a fixed "
                  "multiple of |y - u(k)|")
        return found


def largest_size(constants: BlockConstants) -> Expr:
    """M, the largest derivative of one output in one block."""
    return furthest({b.name: b.size for b in constants.blocks})


class SecondOrder(RegionLemma):
    """What a step of gradient descent does beyond first order is small."""

    never_fails: ClassVar[Mapping[str, str]] = {"rate": INDUCTION}

    def corrected(self, local: Local) -> Outcome:
        found = Conclusions(FIRM, THEORY)
        eta, factor = self.largest(local), self.factor(local)
        if isinstance(eta, Expr) and isinstance(factor, Expr):
            found.put("eta", eta / step_factor(local.analysis), "lower",
                      "largest step for the file's cost")
            found.put("|I_2|/(eta |r|)", local.lambda_0 / 8, "upper",
                      "|I_2(k)|/(eta |y - u(k)|) for steps up to eta")
            found.put("|I_2|/(eta |r|)^2", factor, "upper",
                      "|I_2(k)|/(eta |y - u(k)|)^2 for every step that stays in S")
        return Outcome((*self.trained(local), step(local, eta, "eta")), found)

    def factor(self, local: Local) -> Value:
        """``n^(3/2) S/2``."""
        descent = local.descent
        if isinstance(descent, Unknown):
            return descent
        return local.n ** num("3/2") * descent.curvature / 2

    def largest(self, local: Local) -> Value:
        """``lambda_0/(4 n^(3/2) S |y - u(0)|)``."""
        factor = self.factor(local)
        if isinstance(factor, Unknown):
            return factor
        return local.lambda_0 / (8 * factor * local.norms["rho_0"])


class OutputStep(RegionLemma):
    """The outputs move little in one step."""

    never_fails: ClassVar[Mapping[str, str]] = {"rate": INDUCTION}

    def corrected(self, local: Local) -> Outcome:
        found = Conclusions(FIRM, THEORY)
        descent = local.descent
        eta: Value
        if isinstance(descent, Unknown):
            eta = descent
        else:
            # |u(k+1) - u(k)| <= eta n B_2 |y - u(k)|: each entry is an integral of <L', u_i'>
            size = local.n * descent.trace
            eta = local.lambda_0 / (8 * size**2)
            found.put("eta", eta / step_factor(local.analysis), "lower",
                      "largest step for the file's cost")
            found.put("|du|^2/(eta |r|^2)", local.lambda_0 / 8, "upper",
                      "|u(k+1) - u(k)|^2/(eta |y - u(k)|^2) for steps up to eta")
            found.put("|du|/(eta |r|)", size, "upper",
                      "|u(k+1) - u(k)|/(eta |y - u(k)|) for every step that stays in S")
        return Outcome((*self.trained(local), step(local, eta, "eta")), found)
