"""Hypotheses that lemmas about wide networks share, each decided by itself."""

from __future__ import annotations

from typing import Final

from flint import arb

from govcheck.bounds.answer import Unknown, Value
from govcheck.bounds.evaluate import Missing
from govcheck.bounds.expr import ONE, Expr, maximum, sqrt
from govcheck.bounds.printing import text
from govcheck.kernels.widths import Explicit
from govcheck.theorems.protocol import Hypothesis, Mode, Status
from govcheck_plugins.theorems._lemma import Local, down
from govcheck_plugins.theorems._width_case import up
from govcheck_plugins.theorems._width_hypotheses import (
    Demand,
    positive_kernel,
    slow,
    step_factor,
    wide,
)

INDUCTION: Final = (
    "the induction of the proof assumes it; whether it holds along a run is seen in training"
)
DRAWN: Final = "the statement is about random initial weights; nothing is asked of the file"


def lipschitz(local: Local) -> Hypothesis:
    """That the slope of the activation is bounded."""
    statement = "sigma' is bounded: L is finite"
    name, found = local.family.activation.name, local.family.activation.constants().steepest
    if isinstance(found, Unknown):
        return Hypothesis("lipschitz", statement, "symbolic", "refuted", f"{name}: {found.reason}")
    why = f"{name}: L = {text(found)}"
    return Hypothesis("lipschitz", statement, "symbolic", "proved", why)


def curved(local: Local) -> Hypothesis:
    """That its first two derivatives are bounded."""
    statement = "sigma' and sigma'' are bounded: L and beta are finite"
    constants, name = local.family.activation.constants(), local.family.activation.name
    L, beta = constants.steepest, constants.curvature
    for lost in (L, beta):
        if isinstance(lost, Unknown):
            sharp = any(c.kind == "not smooth" for c in lost.causes)
            status: Status = "refuted" if sharp else "unknown"
            return Hypothesis("smooth", statement, "symbolic", status, f"{name}: {lost.reason}")
    assert isinstance(L, Expr) and isinstance(beta, Expr)
    why = f"{name}: L = {text(L)}, beta = {text(beta)}"
    return Hypothesis("smooth", statement, "symbolic", "proved", why)


def norms(local: Local) -> Hypothesis:
    """That W, a and x^(h) have finite norms at first: their values."""
    statement = (
        "|W^(h)(0)| <= c_w0 sqrt(m) for h >= 2, |a(0)|_2 <= a_20 sqrt(m), |a(0)|_4 <= a_40 "
        "m^(1/4), |x^(h)(0)| <= c_x0"
    )
    at = local.start
    if isinstance(at, Unknown):
        return Hypothesis("norms", statement, "measured", "unknown", at.reason)
    low, high = at.features
    why = (
        f"at the initial weights c_w0 = {at.weight:.4g}, a_20 = {at.readout:.4g}, "
        f"a_40 = {at.fourth:.4g}, {low:.4g} <= |x^(h)| <= {high:.4g}"
    )
    return Hypothesis("norms", statement, "measured", "measured", why)


def region(local: Local) -> Hypothesis:
    """That S is a ball around the initial weights."""
    statement = "|W^(h) - W^(h)(0)|_F <= R sqrt(m) and |a - a(0)| <= R sqrt(m) on S"
    R = local.radius
    if isinstance(R, Unknown):
        return Hypothesis("region", statement, "symbolic", "refuted", R.reason)
    why = f"S is: {local.analysis.domain.describe()}; R = {local.shown(R)}"
    return Hypothesis("region", statement, "symbolic", "proved", why)


def factors(local: Local) -> Hypothesis:
    """That trained factors are trained in the parametrisation of the corrected statement."""
    statement = (
        "alpha_h = alpha_h(0) + gamma_h/sqrt(m) with gamma_h trained, or alpha_h is trained with "
        "step eta/m or less"
    )
    ratio = local.family.speed**2 * local.m
    if ratio is ONE:
        why = "d alpha_h/d gamma_h = 1/sqrt(m)"
        return Hypothesis("factors", statement, "symbolic", "proved", why)
    value = local.value(ratio)
    if not isinstance(value, arb):
        why = f"alpha_h is trained with step {text(local.family.speed**2)} eta"
        return Hypothesis("factors", statement, "symbolic", "unknown", why)
    holds = value <= 1
    why = f"alpha_h is trained with {up(value)} times the step eta/m"
    status: Status = "proved" if holds else "refuted" if value > 1 else "unknown"
    return Hypothesis("factors", statement, "symbolic", status, why)


