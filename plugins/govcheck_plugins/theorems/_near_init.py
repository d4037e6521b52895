"""Hypotheses of theorems about gradient descent near the initial weights."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from flint import arb

from govcheck.analysis import Y_FROBENIUS, Analysis
from govcheck.bounds.answer import Value, v_add
from govcheck.bounds.domain import AroundInit
from govcheck.bounds.expr import ZERO
from govcheck.theorems.protocol import Hypothesis, Status, Theorem
from govcheck_plugins.theorems._support import positive, show

SMOOTH: Final = "the derivative of the outputs is bounded and Lipschitz on S"
SURJECTIVE: Final = "lambda_min(DF DF^T) >= sigma(DF)^2 > 0 on S"


def start_norm(a: Analysis) -> Value:
    """``|y - u(0)| <= |y| + |u(0)|``, the latter bounded at the initial weights."""
    at_start = a.compose(AroundInit(ZERO), order=1).bounds["out"]
    return v_add(Y_FROBENIUS, at_start.value)


def smooth(a: Analysis) -> Hypothesis:
    """That D and D2F are bounded on the parameter set."""
    D, tt = a.network.bounds["D"], a.network.bounds["tt"]
    status: Status = "proved" if D.known and tt.known else "unknown"
    evidence = f"{show(a, 'D', D)}; {show(a, 'tt', tt)}"
    return Hypothesis("smooth", SMOOTH, "symbolic", status, evidence, (D, tt))


def surjective(a: Analysis) -> Hypothesis:
    """That sigma(DF) has a positive lower bound on the parameter set."""
    sigma = a.network.bounds["sigma_D"]
    status: Status = "proved" if positive(a, sigma.value) else "unknown"
    return Hypothesis(
        "surjective", SURJECTIVE, "symbolic", status, show(a, "sigma(DF)", sigma), (sigma,)
    )


def measured_factor(theorem: type[Theorem], analysis: Analysis) -> Mapping[str, float]:
    """Largest factor of the loss in a step of gradient descent with the theorem's ``eta*``."""
    from govcheck.numeric.loss import Loss

    verdict = theorem().decide(analysis, "as_corrected")
    size = analysis.value(verdict.conclusions["eta*"])
    assert isinstance(size, arb)
    losses, _ = Loss(analysis).descend(float(size.mid()))
    return {"factor": max(after / before for before, after in pairwise(losses))}
