"""Conditions near the start: formulas against the theory page, and their order of strength."""

from fractions import Fraction

import pytest

from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import num
from govcheck_plugins.theorems._convergence import Inputs
from govcheck_plugins.theorems.chizat2019_theorem_2_4 import Theorem24
from govcheck_plugins.theorems.liu2022_uniform_conditioning import UniformlyConditioned
from govcheck_plugins.theorems.oymak2019_theorem_2_1 import Theorem21
from govcheck_plugins.theorems.path_length import PathLength

ALL = (PathLength, Theorem21, Theorem24, UniformlyConditioned)


def inputs(sigma=1.0, beta=2.0, lipschitz=0.1, start=0.5, reach=50.0, drop=0.0):
    given = (sigma, sigma - drop, beta, lipschitz, start, reach)
    return Inputs(*(num(Fraction(v)) for v in given))


def values(theorem, at):
    c = theorem().condition(at)
    return [float(evaluate(e, {}).mid())
            for e in (c.small, c.large, c.radius, c.eta, c.factor)]


def holds(theorem, at):
    small, large, *_ = values(theorem, at)
    return small < large


@pytest.mark.parametrize("theorem", ALL)
def test_step_and_factor_are_those_of_a_contraction(theorem):
    *_, radius, eta, factor = values(theorem, inputs())
    assert radius > 0 and 0 < eta < 2 / 4 and 0 < factor < 1


def test_path_length_closes_up_to_three_sixteenths():
    for h, expected in ((0.18, True), (0.187, True), (0.188, False), (0.3, False)):
        assert holds(PathLength, inputs(lipschitz=h / 0.5)) is expected


def test_path_length_by_the_integral():
    """|r| < (1-delta) int_0^R (sigma - L s) ds with delta = eta (beta^2 + L|r|)/2 = 1/2."""
    at = inputs(lipschitz=0.3)
    _, _, radius, eta, factor = values(PathLength, at)
    delta = eta * (4 + 0.3 * 0.5) / 2
    assert delta == pytest.approx(0.5)
    assert (1 - delta) * (radius - 0.3 * radius**2 / 2) > 0.5
    assert factor == pytest.approx(1 - 2 * eta * (1 - delta) * (1 - 0.3 * radius) ** 2)


def test_lazy_training_asks_more():
    for lipschitz in (0.001, 0.01, 0.02, 0.1, 0.3, 0.5):
        at = inputs(lipschitz=lipschitz)
        assert holds(PathLength, at) or not holds(Theorem24, at)


def test_weyl_makes_oymaks_condition_one_sixteenth():
    """With ``alpha = sigma - L R`` and ``R = 4|r|/alpha`` the best h is 1/16."""
    for h, expected in ((0.062, True), (0.063, False)):
        lipschitz, start = 1.0, h
        found = any(
            4 * start / (1 - lipschitz * r) <= r for r in [k / 1000 for k in range(1, 1000)])
        assert found is expected
        r = 0.5
        at = inputs(1.0, 2.0, lipschitz, start, reach=r, drop=lipschitz * r)
        assert holds(Theorem21, at) is expected


def test_liu_by_hand():
    small, large, radius, eta, factor = values(UniformlyConditioned, inputs())
    assert (small, large, radius) == (2.0, 50.0, 2.0)
    assert eta == pytest.approx(1 / 4.05) and factor == pytest.approx(1 - 1 / 4.05)


def test_a_linear_map_needs_no_curvature():
    at = inputs(lipschitz=0.0)
    assert all(holds(t, at) for t in ALL)
    assert not holds(PathLength, inputs(lipschitz=0.0, reach=0.9))
    assert evaluate(at.h, {}) == 0