def last_factor(local: Local) -> Hypothesis:
    """That the last factor is not 0."""
    alpha = local.family.alphas[-1] if local.family.alphas else ONE
    value = local.value(alpha)
    status: Status = "unknown"
    if isinstance(value, arb):
        status = "refuted" if value == 0 else "proved" if not value.contains(0) else "unknown"
    why = f"alpha_H(0) = {text(alpha)}"
    return Hypothesis("alpha_H", "alpha_H(0) is not 0", "symbolic", status, why)


def at_most(
    local: Local,
    key: str,
    statement: str,
    left: tuple[str, Value],
    right: tuple[str, Value],
    mode: Mode = "measured",
    assumed: str = "",
) -> Hypothesis:
    """That one number is at most another.

    Args:
        local: where.
        key, statement, mode: of the hypothesis.
        left, right: what they are called, and the numbers.
        assumed: what the decision assumes; empty if nothing.
    """
    (a_name, a), (b_name, b) = ((n, local.value(v)) for n, v in (left, right))
    status: Status = "unknown"
    if isinstance(a, arb) and isinstance(b, arb):
        if a <= b:
            status = "measured" if mode == "measured" else "proved"
            status = "assumed" if assumed else status
        elif a > b:
            status = "refuted"
        why = f"{a_name} <= {up(a)}, {b_name} >= {down(b)}"
        why += f", with {assumed}" if assumed else ""
    else:
        shown = [(n, v) for n, v in ((a_name, a), (b_name, b)) if not isinstance(v, arb)]
        why = "; ".join(
            f"{n}: {v.reason}" if isinstance(v, Unknown)
            else f"{n} needs a value of {', '.join(v.names) if isinstance(v, Missing) else ''}"
            for n, v in shown
        )
    return Hypothesis(key, statement, mode, status, why)


def slack(local: Local) -> Hypothesis:
    """That features grow by a tenth at most on the region, which the constants assume."""
    found, R, at = local.constants, local.radius, local.region
    moved: Value
    room: Value
    if isinstance(found, Unknown) or isinstance(R, Unknown) or isinstance(at, Unknown):
        lost = next(x for x in (found, R, at) if isinstance(x, Unknown))
        moved = room = lost
    else:
        moved, room = found.spread * R, at.start / 10
    return at_most(
        local, "slack", "features grow by a tenth at most on S",
        ("|x^(h) - x^(h)(0)|", moved), ("c_x0/10", room),
    )


def lambda_0(local: Local) -> Hypothesis:
    """That the limiting kernel is positive."""
    return positive_kernel(local.case, local.option("lambda_0"))


def rate() -> Hypothesis:
    """Condition 1.3 for the steps before."""
    statement = "|y - u(k')|^2 <= (1 - eta lambda_0/2)^k' |y - u(0)|^2 for k' = 1, ..., k"
    return Hypothesis("rate", statement, "assumption", "assumed", INDUCTION)


def stays(local: Local) -> Hypothesis:
    """That S reaches as far as gradient descent goes under Condition 1.3."""
    R, found = local.radius, local.descent
    own: Value = R * sqrt(local.m) if isinstance(R, Expr) else R
    needed: Value = found if isinstance(found, Unknown) else furthest(found.radii)
    return at_most(
        local, "radius", "S reaches as far as gradient descent goes",
        ("the way", needed), ("R sqrt(m)", own),
    )


def furthest(radii: dict[str, Expr]) -> Expr:
    """The largest of the blocks' ways."""
    return maximum(*radii.values())


def step(local: Local, eta: Value, symbol: str = "eta*", assumed: str = "") -> Hypothesis:
    """That the step is small enough; `eta` is for the loss ``|y - u|^2/2``."""
    most = eta / step_factor(local.analysis) if isinstance(eta, Expr) else eta
    demand = Demand(
        "step", f"training is full-batch gradient descent with 0 < eta <= {symbol}", symbol,
        local.value(most), assumed,
    )
    return slow(local.case, demand)


def width(local: Local, least: Value, symbol: str = "m*", assumed: str = "") -> Hypothesis:
    """That the network is wide enough."""
    demand = Demand(
        "width", f"the width m is at least {symbol}", symbol, local.value(least), assumed
    )
    return wide(local.case, demand)


def events(local: Local, found: Explicit | Unknown) -> str:
    """How likely the initial weights are typical."""
    if isinstance(found, Unknown):
        return "the initial weights are assumed to be typical"
    count = local.value(found.count)
    shown = f"{int(float(count.upper()))}" if isinstance(count, arb) else "N_ev"
    return (
        f"all of {shown} events hold with probability at least 1 - {local.delta!r} (union bound)"
    )
