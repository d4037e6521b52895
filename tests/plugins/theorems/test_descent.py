"""Theorems 2.1 and 2.2."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pytest
import torch
from flint import arb

from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import ONE, num, sym
from govcheck.graph.architecture import DomainSpec
from govcheck.graph.blocks import Leaf, chain
from govcheck.plugin import TABLE, bound
from govcheck_plugins.costs.cross_entropy import CrossEntropy
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.relu import Relu
from govcheck_plugins.layers.scale import Scale
from govcheck_plugins.theorems.macdonald2022_theorem_2_2 import SIGMA_DF

torch.set_num_threads(1)
BALL = DomainSpec("ball", ONE)


def linear(build, **options):
    """Bias-free linear regression: with cross-entropy its beta is known on all parameters."""
    body = chain(Leaf("fc", Affine(build.m, "plain", False)))
    return build.analysis(body, **options)


def test_2_1_on_a_ball(build):
    a = build.analysis(build.resnet(), domain=BALL)
    v = build.verdict("theorem_2_1", a)
    assert v.status == "applies"
    assert build.status(v) == {"smooth": "proved", "pl": "proved", "trajectory": "assumed"}
    assert build.hypothesis(v, "trajectory").mode == "assumption"
    mu, beta = (float(a.value(v.conclusions[k]).mid()) for k in ("mu", "beta"))
    assert float(a.value(v.conclusions["eta"]).mid()) == pytest.approx(1 / beta)
    assert float(a.value(v.conclusions["rate"]).mid()) == pytest.approx(1 - mu / (2 * beta))
    assert float(a.value(v.conclusions["steps"]).mid()) == pytest.approx(2 * beta / mu)
    # the exact rates need smoothness around the segments between iterates
    assert "balls whose diameters are the steps" in v.conclusions["tight_rate"].note
    eta = sym("eta", "step size of gradient descent")
    factor = evaluate(v.conclusions["factor"].expr, a.env | {eta: ball(Fraction(1, 100))})
    assert float(factor.mid()) == pytest.approx(1 - mu * (0.01 - beta * 1e-4 / 2))


def test_2_1_open_without_a_positive_mu(build):
    v = build.verdict("theorem_2_1", build.analysis(build.resnet()))
    assert v.status == "undecided" and build.status(v)["trajectory"] == "proved"
    assert "a positive mu is not derived" in v.summary


def test_2_1_without_smoothness_or_cost(build):
    v = build.verdict("theorem_2_1", build.analysis(build.resnet(activation=Relu())))
    assert build.status(v)["smooth"] == "unknown" and "relu has a kink" in v.summary
    v = build.verdict("theorem_2_1", build.analysis(build.resnet(), cost=None))
    assert v.status == "undecided" and "no cost" in v.summary


def test_2_1_cross_entropy_has_a_speed_and_no_rate(build):
    a = build.analysis(build.resnet(), cost=CrossEntropy(), domain=BALL)
    v = build.verdict("theorem_2_1", a)
    assert build.status(v)["pl"] == "unknown" and "E9" in v.summary
    assert {"rate", "steps"}.isdisjoint(v.conclusions)
    kappa, sigma, beta = (a.value(a.bounds[k]) for k in ("kappa_gamma", "sigma_D", "beta"))
    assert a.value(v.conclusions["speed"]).overlaps((kappa * sigma) ** 2 / (2 * beta))


def test_2_1_tight_rates_where_the_set_is_everything(build):
    """A trained scale before nothing: F = a X is linear, so beta and mu are exact constants."""
    body = chain(build.first())
    a = build.analysis(body)
    # on all parameters mu is 0 for this network; give the theorem constants by hand
    for name, value in (("mu", num(Fraction(1, 2))), ("beta", num(1))):
        a.bounds[name] = type(a.bounds[name])(
            name, "loss", value, a.bounds[name].sense, "given", a.bounds[name].ref
        )
    v = build.verdict("theorem_2_1", a)
    assert a.value(v.conclusions["tight_rate"]).overlaps(ball(Fraction(2, 3)))
    x = float(a.value(v.conclusions["best_step"]).mid())
    assert x**3 / 4 + 3 * x**2 - 4 == pytest.approx(0, abs=1e-12)
    best = float(a.value(v.conclusions["tight_best_rate"]).mid())
    assert best == pytest.approx(3 * (x**2 - 1)) and best < 2 / 3
    assert "Abbaszadehpeivasti" in v.conclusions["tight_rate"].ref.source


def test_2_1_takes_a_step_from_the_file(build):
    name = "macdonald2022.theorem_2_1"
    a = build.analysis(
        build.resnet(), domain=BALL, requests={name: {"eta": num(Fraction(1, 50))}}
    )
    v = build.verdict("theorem_2_1", a)
    assert isinstance(a.value(v.conclusions["factor"]), arb)


def test_2_2_corrected_and_printed(build):
    a = build.analysis(build.resnet(), domain=BALL)
    v = build.verdict("theorem_2_2", a)
    assert v.status == "applies" and {e.id for e in v.errata} == {"E1", "E9"}
    assert "4*sigma_DF^2/N" in v.summary
    printed = build.verdict("theorem_2_2", a, "as_printed")
    assert printed.status == "fails" and "E1" in printed.summary
    mu = printed.conclusions["mu"]
    assert mu.rule == "as printed; not a bound (E1)" and "incorrect" in mu.note
    right, wrong = a.value(v.conclusions["mu"]), a.value(mu)
    assert wrong > right


def test_2_2_holds_at_random_points(build):
    """|grad l|^2 >= mu_gamma sigma(DF)^2 l for a small net, and the printed form fails."""
    a = build.analysis(build.resnet(1))
    v = build.verdict("theorem_2_2", a)
    generator = torch.Generator().manual_seed(0)
    x = torch.eye(4, dtype=torch.float64)[:, :3]
    y = torch.zeros(4, 3, dtype=torch.float64)

    def entry(w):
        return w / torch.sqrt(1 + w**2)

    def network(theta):
        w, u = theta[:16].reshape(4, 4), theta[16:].reshape(4, 4)
        z = entry(w) @ x
        return z + torch.tanh(0.45 * (u / torch.sqrt(1 + (u**2).sum(1, keepdim=True))) @ z)

    def loss(theta):
        return ((network(theta) - y) ** 2).sum() / 3

    printed_fails = 0
    for _ in range(30):
        theta = 2 * torch.randn(32, generator=generator, dtype=torch.float64)
        jacobian = torch.func.jacrev(network)(theta).reshape(12, 32)
        sigma = float(torch.linalg.svdvals(jacobian).min())
        gradient = torch.func.grad(loss)(theta)
        size, value = float(gradient @ gradient), float(loss(theta))
        mu = evaluate(v.conclusions["mu_pointwise"].expr, a.env | {SIGMA_DF: ball(sigma)})
        assert size >= float(mu.mid()) * value * (1 - 1e-9)
        printed_fails += size < 4 / 3 * sigma * value
    assert printed_fails > 0


def test_2_2_cross_entropy_uses_kappa(build):
    a = build.analysis(build.resnet(), cost=CrossEntropy(), domain=BALL)
    v = build.verdict("theorem_2_2", a)
    assert v.status == "applies" and "E9" in build.hypothesis(v, "cost").evidence
    assert "mu" not in v.conclusions and v.conclusions["slope"].known
    printed = build.verdict("theorem_2_2", a, "as_printed")
    assert build.status(printed)["cost"] == "refuted" and not printed.conclusions


def test_2_2_needs_a_gradient(build):
    v = build.verdict("theorem_2_2", build.analysis(build.resnet(activation=Relu())))
    assert build.status(v)["differentiable"] == "refuted" and not v.conclusions


@dataclass(frozen=True)
class Steep(Scale):
    """Its second derivatives grow with its parameter."""

    name: ClassVar[str] = "steep"

    @bound("xx", "upper", TABLE, tight="exact")
    def curved(self, at):
        return at.norm("factor", "max")


@pytest.mark.parametrize(("layer", "kinked"), [
    (Steep(ONE, True), False),
    (Affine(num(4), "torch_weight_norm", False), True),
])
def test_2_2_growing_derivatives_are_not_kinks(build, layer, kinked):
    v = build.verdict("theorem_2_2", build.analysis(chain(Leaf("layer", layer)), output=num(4)))
    assert build.status(v)["differentiable"] == ("refuted" if kinked else "proved")
    # the smoothness that Corollary 4.3 asks for fails in both
    v = build.verdict("corollary_4_3", build.analysis(chain(Leaf("layer", layer)), output=num(4)))
    assert v.status == "fails"


def test_2_2_on_linear_regression_is_exact(build):
    x = np.diag([2.0, 3.0, 4.0, 5.0])
    a = linear(build, data=build.given(x, np.zeros((4, 4))))
    v = build.verdict("theorem_2_2", a)
    # sigma(DF) = 2, mu_gamma = 4/N = 1
    assert float(a.value(v.conclusions["mu"]).mid()) == pytest.approx(4)
    assert not v.remarks
