"""Every constant of every cost, attacked by search over outputs in float64.

gamma, its gradient and its Hessian come from autograd of `loss`; the constants from the
formulas. No point found may cross a constant, and a named point comes close to it.
"""

import math
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import ZERO, num
from govcheck.plugin import CostAt
from govcheck_plugins.costs.cross_entropy import CrossEntropy
from govcheck_plugins.costs.half_square import HalfSquare
from govcheck_plugins.costs.square import Square
from govcheck_plugins.costs.summed_square import SummedSquare

SQUARES = [Square(), HalfSquare(), SummedSquare()]
CLASSES = [*SQUARES, CrossEntropy()]
SIZES = [(1, 2), (3, 2), (4, 5)]
SLACK = 1 + 1e-9


def by_name(cost):
    return cost.name


def place(n, c, *, target_norm=0.0, alpha=1.0):
    return CostAt(num(n), num(c), num(Fraction(target_norm)), num(Fraction(alpha)))


def value(formula):
    assert not isinstance(formula, Unknown), formula.reason
    return float(evaluate(formula, {}).mid())


def targets_for(cost, n, c, generator):
    if cost.classification:
        return torch.randint(c, (n,), generator=generator)
    return torch.randn(n, c, generator=generator, dtype=torch.float64)


def gradient(cost, z: Tensor, y: Tensor) -> tuple[float, Tensor]:
    z = z.detach().requires_grad_()
    loss = cost.loss(z, y)
    (g,) = torch.autograd.grad(loss, z)
    return loss.item(), g


def hessian_norm(cost, z, y) -> float:
    h = torch.autograd.functional.hessian(lambda v: cost.loss(v.view_as(z), y), z.reshape(-1))
    return float(torch.linalg.eigvalsh(h).abs().max())


def attack(n, c, generator):
    """Outputs of all sizes, with samples of unlike size and with ties."""
    for scale in (1e-3, 0.1, 1.0, 3.0, 30.0):
        for _ in range(12):
            z = scale * torch.randn(n, c, generator=generator, dtype=torch.float64)
            yield z
            yield z * torch.rand(n, 1, generator=generator, dtype=torch.float64) ** 4
            yield z.round()


def climb(start: Tensor, objective, steps=60) -> Tensor:
    """Gradient ascent with steps that shrink where the objective does not grow."""
    z, rate = start.clone(), 1.0
    best = objective(z).item()
    for _ in range(steps):
        z.requires_grad_()
        (g,) = torch.autograd.grad(objective(z), z)
        z = z.detach()
        move = z + rate * g / (g.norm() + 1e-30) * (1 + z.norm())
        now = objective(move).item()
        if now > best:
            z, best, rate = move, now, rate * 1.3
        else:
            rate *= 0.5
    return z


@pytest.mark.parametrize("cost", CLASSES, ids=by_name)
@pytest.mark.parametrize(("n", "c"), SIZES)
def test_no_point_crosses_a_constant(cost, n, c):
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(1)
    y = targets_for(cost, n, c, generator)
    target_norm = 0.0 if cost.classification else float(y.norm())
    gamma_2 = value(cost.curvature(place(n, c)))
    for z in attack(n, c, generator):
        loss, g = gradient(cost, z, y)
        at = place(n, c, target_norm=target_norm, alpha=loss)
        if loss == 0:
            continue
        assert g.norm() <= SLACK * value(cost.gradient(at))
        # a level far above the point is the harder case for kappa, one at it for Gamma_1
        for factor in (1, 1.5, 10):
            above = place(n, c, alpha=loss * factor)
            assert g.norm() * SLACK >= value(cost.slope(above)) * loss
        if not cost.classification:
            assert g.norm() ** 2 * SLACK >= value(cost.pl(at)) * loss
        assert loss <= SLACK * value(cost.level(at, num(Fraction(float(z.norm())))))
        assert hessian_norm(cost, z, y) <= SLACK * gamma_2


@pytest.mark.parametrize("cost", SQUARES, ids=by_name)
@pytest.mark.parametrize(("n", "c"), SIZES)
def test_square_costs_are_tight_everywhere(cost, n, c):
    generator = torch.Generator().manual_seed(2)
    y = targets_for(cost, n, c, generator)
    z = torch.randn(n, c, generator=generator, dtype=torch.float64)
    loss, g = gradient(cost, z, y)
    at = place(n, c, target_norm=float(y.norm()), alpha=loss)
    assert float(g.norm()) == pytest.approx(value(cost.gradient(at)), rel=1e-12)
    assert float(g.norm()) == pytest.approx(value(cost.slope(at)) * loss, rel=1e-12)
    assert float(g.norm() ** 2) == pytest.approx(value(cost.pl(at)) * loss, rel=1e-12)
    assert hessian_norm(cost, z, y) == pytest.approx(value(cost.curvature(at)), rel=1e-12)
    opposite = -3 * y
    worst = cost.loss(opposite, y).item()
    level = value(cost.level(at, num(Fraction(float(opposite.norm())))))
    assert worst == pytest.approx(level, rel=1e-12)


