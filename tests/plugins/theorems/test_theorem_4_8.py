"""Theorem 4.8: what is proved, what is not, and that a reader is told so."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch

from govcheck.bounds.evaluate import Missing, ball, evaluate
from govcheck.bounds.expr import ONE, num, sqrt, sym
from govcheck.graph.architecture import DomainSpec
from govcheck.graph.blocks import Leaf, Repeat, Residual, chain
from govcheck.plugin.cost import Cost
from govcheck_plugins.costs.cross_entropy import CrossEntropy
from govcheck_plugins.costs.square import Square
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.flatten import Flatten
from govcheck_plugins.layers.gelu import Gelu
from govcheck_plugins.layers.identity import Identity
from govcheck_plugins.layers.relu import Relu
from govcheck_plugins.layers.scale import Scale
from govcheck_plugins.layers.tanh import Tanh

torch.set_num_threads(1)
T48 = "theorem_4_8"
NAME = f"macdonald2022.{T48}"


def with_radius(value):
    return {NAME: {"R": num(Fraction(value))}}


def test_case_one_applies_and_says_what_is_not_proved(build):
    a = build.analysis(build.resnet(), requests=with_radius(1))
    v = build.verdict(T48, a)
    assert v.status == "applies"
    assert {"beta", "eta", "delta", "mu(R)", "rate(R)", "steps(R)"} <= set(v.conclusions)
    assert "case 1" in v.title
    assert v.summary.startswith("Case 1 holds with beta <= ")
    assert "Convergence from any initialisation is therefore not established." in v.summary
    gap = next(r for r in v.remarks if r.startswith("Case 2"))
    assert "claimed in [M]; the printed proof has a gap" in gap.replace("\n", " ")
    assert "t^(-3/2)" in gap and "converges" in gap
    example = next(r for r in v.remarks if "counterexample" in r)
    assert "phi = identity" in example and "0.3366" in example and "0.2841" in example
    assert "This network has such branches" not in example
    assert {"E1", "E7", "E8", "E9"} == {e.id for e in v.errata}
    confined = build.hypothesis(v, "confined")
    assert (confined.mode, confined.status) == ("assumption", "assumed")


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("radius", ["1/2", "3"])
def test_mu_is_the_closed_form(build, repeat, blocks, radius):
    build.values[build.eps] = num(Fraction(1, 3))
    x = np.diag([0.5, 2.0, 3.0, 4.0])[:3]
    a = build.analysis(
        build.resnet(blocks, repeat=repeat),
        data=build.given(x, np.zeros((3, 4))),
        requests=with_radius(radius),
    )
    v = build.verdict(T48, a)
    delta, eps, r = Fraction(1, 10), Fraction(1, 3), Fraction(radius)
    mu_gamma, sigma2 = Fraction(4, 3), Fraction(1, 4)
    closed = mu_gamma * delta ** (2 * blocks) * sigma2 * eps**2 / (eps + r**2) ** 3
    found = a.value(v.conclusions["mu(R)"])
    assert float(found.mid()) == pytest.approx(float(closed), rel=1e-12)
    # a lower bound, and the data enclosure is all that it may lose
    assert found.lower() <= ball(closed).upper()
    beta = a.value(a.bounds["beta"])
    assert a.value(v.conclusions["rate(R)"]).overlaps(1 - found / (2 * beta))
    assert a.value(v.conclusions["steps(R)"]).overlaps(2 * beta / found)


def test_gradient_descent_obeys_the_rate(build):
    """A run from random weights with step 1/beta: every step is at least as good as rate(R)."""
    build.values[build.delta] = num(Fraction(9, 10))
    build.values[build.eps] = num(2)
    x, y = np.eye(3, 4), np.array([[0.3, 0, 0.1, 0], [0, 0.2, 0, 0.1], [0.1, 0, -0.2, 0]])
    a = build.analysis(build.resnet(1), data=build.given(x, y))
    free = build.verdict(T48, a)
    eta = float(a.value(free.conclusions["eta"]).mid())
    inputs, targets = torch.tensor(x.T), torch.tensor(y.T)

    def loss(w, u):
        z = w / torch.sqrt(2 + w**2) @ inputs
        z = z + torch.tanh(0.05 * u / torch.sqrt(2 + (u**2).sum(1, keepdim=True)) @ z)
        return ((z - targets) ** 2).sum() / 3

    generator = torch.Generator().manual_seed(3)
    w, u = torch.randn(2, 4, 4, generator=generator, dtype=torch.float64)
    losses, largest = [], 0.0
    for _ in range(100):
        largest = max(largest, float(w.abs().max()))
        gw, gu = torch.func.grad(loss, (0, 1))(w, u)
        losses.append(float(loss(w, u)))
        w, u = w - eta * gw, u - eta * gu
    radius = Fraction(largest)
    asked = build.analysis(
        build.resnet(1), data=build.given(x, y), requests={NAME: {"R": num(radius)}}
    )
    rate = asked.value(build.verdict(T48, asked).conclusions["rate(R)"])
    assert rate < 1
    worst = max(b / a for a, b in pairwise(losses))
    assert worst <= float(rate.upper())
    assert losses[-1] < 0.99 * losses[0]


def test_radius_from_a_symbol_or_free(build):
    a = build.analysis(build.resnet())
    free = build.verdict(T48, a).conclusions["mu(R)"]
    assert a.value(free) == Missing(("R",))
    r = sym("R")
    valued = build.analysis(build.resnet(), symbols={r: ONE})
    mu = build.verdict(T48, valued).conclusions["mu(R)"]
    assert not isinstance(valued.value(mu), Missing)
    asked = build.analysis(build.resnet(), requests=with_radius(1))
    assert valued.value(mu).overlaps(asked.value(build.verdict(T48, asked).conclusions["mu(R)"]))
    assert free.expr is not mu.expr


def test_on_a_ball_the_radius_is_known(build):
    a = build.analysis(build.resnet(), domain=DomainSpec("ball", num(Fraction(1, 2))))
    v = build.verdict(T48, a)
    assert build.status(v)["trajectory"] == "assumed"
    assert a.value(v.conclusions["mu(R)"]).overlaps(a.value(a.bounds["mu"]))
    assert a.value(a.bounds["mu"]) > 0


def variant(build, *steps):
    return build.verdict(T48, build.analysis(chain(build.first(), *steps)))


def test_forms_that_are_accepted(build):
    half = Fraction(1, 2) / sqrt(build.m)
    pair = [*build.branch(1, scale=half), *build.branch(2, scale=(1 / sqrt(build.m)))]
    composite = variant(build, Residual("two", chain(*pair)))
    assert composite.status == "applies"
    # the scale as a layer of its own, before or after the normalised weight
    plain = build.branch(3, scale=ONE)
    factor = Leaf("factor", Scale(half))
    for branch in ([factor, *plain], [*plain, factor]):
        spelt = variant(build, Residual("res", chain(*branch)))
        assert spelt.status == "applies"
    nested = Repeat("outer", num(2), chain(Repeat("inner", num(2), chain(
        Residual("res", chain(*build.branch()))))))
    assert variant(build, nested).status == "applies"
    assert variant(build).status == "applies"
    flat = build.analysis(chain(Leaf("flat", Flatten()), *[s.block for s in build.resnet(1).steps]))
    assert build.verdict(T48, flat).status == "applies"


def test_composite_branch_multiplies_jacobians(build):
    half = Fraction(1, 2) / sqrt(build.m)
    pair = [*build.branch(1, scale=half), *build.branch(2, scale=half)]
    a = build.analysis(chain(build.first(), Residual("two", chain(*pair))))
    delta = build.verdict(T48, a).conclusions["delta"]
    assert a.value(delta).overlaps(ball(Fraction(3, 4)))


def test_forms_that_are_refused(build):
    m = build.m
    cases = {
        "act is not a residual block": [Leaf("act", Tanh())],
        "wn has weight: weight_norm with bias": [
            Residual("res", chain(Leaf("wn", Affine(m, "weight_norm"))))
        ],
        "fc has weight: plain without bias": [
            Residual("res", chain(Leaf("fc", Affine(m, "plain", False))))
        ],
        "gain has a trained factor": [
            Residual("res", chain(*build.branch(), Leaf("gain", Scale(ONE, True))))
        ],
        "its branch contains inner": [
            Residual("res", chain(Residual("inner", chain(*build.branch()))))
        ],
        "no weight-normalised": [Residual("res", chain(Leaf("t", Tanh())))],
    }
    for reason, steps in cases.items():
        v = variant(build, *steps)
        assert build.status(v)["blocks"] == "refuted", reason
        assert reason in build.hypothesis(v, "blocks").evidence
        assert "says nothing about this network" in v.summary
        assert not v.conclusions
    v = build.verdict(T48, build.analysis(chain(build.first(bias=True))))
    assert "first is an affine layer with weight: entrywise with bias" in v.summary


@pytest.mark.parametrize(
    ("activation", "reason"), [(Relu(), "relu has a kink"), (Gelu(), "sup|phi'| of gelu is 1.12")]
)
def test_activations_that_are_refused(build, activation, reason):
    v = build.verdict(T48, build.analysis(build.resnet(activation=activation)))
    assert build.status(v)["activation"] == "refuted" and v.status == "fails"
    assert reason in build.hypothesis(v, "activation").evidence


def test_identity_is_covered_by_case_one_and_by_the_counterexample(build):
    v = build.verdict(T48, build.analysis(build.resnet(activation=Identity())))
    assert v.status == "applies"
    assert any("This network has such branches" in r for r in v.remarks)


def test_a_branch_that_does_not_contract(build):
    v = variant(build, Residual("loud", chain(*build.branch(scale=ONE))))
    assert build.status(v)["contraction"] == "unknown" and v.status == "undecided"
    build.values[build.delta] = None
    v = build.verdict(T48, build.analysis(build.resnet()))
    assert "delta has no value" in build.hypothesis(v, "contraction").evidence
    assert "If it holds, case 1 holds with the constants listed" in v.summary
    assert v.conclusions["mu(R)"].known


def test_data(build):
    x = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [1.0, 1.0, 0, 0]])
    v = build.verdict(T48, build.analysis(build.resnet(), data=build.given(x, np.zeros((3, 4)))))
    h = build.hypothesis(v, "data")
    assert (h.mode, h.status) == ("data", "refuted") and "rank is exactly 2" in h.evidence
    v = build.verdict(T48, build.analysis(build.resnet(), data=None))
    assert build.status(v)["data"] == "unknown" and v.status == "undecided"


def test_cross_entropy_leaves_every_bounded_set(build):
    a = build.analysis(build.resnet(), cost=CrossEntropy(), requests=with_radius(1))
    v = build.verdict(T48, a)
    assert build.status(v)["cost"] == "proved"
    assert build.status(v)["confined"] == "refuted" and v.status == "fails"
    assert v.summary.startswith("Case 1 cannot last for this network: the outputs")
    assert "mu(R)" not in v.conclusions
    inside = {k: a.value(v.conclusions[k]) for k in ("speed(R)", "sigma_D(R)")}
    assert inside["speed(R)"] > 0 and inside["sigma_D(R)"] > 0


def test_targets_out_of_reach(build):
    y = np.full((3, 4), 1e3)
    a = build.analysis(build.resnet(), data=build.given(np.eye(3, 4), y))
    v = build.verdict(T48, a)
    assert v.status == "fails" and "out of reach" in v.summary


def test_without_cost(build):
    v = build.verdict(T48, build.analysis(build.resnet(), cost=None))
    assert v.status == "undecided" and "no cost" in v.summary


def test_the_printed_statement_fails_in_case_two(build):
    a = build.analysis(build.resnet())
    v = build.verdict(T48, a, "as_printed")
    assert v.status == "fails"
    assert [h.key for h in v.hypotheses if h.status == "refuted"] == ["case_2"]
    assert "E7" in build.hypothesis(v, "case_2").evidence
    assert "not a bound" in v.conclusions["beta"].rule
    assert "not established" in v.summary
    assert any("phi = identity" in r for r in v.remarks)


def test_convexity_is_asked_of_the_printed_statement_only(build):
    own = type("Own", (Cost,), {
        "name": "own",
        **{k: getattr(Square, k) for k in ("gradient", "curvature", "level", "weight", "_w", "pl")},
        "loss": Square.loss,
    })
    a = build.analysis(build.resnet(), cost=own())
    printed = build.verdict(T48, a, "as_printed")
    assert build.status(printed)["cost"] == "unknown"
    assert build.verdict(T48, a).status == "applies"


def test_mu_of_the_formula_uses_only_the_first_layer(build):
    """mu(R) falls with R like R^-6."""
    a = build.analysis(build.resnet(1))
    mu = build.verdict(T48, a).conclusions["mu(R)"].expr
    r = sym("R", "largest absolute entry of the first layer's weights")
    small, large = (float(evaluate(mu, a.env | {r: ball(k)}).mid()) for k in (1000, 10_000))
    assert small / large == pytest.approx(1e6, rel=1e-4)
