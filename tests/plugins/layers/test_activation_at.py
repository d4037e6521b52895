"""Answers of activations on an input set, against autograd on batches from that set."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from torch.autograd.functional import jacobian

from govcheck.bounds.answer import Unknown
from govcheck.bounds.constants import TIGHT
from govcheck.bounds.expr import ONE, ZERO, num, sym
from govcheck.graph.ask import layer_constants
from govcheck.plugin import At
from govcheck.plugin.layer import answer, declared_bounds

SAMPLES, FEATURES = 3, 4
UNBOUNDED = Unknown.because("the input set is unbounded")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def rounded_up(x: torch.Tensor) -> Fraction:
    return Fraction(float(x) * (1 + 1e-12))


def place(x: torch.Tensor) -> At:
    """The smallest input set with these norms that contains the batch x."""
    singular = torch.linalg.svdvals(x.T)
    return At(
        "a",
        (num(FEATURES),),
        num(SAMPLES),
        num(rounded_up(torch.linalg.matrix_norm(x))),
        num(rounded_up(singular.max())),
        num(Fraction(float(singular.min()) * (1 - 1e-12))),
    )


def batches():
    g = torch.Generator().manual_seed(11)
    draw = lambda: torch.randn(SAMPLES, FEATURES, generator=g, dtype=torch.float64)  # noqa: E731
    one = torch.zeros(SAMPLES, FEATURES, dtype=torch.float64)
    one[1, 2] = 1.7
    return [0.01 * draw(), draw(), 4 * draw(), 30 * draw(), one, -one, 0 * one]


def best(activation, quantity, at, reduce, evaluate):
    """The best known answer to a quantity, None if there is none."""
    known = []
    for attribute, spec in declared_bounds(type(activation)):
        if spec.quantity == quantity:
            value = answer(activation, attribute, at)
            if not isinstance(value, Unknown):
                known.append(evaluate(value))
    return reduce(known) if known else None


def test_first_order_answers(activation, values, upper, lower) -> None:
    for x in batches():
        at = place(x)
        f = activation.module((FEATURES,), values)
        size = SAMPLES * FEATURES
        singular = torch.linalg.svdvals(jacobian(f, x).reshape(size, size))
        slack = 1e-12
        steep = best(activation, "J", at, min, upper)
        assert steep is not None and float(singular.max()) <= steep * (1 + slack)
        flat = best(activation, "sigma_J", at, max, lower)
        assert flat is not None and float(singular.min()) >= flat * (1 - slack) - 1e-16
        out = best(activation, "out", at, min, upper)
        assert out is not None and float(torch.linalg.matrix_norm(f(x))) <= out * (1 + slack)


def second(f, x, h, k):
    """The bilinear form ``D^2 f(x)[h, k]``."""

    def along(z):
        return torch.autograd.functional.jvp(f, z, h, create_graph=True)[1]

    return torch.autograd.functional.jvp(along, x, k)[1]


def test_second_order_answer(activation, values, upper) -> None:
    bound = best(activation, "xx", place(batches()[1]), min, upper)
    if bound is None:
        return
    g = torch.Generator().manual_seed(3)
    f = activation.module((FEATURES,), values)
    for x in batches():
        directions = torch.randn(6, SAMPLES, FEATURES, generator=g, dtype=torch.float64)
        corner = torch.zeros_like(x)
        corner[1, 2] = 1
        for h, k in [*zip(directions[:3], directions[3:], strict=True), (corner, corner)]:
            size = float(h.norm() * k.norm())
            assert float(second(f, x, h, k).norm()) <= bound * size * (1 + 1e-12)


def test_second_order_answer_is_attained_in_one_coordinate(make, values, upper) -> None:
    layer = make("tanh")
    x = torch.zeros(SAMPLES, FEATURES, dtype=torch.float64)
    x[1, 2] = torch.atanh(torch.tensor(3.0, dtype=torch.float64).rsqrt())
    h = torch.zeros_like(x)
    h[1, 2] = 1
    found = float(second(layer.module((FEATURES,), values), x, h, h).norm())
    assert found == pytest.approx(best(layer, "xx", place(x), min, upper), rel=1e-12)


def test_there_are_no_parameters(activation) -> None:
    assert activation.parameters((num(3),)) == ()
    found = layer_constants(activation, place(batches()[1]), TIGHT)
    for quantity in ("D", "D_rows", "xt", "tt"):
        assert found.value(quantity) is ZERO


def test_module_keeps_the_shape_and_shows_its_name(activation, values) -> None:
    f = activation.module((2, 5, 5), values)
    assert f(torch.zeros(3, 2, 5, 5)).shape == (3, 2, 5, 5)
    assert not list(f.parameters())
    assert repr(f) == f"Elementwise({activation.name})"


def test_unbounded_input(activation, upper) -> None:
    """Only what holds on the whole line remains."""
    at = replace(place(batches()[1]), frobenius=UNBOUNDED, spectral=UNBOUNDED)
    c = activation.constants()
    steep = activation.jacobian(at)
    if activation.name == "relu_squared":
        assert isinstance(steep, Unknown)
        assert "unbounded slope" in steep.reason and "input set" in steep.reason
    else:
        assert steep is c.steepest
    assert activation.least_slope(at) is c.flattest
    assert best(activation, "out", at, min, upper) is None or not isinstance(c.value, Unknown)


def test_frobenius_norm_stands_in_for_a_missing_operator_norm(make) -> None:
    at = At("a", (num(2),), ONE, sym("F"), UNBOUNDED)
    assert make("relu_squared").jacobian(at) is 2 * sym("F")
    assert make("sigmoid").least_slope(at) is make("sigmoid").slope_floor(sym("F"))


def test_relu_squared_is_exact_at_the_edge_of_its_input_set(make, values, upper) -> None:
    x = torch.zeros(SAMPLES, FEATURES, dtype=torch.float64)
    x[0, 0] = 2.5
    layer = make("relu_squared")
    at = place(x)
    assert upper(layer.jacobian(at)) == pytest.approx(5, rel=1e-11)
    assert best(layer, "out", at, min, upper) == pytest.approx(6.25, rel=1e-11)


def test_identity_hands_on_the_spectrum(make, upper, lower) -> None:
    layer = make("identity")
    for x in batches():
        at = place(x)
        assert layer.output_operator_norm(at) is at.spectral
        assert layer.output_injectivity(at) is at.injective
        assert layer.output_by_growth(at) is at.frobenius
    assert layer.jacobian(at) is ONE and layer.least_slope(at) is ONE


def test_bounded_output_needs_no_bounded_input(make) -> None:
    at = At("a", (sym("m"),), sym("N"), UNBOUNDED, UNBOUNDED)
    assert repr(make("tanh").output_by_range(at)) == "sqrt(m)*sqrt(N)"
    tight = At("a", (sym("m"),), sym("N"), sym("B"), sym("S"))
    assert repr(make("sigmoid").output_by_growth(tight)) == "B/4 + sqrt(m)*sqrt(N)/2"
    assert repr(make("gelu").output_by_growth(tight)) == "B"