@pytest.mark.parametrize(("cost", "loss", "constants"), [
    # N = 4, |Z - Y|^2 = 10, alpha = 9, |Z| + |Y| = 6: Gamma_1, Gamma_2, mu, level
    (Square(), 10 / 4, (2 * math.sqrt(9 / 4), 2 / 4, 4 / 4, 36 / 4)),
    (HalfSquare(), 10 / 8, (math.sqrt(2 * 9 / 4), 1 / 4, 2 / 4, 36 / 8)),
    (SummedSquare(), 10 / 2, (math.sqrt(2 * 9), 1, 2, 36 / 2)),
], ids=["square", "half_square", "summed_square"])
def test_square_costs_by_hand(cost, loss, constants):
    z = torch.tensor([[1.0, 0.0], [0.0, 3.0], [0.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    assert cost.loss(z, torch.zeros_like(z)).item() == loss
    at = place(4, 2, target_norm=2.0, alpha=9.0)
    found = (cost.gradient(at), cost.curvature(at), cost.pl(at), cost.level(at, num(4)))
    assert tuple(map(value, found)) == pytest.approx(constants, rel=1e-14)


def two_class_logit(c: float) -> list[float]:
    """Logits of two classes with loss c for label 0."""
    return [0.0, math.log(math.expm1(c))]


def test_cross_entropy_by_hand():
    cost = CrossEntropy()
    z = torch.tensor([two_class_logit(1.0), two_class_logit(0.5)], dtype=torch.float64)
    loss, g = gradient(cost, z, torch.tensor([0, 0]))
    assert loss == pytest.approx(0.75, rel=1e-14)
    misses = -math.expm1(-1.0), -math.expm1(-0.5)
    assert float(g.norm()) == pytest.approx(math.hypot(*misses) * math.sqrt(2) / 2, rel=1e-14)


@pytest.mark.parametrize(("n", "c"), SIZES)
def test_cross_entropy_curvature_and_gradient_are_attained(n, c):
    cost = CrossEntropy()
    y = torch.zeros(n, dtype=torch.long)
    torn = torch.full((n, c), -80.0, dtype=torch.float64)
    torn[:, :2] = 0.0
    assert hessian_norm(cost, torn, y) == pytest.approx(value(cost.curvature(place(n, c))))
    wrong = torch.zeros(n, c, dtype=torch.float64)
    wrong[:, 1] = 60.0
    _, g = gradient(cost, wrong, y)
    assert float(g.norm()) == pytest.approx(value(cost.gradient(place(n, c))), rel=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("radius", [0.01, 1.0, 8.0, 40.0])
def test_cross_entropy_level_against_ascent(classes, radius):
    cost, n = CrossEntropy(), 3
    y = torch.zeros(n, dtype=torch.long)
    generator = torch.Generator().manual_seed(3)
    best = 0.0
    for _ in range(3):
        start = torch.randn(n, classes, generator=generator, dtype=torch.float64)
        best = max(best, cost.loss(
            z := radius * (v := climb(start, lambda z: cost.loss(radius * z / z.norm(), y)))
            / v.norm(), y).item())
        assert float(z.norm()) == pytest.approx(radius)
    level = value(cost.level(place(n, classes), num(Fraction(radius))))
    assert best <= SLACK * level
    # exact at radius 0 and to log C (the logits' worst direction) at every radius
    assert best >= level - math.log(classes) - 1e-3
    assert value(cost.level(place(n, classes), ZERO)) == pytest.approx(math.log(classes))


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("alpha", [1e-3, 0.1, 1.0, 5.0])
def test_cross_entropy_slope_against_the_worst_points(n, alpha):
    """Points of the sublevel set with the smallest |grad|/gamma: k equal losses, rest ~0."""
    cost = CrossEntropy()
    kappa = value(cost.slope(place(n, 2, alpha=alpha)))
    y = torch.zeros(n, dtype=torch.long)
    ratios = []
    for k in range(1, n + 1):
        for share in (1.0, 0.5, 0.01):
            z = torch.tensor([[0.0, -700.0]] * n, dtype=torch.float64)
            z[:k] = torch.tensor(two_class_logit(share * n * alpha / k), dtype=torch.float64)
            loss, g = gradient(cost, z, y)
            assert loss <= alpha * SLACK
            ratios.append(float(g.norm()) / loss)
    assert min(ratios) * SLACK >= kappa
    # two classes: |grad c| is sqrt2 (1 - p_y) where the proof uses 1 - p_y; nothing else is
    # lost for one sample, and no more than sqrt N for several
    assert min(ratios) <= math.sqrt(2 * n) * kappa * SLACK


def test_cross_entropy_slope_loses_nothing_for_one_sample_and_many_classes():
    cost, classes, alpha = CrossEntropy(), 2000, 2.0
    z = torch.zeros(1, classes, dtype=torch.float64)
    # all wrong classes equal: |grad c| = (1 - p_y) sqrt(C/(C-1))
    z[0, 0] = math.log((classes - 1) / math.expm1(alpha))
    loss, g = gradient(cost, z, torch.tensor([0]))
    assert loss == pytest.approx(alpha)
    kappa = value(cost.slope(place(1, classes, alpha=alpha)))
    assert 1 <= float(g.norm()) / loss / kappa < 1.001


def test_cross_entropy_slope_against_descent_on_the_ratio():
    cost = CrossEntropy()
    generator = torch.Generator().manual_seed(4)
    for n, c in SIZES:
        y = torch.zeros(n, dtype=torch.long)

        def excess(z, y=y, n=n):
            """log of kappa(gamma) gamma / |grad gamma|, which must not be positive."""
            loss = cost.loss(z, y)
            p = z.softmax(1) - torch.nn.functional.one_hot(y, z.shape[1])
            kappa = -torch.expm1(-n * loss) / (n**1.5 * loss)
            return (kappa * loss / (p.norm() / n)).log()

        for _ in range(4):
            start = 2 * torch.randn(n, c, generator=generator, dtype=torch.float64)
            worst = climb(start, excess)
            loss, g = gradient(cost, worst, y)
            kappa = value(cost.slope(place(n, c, alpha=loss)))
            assert float(g.norm()) * SLACK >= kappa * loss


def test_cross_entropy_is_not_pl():
    cost = CrossEntropy()
    unknown = cost.pl(place(3, 4))
    assert isinstance(unknown, Unknown) and "E9" in unknown.reason and "kappa" in unknown.reason
    ratios = []
    for c in (1.0, 1e-2, 1e-4, 1e-6):
        z = torch.tensor([two_class_logit(c)], dtype=torch.float64)
        loss, g = gradient(cost, z, torch.tensor([0]))
        ratios.append(float(g.norm()) ** 2 / loss)
    assert ratios == sorted(ratios, reverse=True) and ratios[-1] < 1e-5


@pytest.mark.parametrize("cost", CLASSES, ids=by_name)
def test_an_unknown_level_keeps_its_reason(cost):
    why = Unknown.because("the output is unbounded")
    at = CostAt(num(3), num(2), num(1), why)
    assert isinstance(found := cost.slope(at), Unknown) and found.reason == why.reason
    level = cost.level(at, why)
    assert isinstance(level, Unknown) and level.reason == why.reason
    gradient = cost.gradient(at)
    if cost.classification:
        assert value(gradient) == pytest.approx(math.sqrt(2 / 3))
    else:
        assert isinstance(gradient, Unknown) and gradient.reason == why.reason
    assert value(cost.curvature(at)) > 0


@pytest.mark.parametrize("cost", CLASSES, ids=by_name)
def test_a_level_of_zero_has_no_slope(cost):
    assert isinstance(cost.slope(CostAt(num(3), num(2), ZERO, ZERO)), Unknown)


def test_one_class_is_free():
    cost = CrossEntropy()
    z = torch.randn(4, 1, dtype=torch.float64)
    assert cost.loss(z, torch.zeros(4, dtype=torch.long)).item() == 0
    assert evaluate(cost.level(place(4, 1), ZERO), {}).contains(ball(0))


@pytest.mark.parametrize("cost", SQUARES, ids=by_name)
def test_square_costs_refuse_labels(cost):
    with pytest.raises(ValueError, match=r"\(3, 2\), not \(3,\)"):
        cost.loss(torch.zeros(3, 2), torch.zeros(3, dtype=torch.long))


@pytest.mark.parametrize("targets", [
    torch.zeros(3, 2), torch.zeros(3), torch.zeros(2, dtype=torch.long)])
def test_cross_entropy_refuses_what_is_no_labels(targets):
    with pytest.raises(ValueError, match="integer labels"):
        CrossEntropy().loss(torch.zeros(3, 2), targets)


def test_registered_under_their_file_names(registry):
    for cost in CLASSES:
        assert registry.costs[cost.name] is type(cost)
    assert [c.name for c in CLASSES if c.classification] == ["cross_entropy"]
