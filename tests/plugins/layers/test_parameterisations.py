"""Weight normalisation of torch and spectral normalisation against gradient ascent.

Bound over the largest value found, around given weights: torch_weight_norm J 1.2, D and xt
1.0 to 1.7, tt 1.4; spectral J 1.0, D and xt 1.4.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from govcheck.bounds.answer import LOWER, QUANTITIES, Unknown
from govcheck.bounds.constants import TIGHT
from govcheck.bounds.domain import AroundInit, Ball, Everything
from govcheck.bounds.evaluate import EvaluationError, ball, evaluate
from govcheck.bounds.expr import ONE, ZERO, as_expr, num
from govcheck.graph.ask import layer_constants
from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.derivatives import Function
from govcheck.plugin import At
from govcheck_plugins.layers.affine import Affine

torch.set_num_threads(1)

DOUBLE = {"dtype": torch.float64}
TORCH, SPECTRAL = "torch_weight_norm", "spectral"


def values(e):
    return float(evaluate(as_expr(e), {}).mid())


def affine(kind, *, bias=False, factor=False, out=2, scale=ONE):
    return Affine(num(out), kind, bias, scale, ONE, factor)


LAYERS = {
    TORCH: affine(TORCH),
    "torch_weight_norm with bias": affine(TORCH, bias=True, scale=num(-2)),
    SPECTRAL: affine(SPECTRAL),
    "spectral with factor and bias": affine(SPECTRAL, bias=True, factor=True),
}
# ratios that the attack comes within
RATIOS = {
    TORCH: {"J": 1.5, "out": 1.7, "D": 1.9, "xt": 1.9, "tt": 4},
    SPECTRAL: {"J": 1.001, "out": 1.1, "D": 1.6, "xt": 1.6},
}


def given(layer, columns, size=2.0, seed=0):
    """The module with weights of some size, flat."""
    f = Function(layer.module((columns,), values))
    g = torch.Generator().manual_seed(seed)
    theta = f.theta.clone()
    for name, place in f.slices.items():
        draw = torch.randn(place.stop - place.start, generator=g, **DOUBLE)
        theta[place] = size * draw if name == "weight" else 1 + 0.3 * draw
    return f, theta


def facts(layer, f, theta, domain):
    found = {}
    for symbol, fact in domain.facts().items():
        shape = f._shapes[fact.parameter]
        array = theta[f.slices[fact.parameter]].reshape(shape).numpy()
        found[symbol] = layer.parameter_norm(fact.parameter, fact.kind, array, (3,), values)
    return found


# the second set has gains above the lengths of the rows
@pytest.mark.parametrize(("size", "radius"), [(2.0, Fraction(1, 2)), (0.4, Fraction(1, 10))])
@pytest.mark.parametrize("name", LAYERS)
def test_around_given_weights(name, size, radius) -> None:
    layer = LAYERS[name]
    f, theta = given(layer, 3, size)
    domain = AroundInit(num(radius))
    at = At("it", (num(3),), num(2), num(2), num(2),
            injective=num(Fraction(1, 4)), domain=domain)
    constants = layer_constants(layer, at, TIGHT)
    env = facts(layer, f, theta, domain)
    inputs, weights = Inputs((2, 3), 2.0, 2.0, 0.25), Weights(float(radius), centre=theta)
    for quantity in QUANTITIES:
        value = constants.value(quantity)
        if isinstance(value, Unknown):
            assert layer.weight == SPECTRAL and quantity == "tt"
            assert "the largest singular value of W is multiple" in value.reason
            assert {c.kind for c in value.causes} == {"not smooth"}
            continue
        end = evaluate(value, env)
        found = attack(f, quantity, inputs, weights, starts=2, steps=50).value
        if quantity in LOWER:
            assert found >= float(end.lower()) - 1e-12
        else:
            assert found <= float(end.upper()) * (1 + 1e-9)
            if quantity in RATIOS.get(name, {}):
                assert float(end.mid()) <= RATIOS[name][quantity] * found


def test_lower_bounds_are_positive_around_given_weights() -> None:
    for name, quantity in ((TORCH, "sigma_J"), (TORCH, "sigma_D"), (SPECTRAL, "sigma_J")):
        domain = AroundInit(num(Fraction(1, 10)))
        at = At("it", (num(3),), num(2), num(2), num(2), injective=ONE, domain=domain)
        f, theta = given(LAYERS[name], 3)
        value = layer_constants(LAYERS[name], at, TIGHT).value(quantity)
        assert evaluate(value, facts(LAYERS[name], f, theta, domain)) > 0.1


def test_large_sets_keep_what_needs_no_direction() -> None:
    """Around given weights, but so far that a row may vanish: J and the output stay bounded."""
    f, theta = given(LAYERS[TORCH], 3)
    domain = AroundInit(num(100))
    at = At("it", (num(3),), num(2), num(2), num(2), domain=domain)
    constants = layer_constants(LAYERS[TORCH], at, TIGHT)
    env = facts(LAYERS[TORCH], f, theta, domain)
    gain = torch.linalg.vector_norm(theta[f.slices["gain"]]).item()
    for quantity, factor in (("J", 1), ("out", 2)):
        found = float(evaluate(constants.value(quantity), env).mid())
        assert found == pytest.approx(factor * (gain + 100))
    with pytest.raises(EvaluationError, match="division by zero"):
        evaluate(constants.value("D"), env)


def test_spectral_ignores_the_size_of_the_weight() -> None:
    """W itself is a direction in which nothing changes, so that D has a kernel there."""
    domain = AroundInit(num(Fraction(1, 10)))
    at = At("it", (num(3),), num(2), num(2), num(2), injective=ONE, domain=domain)
    assert layer_constants(LAYERS[SPECTRAL], at, TIGHT).value("sigma_D") is ZERO


@pytest.mark.parametrize("domain", [Everything(), Ball(num(2))], ids=["everything", "ball"])
@pytest.mark.parametrize("name", LAYERS)
def test_where_the_weight_may_vanish(name, domain) -> None:
    layer = LAYERS[name]
    at = At("it", (num(3),), num(2), num(2), ONE, domain=domain)
    constants = layer_constants(layer, at, TIGHT)
    for quantity in ("D", "xt"):
        reason = constants.value(quantity).reason
        assert "jumps where a row v" in reason or "jumps at W = 0" in reason
    trained = layer.weight == TORCH or layer.factor
    unbounded = isinstance(domain, Everything) and trained
    assert isinstance(constants.value("J"), Unknown) == unbounded
    if not trained:
        assert constants.value("J") is ONE
    assert constants.value("xx") is ZERO


@pytest.mark.parametrize("name", [TORCH, SPECTRAL])
def test_derivative_grows_without_bound_near_zero(name) -> None:
    f, theta = given(LAYERS[name], 3)
    x = torch.eye(3, **DOUBLE)
    sizes = []
    for shrink in (1.0, 1e-3):
        near = theta.clone()
        near[f.slices["weight"]] *= shrink
        inputs, weights = Inputs((3, 3), 2.0), Weights(0.0, centre=near)
        sizes.append(attack(f, "D", inputs, weights, starts=1, steps=0, at=(near, x)).value)
    assert sizes[1] > 100 * sizes[0]


def test_worst_case_of_the_second_derivative_of_a_direction() -> None:
    """``sup |D2(v/|v|)| = 2/(sqrt3 |v|^2)``, at the angle with cosine 1/sqrt3."""
    v = torch.tensor([2.0, 0.0], **DOUBLE)
    h = torch.tensor([1.0, 2**0.5], **DOUBLE) / 3**0.5
    second = torch.autograd.functional.hvp(lambda u: (u / u.norm() * h).sum(), v, h)[1]
    assert abs(float(second @ h)) == pytest.approx(2 / 3**0.5 / 4, rel=1e-12)


def test_spectral_derivative_needs_more_than_the_reciprocal() -> None:
    """``|h - t W/|W|_2|_2`` exceeds 1: the factor sqrt2 is not an artefact."""
    w = torch.diag(torch.tensor([1.0, -0.999], **DOUBLE))
    h = torch.eye(2, **DOUBLE) / 2**0.5
    change = torch.autograd.functional.jvp(lambda m: m / torch.linalg.matrix_norm(m, 2), w, h)[1]
    assert float(torch.linalg.matrix_norm(change, 2)) > 1.41


def test_modules_are_those_of_torch() -> None:
    g = torch.Generator().manual_seed(1)
    x = torch.randn(4, 3, generator=g, **DOUBLE)
    f, theta = given(LAYERS[TORCH], 3)
    plain = torch.nn.Linear(3, 2, bias=False, **DOUBLE)
    theirs = torch.nn.utils.parametrizations.weight_norm(plain)
    with torch.no_grad():
        theirs.parametrizations.weight.original0.copy_(theta[f.slices["gain"]].reshape(2, 1))
        theirs.parametrizations.weight.original1.copy_(theta[f.slices["weight"]].reshape(2, 3))
    assert torch.allclose(f(theta, x), theirs(x), atol=1e-12)
    f, theta = given(LAYERS[SPECTRAL], 3)
    w = theta[f.slices["weight"]].reshape(2, 3)
    assert torch.allclose(f(theta, x), x @ (w / torch.linalg.svdvals(w)[0]).T, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_declared_parameters_are_those_of_the_module(name) -> None:
    module = LAYERS[name].module((3,), values)
    declared = {p.name: tuple(map(values, p.shape)) for p in LAYERS[name].parameters((num(3),))}
    assert declared == {n: tuple(p.shape) for n, p in module.named_parameters()}
    assert torch.isfinite(module(torch.ones(1, 3, **DOUBLE))).all()


def test_a_factor_belongs_to_spectral() -> None:
    affine(SPECTRAL, factor=True).check()
    with pytest.raises(ValueError, match="plain takes no factor"):
        affine("plain", factor=True).check()


def test_facts_of_rows() -> None:
    array = torch.tensor([[3.0, 4.0], [0.0, 2.0]]).numpy()
    layer = LAYERS[TORCH]
    assert layer.parameter_norm("weight", "row_min", array, (2,), values).contains(2)
    norm = torch.linalg.matrix_norm(torch.from_numpy(array), 2).item()
    found = layer.parameter_norm("weight", "least_norm", array, (2,), values)
    assert abs(found - ball(norm)) < 1e-5
    with pytest.raises(ValueError, match="smallest row"):
        layer.parameter_norm("weight", "row_min", array[:0], (2,), values)
