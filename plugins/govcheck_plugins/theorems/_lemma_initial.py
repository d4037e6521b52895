"""Lemmas about random initial weights, and their tiny networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import Unknown, Value
from govcheck.bounds.expr import Expr, ExprLike, as_expr, maximum, num, sqrt
from govcheck.theorems.protocol import Hypothesis, TheoremExample
from govcheck_plugins.theorems._du_examples import FC as SHALLOW
from govcheck_plugins.theorems._lemma import THEORY, Conclusions, Lemma, Local, Outcome
from govcheck_plugins.theorems._lemma_examples import NF, text
from govcheck_plugins.theorems._lemma_hypotheses import (
    DRAWN,
    events,
    lambda_0,
    last_factor,
    width,
)
from govcheck_plugins.theorems._lemma_measured import started
from govcheck_plugins.theorems._width_case import width_case
from govcheck_plugins.theorems._width_hypotheses import draw, smooth, unit

if TYPE_CHECKING:
    from govcheck.kernels.papers import Kernels

RULE: Final = "explicit constants, sections 4 and 5"
BERNSTEIN: Final = 200
"""m >= 200 t makes the second term of Bernstein's inequality 8 % of the first."""


class InitialLemma(Lemma):
    """A statement about random initial weights, for unit samples."""

    never_fails: ClassVar[Mapping[str, str]] = {"draw": DRAWN}

    def conditions(self, local: Local, least: Value) -> tuple[Hypothesis, ...]:
        """Activation, samples, the last factor, width and draw."""
        factor = (last_factor(local),) if local.family.residual else ()
        return (
            smooth(local.family), unit(local.case), *factor, width(local, least, "m*"),
            draw(events(local, local.explicit)),
        )

    def common(self, local: Local, least: Value) -> Conclusions:
        """Width, ratio, events and failure."""
        found = Conclusions(RULE, THEORY)
        if isinstance(least, Expr):
            found.put("m*", least, "upper", "width from which it holds")
            found.put("m*/m", least / local.m, "upper", "how many times too narrow the network is")
        if not isinstance(local.explicit, Unknown):
            found.put("events", local.explicit.count, "upper", "what may fail at initialisation")
            found.put("failure", local.delta, "upper", "probability that one of them does")
        return found


class TypicalNorms(InitialLemma):
    """Features of random networks have norms near their limits."""

    def least(self, local: Local) -> Value:
        """The width."""
        found = local.explicit
        if isinstance(found, Unknown):
            return found
        return maximum(BERNSTEIN * found.t, found.m_norm)

    def corrected(self, local: Local) -> Outcome:
        least = self.least(local)
        found = self.common(local, least)
        largest = local.case.largest if local.family.residual else num(1)
        if isinstance(largest, Expr):
            found.put("|x|", sqrt(largest + Fraction(1, 2)), "upper",
                      "|x_i^(h)(0)| for every h and i, w.h.p. if m >= m*")
        if not local.family.residual:
            found.put("min |x|", sqrt(num("1/2")), "lower",
                      "|x_i^(h)(0)| for every h and i, w.h.p. if m >= m*")
        return Outcome(self.conditions(local, least), found, self.here(local))

    def here(self, local: Local) -> tuple[str, ...]:
        """What the file's own weights give."""
        at = local.start
        if isinstance(at, Unknown):
            return ()
        low, high = at.features
        return (f"Measured at the initial weights: {low:.4g} <= |x^(h)| <= {high:.4g}.",)


