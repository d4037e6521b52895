"""Hypotheses that the width theorems share, each decided by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flint import arb

from govcheck.analysis import SAMPLES, Analysis
from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import Missing, lower
from govcheck.bounds.expr import Expr, as_expr
from govcheck.bounds.printing import text
from govcheck.kernels.explicit import Smoothness
from govcheck.kernels.family import Family, Kind
from govcheck.theorems.protocol import Hypothesis, Mode, Status
from govcheck_plugins.costs._quadratic import Quadratic
from govcheck_plugins.theorems._width_case import WidthCase, up

NAMES: Final[dict[Kind, str]] = {
    "fc": "the fully connected network of Theorem 5.1",
    "resnet": "the residual network of Theorem 6.1, with fixed factors",
    "nf_resnet": "a residual network with trained factors, which is that of Zhang et al. (2022)",
    "conv_resnet": "the convolutional residual network of Theorem 7.1",
}
NO_DATA: Final = "no data is loaded"

Decision = tuple[Status, str]


def network(case: WidthCase, *wanted: Kind) -> Hypothesis:
    """That the architecture is one of the wanted networks."""
    statement = f"the network is {' or '.join(NAMES[k] for k in wanted)}, weights drawn from N(0,1)"
    found = case.family
    if isinstance(found, Unknown):
        return Hypothesis("network", statement, "symbolic", "refuted", found.reason)
    H, m = found.hidden, text(found.width)
    what = f"H = {H} hidden layers of width {m}, {found.activation.name}"
    if found.kind not in wanted:
        why = f"it is {NAMES[found.kind]}"
        return Hypothesis("network", statement, "symbolic", "refuted", why)
    return Hypothesis("network", statement, "symbolic", "proved", what)


def cost(case: WidthCase) -> Hypothesis:
    """That the loss is a multiple of the theorem's."""
    statement = "the loss is a multiple of |y - u|^2/2, summed over samples"
    found = case.analysis.architecture.cost
    if found is None:
        why = "the architecture names no cost"
        return Hypothesis("cost", statement, "symbolic", "unknown", why)
    if not isinstance(found, Quadratic):
        return Hypothesis("cost", statement, "symbolic", "refuted", f"the cost is {found.name}")
    why = f"the cost {found.name} is {text(step_factor(case.analysis))} times it"
    return Hypothesis("cost", statement, "symbolic", "proved", why)


def step_factor(analysis: Analysis) -> Expr:
    """What the file's cost is as a multiple of ``|y - u|^2/2``; 1 where it is not square."""
    found = analysis.architecture.cost
    return 2 * as_expr(found.weight(SAMPLES)) if isinstance(found, Quadratic) else as_expr(1)


def samples(case: WidthCase) -> Hypothesis:
    """That there are two samples at least."""
    n = case.n
    status: Status = "unknown" if n is None else "verified on data" if n > 1 else "refuted"
    why = NO_DATA if n is None else f"n = {n}"
    return Hypothesis("samples", "there are n >= 2 samples", "data", status, why)


def unit(case: WidthCase) -> Hypothesis:
    """That every sample has norm 1."""
    statement = "|x_i| = 1 for every sample"
    found = case.lengths
    if found is None:
        return Hypothesis("unit", statement, "data", "unknown", NO_DATA)
    status: Status = "refuted" if found.status == "refuted" else "verified on data"
    return Hypothesis("unit", statement, "data", status, found.explanation)


def directions(case: WidthCase) -> Hypothesis:
    """That no sample is a multiple of another."""
    statement = "no sample is 0 and no two are parallel or antiparallel"
    found = case.directions
    if found is None:
        return Hypothesis("directions", statement, "data", "unknown", NO_DATA)
    statuses: dict[str, Status] = {"proved": "verified on data", "refuted": "refuted"}
    status = statuses.get(found.status, "unknown")
    return Hypothesis("directions", statement, "data", status, found.explanation)


def smooth(family: Family) -> Hypothesis:
    """Condition 3.1, with the third derivative that the explicit constants need."""
    statement = "sigma', sigma'' and sigma''' are bounded: L, beta and beta_3 are finite"
    found = Smoothness.of(family.activation, family.c_sigma)
    name = family.activation.name
    if isinstance(found, Unknown):
        lost = any(c.kind == "not smooth" for c in found.causes)
        status: Status = "refuted" if lost else "unknown"
        return Hypothesis("smooth", statement, "symbolic", status, f"{name}: {found.reason}")
    why = (
        f"{name}: |sigma(0)| = {text(found.zero)}, L = {text(found.slope)}, "
        f"beta = {text(found.curvature)}, beta_3 = {text(found.third)}"
    )
    return Hypothesis("smooth", statement, "symbolic", "proved", why)


