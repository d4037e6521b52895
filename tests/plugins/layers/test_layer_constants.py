"""Each constant of the affine, scale, flatten and identity layers against search."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from govcheck.bounds.answer import CARRIED, LOWER
from govcheck.bounds.constants import TIGHT
from govcheck.bounds.domain import AroundInit, Ball, Everything
from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import num, sym
from govcheck.graph.ask import layer_constants
from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.build import values_in
from govcheck.numeric.derivatives import (
    Function,
    bilinear,
    first_order,
    matrix,
    smallest_on_units,
)
from govcheck.plugin import At
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.flatten import Flatten
from govcheck_plugins.layers.identity import Identity
from govcheck_plugins.layers.scale import Scale

torch.set_num_threads(1)

KAPPA = 48 * math.sqrt(5) / 125
RADIUS = Fraction(3, 2)
SMALL = Fraction(1, 5)
X_F, X_2, X_S, X_S1 = sym("X_F"), sym("X_2"), sym("sigma_X"), sym("sigma_X1")
BASIC = {
    f"{kind}{' with bias' if bias else ''} {rows}x{columns} N={n} s={s} eps={eps}": (
        Affine(num(rows), kind, bias, num(s), num(eps)),
        (columns,),
        n,
    )
    for kind in (
        "plain", "weight_norm", "entrywise", "orthogonal", "torch_weight_norm", "spectral"
    )
    for bias in (False, True)
    for rows, columns, n, s, eps in (
        (2, 3, 2, Fraction(-2), Fraction(1, 2)),
        (3, 2, 3, Fraction(1, 3), Fraction(2)),
        (2, 2, 1, Fraction(1), Fraction(1)),
    )
}
OTHERS = {
    "fixed scale": (Scale(num(Fraction(-3, 2)), False), (2,), 2),
    "trained scale": (Scale(num(Fraction(-3, 2)), True), (2, 2), 3),
    "flatten": (Flatten(), (2, 2), 3),
    "identity": (Identity(), (3,), 2),
}
LAYERS = BASIC | OTHERS
DOMAINS = ("everything", "ball", "around init")
FACTS = {
    "spectral": lambda w: torch.linalg.matrix_norm(w, 2),
    "frobenius": torch.linalg.vector_norm,
    "max": lambda w: w.abs().max(),
    "abs_min": lambda w: w.abs().min(),
    "row_max": lambda w: torch.linalg.vector_norm(w, dim=1).max(),
    "row_min": lambda w: torch.linalg.vector_norm(w, dim=1).min(),
    "least_norm": lambda w: torch.linalg.matrix_norm(w, 2),
    "sigma_min": lambda w: smallest_on_units(w.T),
}


def residual(layer, w):
    """``sigma_min(Id + s w)/|s|``."""
    s = float(evaluate(layer.factor if isinstance(layer, Scale) else layer.scale, {}))
    return torch.linalg.svdvals(torch.eye(len(w), dtype=w.dtype) + s * w)[-1] / abs(s)


class Place:
    """One layer with an input set and a parameter set, symbolically and in numbers."""

    def __init__(self, name, domain, *, norms=(1.5, 1.1, 0.4), batch=None):
        self.layer, self.shape, self.samples = LAYERS[name] if isinstance(name, str) else name
        self.f = Function(self.layer.module(self.shape, values_in({})))
        generator = torch.Generator().manual_seed(len(str(name)))
        draw = {"generator": generator, "dtype": torch.float64}
        features = math.prod(self.shape)
        self.batch = batch
        ones = 0.0
        if batch is not None:
            z = matrix(batch)
            with_ones = torch.cat([z, torch.ones(1, self.samples, dtype=torch.float64)])
            norms = (
                float(torch.linalg.vector_norm(z)),
                float(torch.linalg.matrix_norm(z, 2)),
                float(smallest_on_units(z)),
            )
            ones = float(smallest_on_units(with_ones))
        elif self.samples > features:
            norms = (*norms[:2], 0.0)
        self.env = {X_F: ball(norms[0]), X_2: ball(norms[1])}
        self.env |= {X_S: ball(norms[2]), X_S1: ball(ones)}
        self.inputs = Inputs((self.samples, *self.shape), *norms)
        self.centre = 0.8 * torch.randn(self.f.size, **draw)
        self.domain, self.weights = self._sets(domain)
        self.at = At(
            node="layer",
            shape=tuple(num(d) for d in self.shape),
            samples=num(self.samples),
            frobenius=X_F,
            spectral=X_2,
            injective=X_S,
            injective_ones=X_S1,
            domain=self.domain,
        )

    def _sets(self, domain):
        if domain == "everything":
            return Everything(), Weights(spread=1.0)
        if domain == "ball":
            return Ball(num(RADIUS)), Weights(float(RADIUS))
        return AroundInit(num(SMALL)), Weights(float(SMALL), self.centre)

    def bounds(self):
        own = layer_constants(self.layer, self.at, TIGHT)
        env = dict(self.env)
        for s, fact in self.domain.facts().items():
            p = dict(self.f.module.named_parameters())[fact.parameter]
            w = self.centre[self.f.slices[fact.parameter]].reshape(p.shape)
            w = w.reshape(w.shape[0] if w.dim() else 1, -1)
            known = residual(self.layer, w) if fact.kind == "residual" else FACTS[fact.kind](w)
            env[s] = ball(float(known))
        return {q: float(evaluate(b.expr, env)) for q, b in own.bounds.items() if b.known}

    def found(self, quantity, **options):
        if self.batch is not None:
            options |= {"fixed_inputs": True, "at": (self.centre, self.batch), "starts": 1}
        return attack(self.f, quantity, self.inputs, self.weights, **options).value


def assert_not_crossed(quantity, value, limit):
    if quantity in LOWER:
        assert value >= limit * (1 - 1e-9) - 1e-13, (quantity, value, limit)
    else:
        assert value <= limit * (1 + 1e-9) + 1e-13, (quantity, value, limit)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("name", LAYERS)
def test_search_never_crosses_a_constant(name, domain):
    place = Place(name, domain)
    bounds = place.bounds()
    for quantity in CARRIED:
        if quantity in bounds:
            value = place.found(quantity, starts=1, steps=14, rate=0.3)
            assert_not_crossed(quantity, value, bounds[quantity])


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("name", [n for n in BASIC if "bias" in n])
def test_search_never_crosses_what_a_row_of_ones_gives(name, domain):
    _, shape, samples = LAYERS[name]
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(samples, *shape, generator=generator, dtype=torch.float64)
    place = Place(name, domain, batch=x)
    bounds = place.bounds()
    assert_not_crossed("sigma_D", place.found("sigma_D", steps=25), bounds["sigma_D"])
    if "plain" in name and samples <= shape[0] + 1:
        assert bounds["sigma_D"] > 0


REACHED = {
    # layer: quantities whose bound is attained on the ball, found by search
    "plain 2x3 N=2 s=-2 eps=1/2": ("J", "out", "out_spec", "D", "xt"),
    "plain with bias 3x2 N=3 s=1/3 eps=2": ("J", "D", "xt"),
    "weight_norm 2x3 N=2 s=-2 eps=1/2": ("J", "out", "out_spec", "D", "xt", "tt"),
    "weight_norm 3x2 N=3 s=1/3 eps=2": ("J", "D", "xt", "tt"),
    "entrywise 2x3 N=2 s=-2 eps=1/2": ("J", "out", "D", "xt"),
    "orthogonal 2x3 N=2 s=-2 eps=1/2": ("J", "out", "D", "xt"),
    "trained scale": ("J", "out", "out_spec", "D", "xt", "sigma_J"),
    "fixed scale": ("J", "out", "out_spec", "out_inj", "sigma_J"),
    "flatten": ("J", "out", "out_spec", "sigma_J"),
    "identity": ("J", "out", "out_spec", "out_inj", "sigma_J"),
}


@pytest.mark.parametrize("name", REACHED)
def test_search_comes_close_where_a_bound_is_claimed_tight(name):
    place = Place(name, "ball", norms=(1.5, 1.5, 0.0))
    bounds = place.bounds()
    for quantity in REACHED[name]:
        value = place.found(quantity, starts=2, steps=60)
        assert_not_crossed(quantity, value, bounds[quantity])
        if quantity in LOWER:
            assert value <= bounds[quantity] * 1.02 + 1e-3, (quantity, value, bounds[quantity])
        else:
            assert value >= bounds[quantity] * 0.98, (quantity, value, bounds[quantity])


def rank_one(samples, features, size):
    """A batch whose samples all are multiples of the first coordinate vector."""
    x = torch.zeros(samples, features, dtype=torch.float64)
    x[:, 0] = size / math.sqrt(samples)
    return x


@pytest.mark.parametrize("eps", [Fraction(1, 10), Fraction(1), Fraction(7)])
@pytest.mark.parametrize("kind", ["weight_norm", "entrywise"])
def test_second_derivative_of_normalised_weights_is_attained(kind, eps):
    """|w| = sqrt(eps)/2 in one row, direction w, X along w."""
    place = Place((Affine(num(2), kind, False, num(3), num(eps)), (3,), 2), "everything")
    x = rank_one(2, 3, 1.1)
    theta, h = torch.zeros(6, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
    theta[0], h[0] = math.sqrt(eps) / 2, 1.0
    value = float(torch.linalg.vector_norm(bilinear(place.f, "tt", theta, x, h, h)))
    assert value == pytest.approx(3 * KAPPA / float(eps) * 1.1, rel=1e-12)
    assert place.bounds()["tt"] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("kind", ["weight_norm", "entrywise"])
def test_equal_rows_on_the_sphere_attain_the_jacobian_on_a_ball(kind):
    rows, columns = 3, 2
    place = Place((Affine(num(rows), kind, False, num(2), num(Fraction(1, 2))), (columns,), 2),
                  "ball")
    w = torch.zeros(rows, columns, dtype=torch.float64)
    if kind == "weight_norm":
        w[:, 0] = 1.0
    else:
        w[:, :] = 1.0
    theta = (float(RADIUS) * w / torch.linalg.vector_norm(w)).reshape(-1)
    value = first_order(place.f, theta, rank_one(2, columns, 1.1))["J"]
    assert value == pytest.approx(place.bounds()["J"], rel=1e-12)


@pytest.mark.parametrize("kind", ["plain", "weight_norm", "entrywise", "orthogonal"])
def test_parameter_derivative_is_attained_at_zero(kind):
    place = Place((Affine(num(2), kind, False, num(2), num(Fraction(1, 4))), (2,), 2), "everything")
    x = rank_one(2, 2, 1.1)
    values = first_order(place.f, torch.zeros(place.f.size, dtype=torch.float64), x)
    # a fixed matrix times a factor: the Frobenius norm of X counts, 1.5 with X full
    norm = place.bounds()["D"] * (1.1 / 1.5 if kind == "orthogonal" else 1)
    assert values["D"] == pytest.approx(norm, rel=1e-12)


def test_large_weights_approach_the_jacobian_on_everything():
    place = Place((Affine(num(3), "weight_norm", False, num(1), num(1)), (2,), 2), "everything")
    w = torch.zeros(3, 2, dtype=torch.float64)
    w[:, 0] = 1e6
    value = first_order(place.f, w.reshape(-1), rank_one(2, 2, 1.0))["J"]
    assert value == pytest.approx(math.sqrt(3), rel=1e-9)
    assert place.bounds()["J"] == pytest.approx(math.sqrt(3), rel=1e-12)


def test_plain_weights_without_bias_have_exact_regularity():
    x = torch.tensor([[1.0, 2.0, 0.5], [0.0, 1.0, -1.0]], dtype=torch.float64)
    place = Place((Affine(num(2), "plain", False, num(-2), num(1)), (3,), 2), "ball", batch=x)
    theta = torch.zeros(place.f.size, dtype=torch.float64)
    value = first_order(place.f, theta, x)["sigma_D"]
    assert value == pytest.approx(2 * torch.linalg.svdvals(x)[-1].item(), rel=1e-12)
    assert place.bounds()["sigma_D"] == pytest.approx(value, rel=1e-12)


def test_plain_weights_with_bias_and_scale_1_have_exact_regularity():
    x = torch.tensor([[1.0, 2.0], [0.0, 1.0], [2.0, 0.5]], dtype=torch.float64)
    place = Place((Affine(num(2), "plain", True, num(1), num(1)), (2,), 3), "ball", batch=x)
    theta = torch.zeros(place.f.size, dtype=torch.float64)
    value = first_order(place.f, theta, x)["sigma_D"]
    assert value > 0
    assert place.bounds()["sigma_D"] == pytest.approx(value, rel=1e-12)


def test_bias_and_data_add_as_a_root_of_squares():
    """D^2 = |X|_2^2 + N when the top singular vector of X is the vector of ones."""
    place = Place((Affine(num(2), "plain", True, num(1), num(1)), (2,), 4), "everything")
    x = rank_one(4, 2, 1.1)
    value = first_order(place.f, torch.zeros(place.f.size, dtype=torch.float64), x)["D"]
    assert value == pytest.approx(math.sqrt(1.1**2 + 4), rel=1e-12)
    assert place.bounds()["D"] == pytest.approx(value, rel=1e-12)
