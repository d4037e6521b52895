"""From the network's constants to those of the loss, and to step size and rate."""

from __future__ import annotations

from typing import Final

from govcheck.bounds.answer import (
    ComposedBound,
    Ref,
    Sense,
    Unknown,
    Value,
    v_add,
    v_mul,
    v_square,
)
from govcheck.bounds.constants import MapConstants
from govcheck.bounds.expr import ONE, ZERO, Expr, let, maximum
from govcheck.bounds.rates import INFLATED, TIGHT, ratio, tight_factor
from govcheck.plugin.cost import Cost, CostAt
from govcheck.plugin.guard import ask

SECTION5: Final = Ref("govcheck theory", "bound calculus, section 5")
COR43: Final = Ref("M", "Cor 4.3")
THM22: Final = Ref("M", "Thm 2.2", ("E1",))
THM21: Final = Ref("M", "Thm 2.1")

LOSS_MEANING: Final[dict[str, str]] = {
    "alpha": "largest loss on the parameter set",
    "Gamma_1": "norm of the gradient of the cost in the outputs",
    "Gamma_2": "norm of the Hessian of the cost in the outputs",
    "beta": "smoothness: Lipschitz constant of the gradient of the loss",
    "lipschitz": "Lipschitz constant of the loss in the parameters",
    "eta": "step size with the largest guaranteed decrease",
    "mu_gamma": "Polyak-Lojasiewicz constant of the cost in the outputs",
    "kappa_gamma": "constant of |grad gamma| >= kappa gamma",
    "mu": "Polyak-Lojasiewicz constant of the loss: |grad|^2 >= mu (loss - inf)",
    "rate": "factor by which loss - inf falls in each step of size eta",
    "tight_rate": "the same, exact for smooth PL functions",
}


def loss_bounds(net: MapConstants, cost: Cost, at: CostAt) -> dict[str, ComposedBound]:
    """Constants of the loss ``gamma(F(theta))`` on the network's parameter set.

    The level alpha is the supremum of the loss over the set, so that every point of the
    set lies in the sublevel set on which the slope of the cost is bounded.

    Args:
        net: constants of the whole network.
        cost: the cost plugin.
        at: N, outputs and target norm; its `alpha` is replaced.
    """
    b: dict[str, ComposedBound] = {}

    def put(
        name: str,
        value: Value,
        rule: str,
        ref: Ref,
        *premises: ComposedBound,
        sense: Sense = "upper",
        note: str = "",
    ) -> None:
        value = value.located(cost.name, name) if isinstance(value, Unknown) else let(name, value)
        b[name] = ComposedBound(name, "loss", value, sense, rule, ref, premises, note)

    level = ask(cost, "level", at, net.value("out"))
    put("alpha", level, f"{cost.name} on outputs of bounded norm", cost.reference, net["out"])
    declared = f"declared by {cost.name}"
    place = CostAt(at.samples, at.outputs, at.target_norm, b["alpha"].value)
    put("Gamma_1", ask(cost, "gradient", place), declared, cost.reference, b["alpha"])
    put("Gamma_2", ask(cost, "curvature", place), declared, cost.reference)
    g1, g2, d, tt = b["Gamma_1"], b["Gamma_2"], net["D"], net["tt"]
    beta = v_add(v_mul(g2.value, v_square(d.value)), v_mul(g1.value, tt.value))
    put("beta", beta, "beta = Gamma_2 D^2 + Gamma_1 tt", COR43, g2, d, g1, tt)
    put("lipschitz", v_mul(g1.value, d.value), "chain rule", SECTION5, g1, d)
    put("eta", _inverse(b["beta"].value), "1/beta", THM21, b["beta"], sense="lower")
    put("mu_gamma", ask(cost, "pl", place), declared, cost.reference, sense="lower")
    put("kappa_gamma", ask(cost, "slope", place), declared, cost.reference, sense="lower")
    put(
        "mu",
        v_mul(b["mu_gamma"].value, v_square(net.value("sigma_D"))),
        "mu = mu_gamma sigma(DF)^2",
        THM22,
        b["mu_gamma"],
        net["sigma_D"],
        sense="lower",
    )
    mu, smooth = b["mu"], b["beta"]
    put("rate", rate(mu.value, smooth.value), "1 - mu/(2 beta)", THM21, mu, smooth)
    tight = tight_rate(mu.value, smooth.value)
    put("tight_rate", tight, "2(1-k)/(2+k), k = mu/(2 beta)", TIGHT, mu, smooth, note=INFLATED)
    return b


def _inverse(value: Value) -> Value:
    if isinstance(value, Unknown):
        return value
    return Unknown.because("the loss is constant: beta is 0") if value is ZERO else 1 / value


def rate(mu: Value, beta: Value) -> Value:
    """``1 - mu/(2 beta)``, at least 0: the factor of [M] Thm 2.1 at step 1/beta."""
    if isinstance(mu, Unknown) or isinstance(beta, Unknown):
        return v_add(mu, beta)
    if beta is ZERO:
        return ZERO
    return ONE if mu is ZERO else maximum(ZERO, ONE - mu / (2 * beta))


def tight_rate(mu: Value, beta: Value) -> Value:
    """The exact factor at step 1/beta, see `govcheck.bounds.rates.tight_factor`."""
    if isinstance(mu, Unknown) or isinstance(beta, Unknown):
        return v_add(mu, beta)
    if beta is ZERO:
        return ZERO
    return ONE if mu is ZERO else tight_factor(ratio(mu, beta))


def contraction(mu: Expr, beta: Expr, step: Expr) -> Expr:
    """``1 - mu (step - beta step^2/2)``, the factor of [M] Thm 2.1, eq (4)."""
    return ONE - mu * (step - beta * step**2 / 2)


__all__ = ["LOSS_MEANING", "contraction", "loss_bounds", "rate", "tight_rate"]