class TypicalGram(InitialLemma):
    """``lambda_min(G^(H)(0)) >= 3 lambda_0/4`` for random weights."""

    def least(self, local: Local) -> Value:
        """The width."""
        found = local.explicit
        if isinstance(found, Unknown):
            return found
        return maximum(found.m_moments, found.m_norm, found.m_init)

    def corrected(self, local: Local) -> Outcome:
        least = self.least(local)
        found = self.common(local, least)
        found.put("lambda_min", 3 * local.lambda_0 / 4, "lower",
                  "lambda_min(G^(H)(0)), w.h.p. if m >= m*")
        hypotheses = (*self.conditions(local, least), lambda_0(local))
        return Outcome(hypotheses, found, self.here(local))

    def here(self, local: Local) -> tuple[str, ...]:
        """What the file's own weights give."""
        at, least = local.start, local.case.smallest
        if isinstance(at, Unknown) or isinstance(least, Unknown) or not least.value > 0:
            return ()
        return (
            f"Measured at the initial weights: lambda_min(G^(H)(0)) is {at.least:.4g}, "
            f"{at.least / least.value:.3g} times lambda_0.",
        )


def norms_found(analysis: Analysis) -> Mapping[str, float]:
    """Norms of features."""
    low, high = started(analysis).features
    return {"|x|": high, "min |x|": low}


def norm_found(analysis: Analysis) -> Mapping[str, float]:
    """The largest norm of features."""
    return {"|x|": started(analysis).features[1]}


def gram_found(analysis: Analysis) -> Mapping[str, float]:
    """The smallest eigenvalue of the last layer's Gram matrix."""
    return {"lambda_min": started(analysis).least}


def _limits(analysis: Analysis) -> Kernels:
    """Limiting matrices by the recursion of the paper, not by the walk over the layers."""
    from govcheck.kernels.papers import resnet_kernels

    family = width_case(analysis).family
    assert not isinstance(family, Unknown) and analysis.data is not None

    def number(e: ExprLike) -> float:
        value = analysis.value(as_expr(e))
        assert isinstance(value, arb)
        return float(value.mid())

    dual = family.activation.dual(number)
    assert not isinstance(dual, Unknown)
    return resnet_kernels(analysis.data.dataset.x, [number(a) for a in family.alphas], dual)


def wide_norms(analysis: Analysis) -> Mapping[str, float]:
    """The limit of the largest norm of features."""
    return {"|x|": max(float(s.diagonal().max()) for s in _limits(analysis).features) ** 0.5}


def wide_gram(analysis: Analysis) -> Mapping[str, float]:
    """The limit of the smallest eigenvalue."""
    import numpy as np

    return {"lambda_min": float(np.linalg.eigvalsh(_limits(analysis).last)[0])}


def initial_examples(
    name: str,
    measured: Callable[[Analysis], Mapping[str, float]] | None,
    *,
    residual: bool = False,
    kernel: bool = False,
) -> Sequence[TheoremExample]:
    """Valid networks, and for each hypothesis one that violates it.

    Args:
        name: of the lemma.
        measured: what a network of 200000 units with one hidden layer attains.
        residual: whether the network is residual; then it is too wide to be drawn.
        kernel: whether lambda_0 must be positive.
    """
    layers, wide = (NF, "1e40") if residual else (SHALLOW, "200000")

    def make(body: str = layers, **changes: str) -> str:
        given = {"width": wide, "act": "softplus", "data": "orthonormal: {n: 2}", **changes}
        size = int(given.pop("size", "3"))
        whole = text(name, body, size=size, **given)  # type: ignore[arg-type]
        return whole.replace("around_init", "ball")

    line = {"size": "1", "data": "sphere: {n: 2}", "act": "tanh"}
    found = [
        TheoremExample(make(), measured=measured),
        TheoremExample(make(layers.replace("bias: false", "bias: true", 1)), "network"),
        TheoremExample(make(act="relu"), "smooth", also=("width",)),
        TheoremExample(make(size="64", data="digits: {n: 2}"), "unit"),
        TheoremExample(make(width="300"), "width"),
    ]
    if kernel:
        found.append(TheoremExample(make(**line), "lambda_0", also=("width",)))
    if residual:
        zero = layers.replace("initial: sqrt(m)", "initial: 0")
        lost = ("lambda_0", "width") if kernel else ("width",)
        found.append(TheoremExample(make(zero), "alpha_H", also=lost))
    return found
