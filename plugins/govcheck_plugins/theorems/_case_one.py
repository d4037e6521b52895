"""Case 1 of Theorem 4.8: what holds while the first layer's weights stay within R."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import ComposedBound, Ref, Sense
from govcheck.bounds.domain import Domain, EntriesWithin, Everything
from govcheck.bounds.expr import ZERO, Expr, let, mul, sym
from govcheck.bounds.loss import rate, tight_rate
from govcheck.bounds.rates import INFLATED, TIGHT
from govcheck.graph.blocks import Leaf
from govcheck.theorems.protocol import Hypothesis, Status
from govcheck_plugins.costs._quadratic import Quadratic
from govcheck_plugins.costs.cross_entropy import CrossEntropy
from govcheck_plugins.theorems._support import (
    NO_COST,
    SECTION5,
    option,
    paper,
    positive,
    show,
)

COST: Final = "the cost is PL, or |grad gamma| >= kappa gamma on a sublevel set that contains F(S)"
CASE1: Final = paper("Thm 4.8, case 1", "E1")


@dataclass(frozen=True)
class CaseOne:
    """The constants of case 1.

    Args:
        analysis: on the whole parameter set.
        radius: R.
        conclusions: constants that hold where every |w| of the first layer is at most R.
        statement: what they mean, one sentence.
        impossible: why gradient descent cannot stay there for ever; empty where it may.
    """

    analysis: Analysis
    first: Leaf
    radius: Expr
    conclusions: dict[str, ComposedBound] = field(default_factory=dict)
    statement: str = ""
    impossible: str = ""

    @property
    def within(self) -> EntriesWithin:
        """The set that the constants hold on."""
        return EntriesWithin(self.analysis.domain, self.first.node, "weight", self.radius)


def cost_hypothesis(a: Analysis) -> Hypothesis:
    """That the size of the gradient of the cost is bounded from below by the cost."""
    pl, kappa = a.bounds.get("mu_gamma"), a.bounds.get("kappa_gamma")
    if pl is None or kappa is None:
        return Hypothesis("cost", COST, "symbolic", "unknown", NO_COST)
    if pl.known:
        return Hypothesis("cost", COST, "symbolic", "proved", show(a, "mu_gamma", pl), (pl,))
    evidence = f"{show(a, 'mu_gamma', pl)}; {show(a, 'kappa', kappa)}"
    status: Status = "proved" if kappa.known else "unknown"
    return Hypothesis("cost", COST, "symbolic", status, evidence, (kappa,))


def case_one(a: Analysis, first: Leaf, theorem: str) -> CaseOne:
    """Derive the constants of case 1 on the set where every |w| of `first` is at most R.

    R is the option of that name, else what the parameter set already bounds the entries by,
    else the architecture's symbol R, else a free symbol.
    """
    radius = option(a, theorem, "R")
    own = a.domain.norm(first.node, "weight", "max")
    near: Domain = a.domain
    if radius is None and isinstance(own, Expr):
        radius = own
    else:
        if radius is None:
            radius = a.architecture.symbols.get("R") or sym(
                "R", "largest absolute entry of the first layer's weights"
            )
        near = EntriesWithin(a.domain, first.node, "weight", radius)
    inside = a.on(near, order=1)
    found = _constants(a, inside, near.describe())
    linear = "rate(R)" in found
    effect = (
        "the loss falls to a global minimum, in each step at least by the factor rate(R) = "
        "1 - mu(R)/(2 beta)"
        if linear
        else "the loss after t steps is at most 1/(1/l_0 + t speed(R))"
    )
    statement = (
        f"While every |w| of layer {first.node} stays at most {_named(radius)}, gradient descent "
        f"with step eta = 1/beta converges: {effect}."
    )
    moves = "mu(R)" in found or "speed(R)" in found
    lowers = found.get("mu(R)") or found.get("speed(R)")
    sure = moves and lowers is not None and lowers.value is not ZERO
    impossible = _impossible(a) if sure else ""
    return CaseOne(a, first, radius, found, statement if moves else "", impossible)


def _named(radius: Expr) -> str:
    return "R" if repr(radius) == "R" else f"R = {radius!r}"


def _constants(
    a: Analysis, inside: dict[str, ComposedBound], where: str
) -> dict[str, ComposedBound]:
    found = {"sigma_D(R)": inside["sigma_D"]}
    beta, mu = a.bounds.get("beta"), inside.get("mu")
    pl, kappa = inside.get("mu_gamma"), inside.get("kappa_gamma")
    if beta is None or mu is None or pl is None or kappa is None:
        return found

    def put(
        name: str, value: Expr, rule: str, premises: tuple[ComposedBound, ...], sense: Sense,
        source: Ref | None = None, condition: str = "",
    ) -> None:
        ref = source or (CASE1 if pl is not None and pl.known else SECTION5)
        quantity = name.removesuffix("(R)")
        found[name] = ComposedBound(
            quantity, "loss", let(name, value), sense, rule, ref, premises,
            f"on: {where}{condition}",
        )

    sigma = inside["sigma_D"]
    if pl.known:
        value = mul(pl.expr, sigma.expr**2)
        put("mu(R)", value, "mu_gamma sigma(DF)^2", (pl, sigma), "lower")
    elif kappa.known and beta.known:
        value = (kappa.expr * sigma.expr) ** 2 / (2 * beta.expr)
        put("speed(R)", value, "l_t <= 1/(1/l_0 + t speed)", (kappa, sigma, beta), "lower")
    if "mu(R)" in found and beta.known:
        both = (found["mu(R)"], beta)
        factor = rate(found["mu(R)"].value, beta.value)
        assert isinstance(factor, Expr)
        put("rate(R)", factor, "1 - mu(R)/(2 beta)", both, "upper")
        if found["mu(R)"].value is not ZERO:
            exact = tight_rate(found["mu(R)"].value, beta.value)
            assert isinstance(exact, Expr)
            put("tight_rate(R)", exact, "2(1-k)/(2+k), k = mu(R)/(2 beta)", both, "upper", TIGHT,
                "" if isinstance(a.domain, Everything) else f"; {INFLATED}")
            steps = 2 * beta.expr / found["mu(R)"].expr
            put("steps(R)", steps, "(1 - mu/(2 beta))^t <= exp(-t mu/(2 beta))", both, "upper")
    return found


def _impossible(a: Analysis) -> str:
    """Why the loss cannot fall to 0 on the whole parameter set, as it does in case 1."""
    arch, out = a.architecture, a.bounds["out"]
    if not out.known or arch.cost is None:
        return ""
    if isinstance(arch.cost, CrossEntropy):
        classes = a.value(mul(*arch.output))
        if isinstance(classes, arb) and classes > 1:
            return (
                "the outputs of a weight-normalised network are bounded, so cross-entropy stays "
                "above a positive number, while in case 1 it would fall to 0"
            )
    if isinstance(arch.cost, Quadratic) and a.data is not None:
        size = a.value(out)
        if isinstance(size, arb) and size < a.data.target_norm:
            return (
                f"the targets are out of reach ({show(a, '|F|', out)}, below |Y|_F), so the loss "
                "stays above a positive number, while in case 1 it would fall to 0"
            )
    return ""


def confinement(case: CaseOne, ready: bool) -> Hypothesis:
    """That the first layer stays within R, which is what case 1 assumes.

    Args:
        case: the constants.
        ready: whether all other hypotheses hold, so that case 1 would follow.
    """
    statement = (
        f"along the trajectory every |w| of layer {case.first.node} stays at most "
        f"{_named(case.radius)}"
    )
    bound = case.conclusions.get("mu(R)") or case.conclusions.get("speed(R)")
    if bound is None:
        why = "there is no mu(R): the cost allows none"
        return Hypothesis("confined", statement, "assumption", "unknown", why)
    name = "mu(R)" if "mu(R)" in case.conclusions else "speed(R)"
    shown = show(case.analysis, name, bound)
    if case.impossible and ready:
        return Hypothesis("confined", statement, "symbolic", "refuted", case.impossible, (bound,))
    state = positive(case.analysis, bound.value)
    # the other hypotheses make mu(R) positive for every finite R, with or without a value; where
    # one of them fails, that says nothing about this one
    if state is False and ready:
        return Hypothesis("confined", statement, "assumption", "unknown", shown, (bound,))
    return Hypothesis(
        "confined",
        statement,
        "assumption",
        "assumed",
        f"case 1 assumes it; {shown}",
        (bound,),
    )
