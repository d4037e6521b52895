"""What the base class of activations makes of constants, without any built-in activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from govcheck.bounds.answer import Unknown
from govcheck.bounds.expr import ONE, PI, ZERO, E, enclosed, function, num, sqrt, sym
from govcheck.plugin import Activation, At, kink, require_positive, scalar

WHY = Unknown.because("slope unbounded")


def test_omitted_constants_follow_from_the_sector() -> None:
    c = scalar(slope=(num("1/2"), 3), curvature=1)
    assert (c.steepest, c.flattest, c.growth) == (num(3), num("1/2"), num(3))
    assert isinstance(c.value, Unknown) and isinstance(c.third, Unknown)
    assert c.at_zero is ZERO


def test_a_falling_function() -> None:
    c = scalar(slope=(-5, -2), curvature=1)
    assert (c.steepest, c.flattest) == (num(5), num(2))


def test_a_sector_around_zero_has_no_floor() -> None:
    c = scalar(slope=(-5, 2), curvature=1)
    assert (c.steepest, c.flattest) == (num(5), ZERO)


def test_of_two_closed_forms_the_larger_is_stated() -> None:
    top = (1 + function("erf", 1)) / 2 + 1 / (E * sqrt(PI))
    assert scalar(slope=(1 - top, top), curvature=1).steepest is top
    assert scalar(slope=(-top, top - 1), curvature=1).steepest is top


def test_overlapping_enclosures_stay_a_maximum() -> None:
    a, b = enclosed("a", "-1.2", "-1.0"), enclosed("b", "1.1", "1.3")
    assert scalar(slope=(a, b), curvature=1).steepest.op == "max"


def test_a_symbolic_sector_stays_a_maximum() -> None:
    a = sym("a", nonneg=False)
    assert repr(scalar(slope=(a, 1), curvature=1).steepest) == "max(abs(a), 1)"
    assert scalar(slope=(a, 1), curvature=1).flattest is ZERO


def test_unknown_sides_of_the_sector() -> None:
    c = scalar(slope=(1, WHY), curvature=1)
    assert isinstance(c.steepest, Unknown) and c.steepest.reason == "slope unbounded"
    assert c.flattest is ONE
    assert scalar(slope=(WHY, 1), curvature=1).flattest is ZERO


def test_kink_says_where_and_what_follows() -> None:
    assert kink("hat", "1").reason == (
        "hat has a kink at 1: its derivative jumps there, so no smoothness constant exists"
    )


def test_require_positive() -> None:
    require_positive("layer", a=num(1), b=sym("b"), c=E)
    with pytest.raises(ValueError, match="b of layer must be positive, not -1"):
        require_positive("layer", a=num(1), b=num(-1))


@dataclass(frozen=True)
class Cube(Activation):
    """phi(x) = x^3 - 3: everything depends on the radius."""

    name: ClassVar[str] = "cube"

    def constants(self):
        return scalar(at_zero=-3, slope=(0, WHY), curvature=WHY)

    def slope_ceiling(self, radius):
        return 3 * radius**2

    def growth(self, radius):
        return radius**2

    def apply(self, x, values):
        return x**3 - 3


def test_bounds_use_the_entries_the_input_can_have() -> None:
    b, s = sym("B"), sym("s")
    at = At("n", (num(4),), num(9), b, s)
    layer = Cube()
    assert layer.jacobian(at) is 3 * s**2
    assert layer.output_by_growth(at) is s**2 * b + 18
    assert layer.least_slope(at) is ZERO
    assert isinstance(layer.output_by_range(at), Unknown)


def test_reasons_of_a_bound_that_needs_a_bounded_input() -> None:
    gone = Unknown.because("input unbounded", node="x")
    found = Cube().jacobian(At("n", (num(4),), num(9), gone, gone))
    assert isinstance(found, Unknown)
    assert found.reason == "slope unbounded; x: input unbounded"