def analytic(family: Family) -> Hypothesis:
    """Condition 3.2; a Lipschitz polynomial is affine, so its slope is constant."""
    statement = "sigma is analytic and not a polynomial"
    found, sigma = family.activation.constants(), family.activation
    status: Status = "unknown"
    why = f"{sigma.name} does not say whether it is analytic"
    jumps = isinstance(found.curvature, Unknown) and any(
        c.kind == "not smooth" for c in found.curvature.causes
    )
    if sigma.analytic is False or jumps:
        status, why = "refuted", f"{sigma.name} is not analytic"
    elif isinstance(found.slope_low, Expr) and found.slope_low is found.slope_high:
        status, why = "refuted", f"{sigma.name} is affine, a polynomial of degree 1"
    elif sigma.analytic:
        status, why = "proved", f"{sigma.name} is analytic, and its slope is bounded, not constant"
    return Hypothesis("analytic", statement, "symbolic", status, why)


def positive_kernel(case: WidthCase, given: Expr | None) -> Hypothesis:
    """That lambda_0 is positive; as an option it is taken from the user."""
    statement = "lambda_0, the smallest eigenvalue of K^(H), is positive"
    if given is not None:
        why = f"lambda_0 = {text(given)} is given in the file"
        return Hypothesis("lambda_0", statement, "assumption", "assumed", why)
    found = case.smallest
    if isinstance(found, Unknown):
        return Hypothesis("lambda_0", statement, "quadrature", "unknown", found.reason)
    status: Status = "verified on data" if found.certified_positive else "unknown"
    why = f"lambda_0 = {found}, entries within {found.entry_error:.1e} by estimate"
    return Hypothesis("lambda_0", statement, "quadrature", status, why)


@dataclass(frozen=True)
class Demand:
    """A number that the file's own has to reach, or must not exceed.

    Args:
        key, statement: of the hypothesis.
        symbol: name of the demanded number.
        value: the demanded number.
        assumed: what the decision assumes; empty if nothing.
    """

    key: str
    statement: str
    symbol: str
    value: arb | Missing | Unknown
    assumed: str = ""

    def decide(self, decision: Callable[[arb], Decision]) -> Hypothesis:
        """The hypothesis, with what a value makes of it."""
        mode: Mode = "assumption" if self.assumed else "quadrature"
        status: Status = "unknown"
        if isinstance(self.value, Unknown):
            why = f"{self.symbol} is not known: {self.value.reason}"
        elif isinstance(self.value, Missing):
            why = f"{self.symbol} needs a value of {', '.join(self.value.names)}"
        else:
            status, why = decision(self.value)
        if self.assumed and status == "proved":
            status, why = "assumed", f"{why}, with {self.assumed}"
        return Hypothesis(self.key, self.statement, mode, status, why)


def wide(case: WidthCase, demand: Demand) -> Hypothesis:
    """That the network is as wide as is demanded."""

    def decision(least: arb) -> Decision:
        m = case.width
        if m is None:
            return "unknown", f"the width has no value; {demand.symbol} = {up(least)}"
        ratio = f"{demand.symbol}/m <= {up(least / m)}"
        if m >= least:
            return "proved", f"m = {up(m, 6)} is at least {demand.symbol} = {up(least)}; {ratio}"
        if m < least:
            times = str(lower(least / m, 3)).replace("E", "e")
            return "refuted", (
                f"m = {up(m, 6)} is {times} times less than {demand.symbol} = {up(least)}: at this "
                "width the theorem says nothing"
            )
        return "unknown", f"m = {up(m, 6)} cannot be told from {demand.symbol}"

    return demand.decide(decision)


def slow(case: WidthCase, demand: Demand) -> Hypothesis:
    """That training is full-batch gradient descent with a step that is small enough."""
    train = case.analysis.architecture.train
    shown = demand.symbol
    why = _not_descent(case.analysis)
    if why:
        return Hypothesis(demand.key, demand.statement, "symbolic", "refuted", why)
    step = train.get("step_size")

    def decision(most: arb) -> Decision:
        largest = str(lower(most, 3)).replace("E", "e")
        if step is None:
            return "assumed", f"the file sets no step_size; choose one of at most {largest}"
        if not isinstance(step, Expr):
            return "unknown", f"step_size {step} is found in training; {shown} = {largest}"
        own = case.analysis.value(step)
        if isinstance(own, Unknown | Missing):
            return "unknown", f"step_size has no value; {shown} = {largest}"
        if own <= most:
            return "proved", f"step_size {up(own)} is at most {shown} = {largest}"
        return "refuted", f"step_size {up(own)} is above {shown} = {largest}"

    return demand.decide(decision)


def _not_descent(analysis: Analysis) -> str:
    """How training differs from full-batch gradient descent with a fixed step."""
    train = analysis.architecture.train
    for key in ("momentum", "weight_decay"):
        if key in train:
            found = analysis.value(train[key])
            if not (isinstance(found, arb) and found == 0):
                return f"training uses {key}"
    if train.get("method") == "sgd":
        return "training uses stochastic gradients"
    schedule = train.get("schedule")
    if schedule is not None and schedule[0] != "constant":
        return "the step size varies in training"
    return ""


def draw(events: str) -> Hypothesis:
    """That the initial weights are none of the few bad ones."""
    statement = "the initial weights are not among the bad draws"
    return Hypothesis("draw", statement, "probability", "assumed", events)
