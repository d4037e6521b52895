"""Gaussian expectations against 20-digit values, closed forms, quadrature and each other."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.special import erf, expit, ndtr

from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import as_expr
from govcheck.kernels import closed
from govcheck.kernels.dual import correlation, normalisation
from govcheck.kernels.series import Series
from govcheck.plugin import Activation

torch.set_num_threads(1)

SMOOTH = {
    "tanh": {}, "tanhshrink": {}, "sigmoid": {}, "softplus": {"beta": 2}, "logsigmoid": {},
    "arctan": {}, "isru": {}, "squareplus": {"b": 1}, "silu": {}, "quick_gelu": {}, "mish": {},
    "gelu_tanh": {},
}
CLOSED = {"erf": {}, "gelu": {}, "gaussian": {}, "relu": {}, "leaky_relu": {"slope": "-1/2"},
          "relu_squared": {}, "sin": {"frequency": 2}, "identity": {}}
KINKED = {"elu": {"alpha": 1}, "selu": {}, "hardsigmoid": {}, "hardswish": {}, "softsign": {}}
EVERY = SMOOTH | CLOSED | KINKED

TRIPLES = [(1.0, 0.6, 1.0), (2.5, -0.7, 1.5), (0.3, 0.1, 4.0), (6.0, 5.5, 6.0), (1.0, -1.0, 1.0)]


def arrays(triples):
    return [np.array(column) for column in zip(*triples, strict=True)]


def direct(f, q1, c, q2):
    """Trapezoidal rule in two dimensions, far beyond what is needed."""
    z = (np.arange(-12 * 64, 12 * 64) + 0.5) / 64
    w = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) / 64
    rho = c / math.sqrt(q1 * q2)
    v = math.sqrt(q2) * (rho * z[:, None] + math.sqrt(max(0, 1 - rho * rho)) * z[None, :])
    return float((f(math.sqrt(q1) * z) * (f(v) @ w)) @ w)


def number(e):
    return float(evaluate(as_expr(e), {}).mid())


def functions(activation):
    """phi and phi' by torch, which shares no code with the expectations."""

    def value(x):
        t = torch.from_numpy(np.ascontiguousarray(x))
        return activation.apply(t, number).numpy()

    def slope(x):
        t = torch.from_numpy(np.ascontiguousarray(x)).requires_grad_()
        activation.apply(t, number).sum().backward()
        return t.grad.numpy()

    return value, slope


@pytest.mark.parametrize("index", range(15))
def test_twenty_digit_values(index, dual_vectors, dual):
    entry = dual_vectors[index]
    own = dual(entry["act"])
    truth = float(entry["mp"])
    if entry["what"] == "c_sigma":
        assert abs(normalisation(own) - truth) < 1e-14
        return
    q1, c, q2 = (np.array([v]) for v in entry["cov"])
    found = own.expect(int(entry["what"] == "dsigma"), q1, c, q2)
    assert abs(found.values[0] - truth) < 5e-16
    assert found.error.size < 1e-14


def test_every_vector_is_used(dual_vectors):
    assert len(dual_vectors) == 15


@pytest.mark.parametrize("name", ["softplus", "tanh", "sigmoid", "gelu", "erf"])
def test_constants_of_the_table(name, vectors, dual, registry):
    row = vectors["V1_csigma"][name]
    assert abs(normalisation(dual(name)) - row["value"]) < 1e-13
    constants = registry.layers[name]().constants()
    keys = {"at_zero": "sigma0", "steepest": "L", "curvature": "beta", "third": "beta3"}
    for own, key in keys.items():
        assert float(evaluate(getattr(constants, own), {}).mid()) == pytest.approx(
            row[key], abs=1e-12
        )


@pytest.mark.parametrize("name", SMOOTH | CLOSED)
def test_against_direct_quadrature(name, dual, registry):
    settings = {k: as_expr(Fraction(str(v))) for k, v in EVERY[name].items()}
    value, slope = functions(registry.layers[name](**settings))
    own = dual(name, **EVERY[name])
    # kinks spoil the rule used for comparison
    tolerance = 1e-3 if name in ("relu", "leaky_relu", "relu_squared") else 2e-13
    for triple in TRIPLES[:4]:
        q1, c, q2 = arrays([triple])
        for order, f in ((0, value), (1, slope)):
            truth = direct(f, *triple)
            found = own.expect(order, q1, c, q2)
            assert abs(found.values[0] - truth) <= tolerance * max(1, abs(truth))
        z = np.arange(-12 * 64, 12 * 64 + 1) / 64
        mean = float(value(math.sqrt(triple[0]) * z) @ np.exp(-z * z / 2)) / 64 / math.sqrt(
            2 * math.pi)
        assert own.mean(q1)[0] == pytest.approx(mean, abs=tolerance)


@pytest.mark.parametrize("name", KINKED)
def test_kinked_activations_within_their_error(name, dual, registry):
    settings = {k: as_expr(Fraction(str(v))) for k, v in EVERY[name].items()}
    value, slope = functions(registry.layers[name](**settings))
    own = dual(name, **EVERY[name])
    for triple in TRIPLES[:4]:
        for order, f in ((0, value), (1, slope)):
            found = own.expect(order, *arrays([triple]))
            assert found.error.kind == "estimate"
            assert found.error.size < 1e-8
            # the rule for comparison errs by its step where a derivative jumps
            assert abs(found.values[0] - direct(f, *triple)) < 1e-3


@pytest.mark.parametrize("name", EVERY)
def test_slopes_are_the_derivative_in_the_covariance(name, dual):
    """Price's theorem: d/dc E phi(u) phi(v) = E phi'(u) phi'(v)."""
    own = dual(name, **EVERY[name])
    q1, q2 = np.array([1.3]), np.array([0.7])
    for c in (-0.5, 0.1, 0.6):
        step = 1e-4
        ends = [own.product(q1, np.array([c + s * step]), q2)[0] for s in (-2, -1, 1, 2)]
        difference = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * step)
        assert own.slopes(q1, np.array([c]), q2)[0] == pytest.approx(difference, abs=3e-9)


ANALYTIC = [
    (closed.Erf(), Series(erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x), (1.0, 3.1))),
    (closed.Gelu(), Series(lambda x: x * ndtr(x),
     lambda x: ndtr(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi), (1.0, 3.0))),
    (closed.Gaussian(), Series(lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x),
     (1.0, 8.0))),
    (closed.Sine(1.5), Series(lambda x: np.sin(1.5 * x), lambda x: 1.5 * np.cos(1.5 * x),
     (1.0, 1.5 * math.cosh(1.5)))),
]


@pytest.mark.parametrize(("exact", "series"), ANALYTIC)
@pytest.mark.parametrize("order", [0, 1])
def test_error_bounds_hold_against_closed_forms(exact, series, order):
    q = np.array([0.01, 0.3, 1.0, 6.0])
    for rho in (-1.0, -0.97, 0.0, 0.4, 0.9, 0.999, 1.0):
        found = series.expect(order, q, rho * q, q)
        truth = exact.expect(order, q, rho * q, q).values
        assert found.error.kind == "bound"
        wrong = np.abs(found.values - truth).max()
        assert wrong <= found.error.size + 3e-15 * exact.expect(order, q, q, q).values.max()


@pytest.mark.parametrize("order", [0, 1])
def test_error_bounds_are_seen_when_terms_run_out(order, monkeypatch):
    """With few terms the error is large, is said to be large, and is no larger than said."""
    from govcheck.kernels import series as module

    monkeypatch.setattr(module, "DEGREES", (12,))
    monkeypatch.setattr(module, "FEW", 0)
    exact, rough = ANALYTIC[0]
    q = np.array([6.0, 2.0])
    c = 0.99 * q
    found = rough.expect(order, q, c, q)
    wrong = np.abs(found.values - exact.expect(order, q, c, q).values).max()
    assert 1e-6 < wrong <= found.error.size <= 50 * wrong


def test_two_dimensions_take_over_for_large_variances():
    exact, series = ANALYTIC[0]
    q = np.full(3, 60.0)
    c = q * np.array([0.5, 0.9999, 0.99999])
    for order in (0, 1):
        found = series.expect(order, q, c, q)
        truth = exact.expect(order, q, c, q).values
        assert np.abs(found.values - truth).max() <= found.error.size + 1e-13


def test_without_a_strip_the_error_is_an_estimate():
    exact, series = ANALYTIC[0]
    plain = Series(series.value, series.slope)
    found = plain.expect(1, *arrays(TRIPLES))
    assert found.error.kind == "estimate"
    wrong = np.abs(found.values - exact.expect(1, *arrays(TRIPLES)).values).max()
    assert wrong < 1e-13


def test_polynomials_are_exact():
    """Third moments of Gaussian variables by Isserlis' theorem."""
    cube = closed.Polynomial((0.0, -1.0, 0.0, 2.0))
    q1, c, q2 = arrays([(1.3, 0.4, 0.8)])
    uv, u3v, uv3 = c, 3 * q1 * c, 3 * q2 * c
    u3v3 = 9 * q1 * q2 * c + 6 * c**3
    assert cube.product(q1, c, q2) == pytest.approx(4 * u3v3 - 2 * u3v - 2 * uv3 + uv, rel=1e-14)
    u2v2 = q1 * q2 + 2 * c**2
    assert cube.slopes(q1, c, q2) == pytest.approx(36 * u2v2 - 6 * q1 - 6 * q2 + 1, rel=1e-14)
    assert closed.Polynomial((1.0, 0.0, 3.0)).mean(q1) == pytest.approx(1 + 3 * q1)


def test_hermite_polynomials_give_powers_of_the_correlation():
    he3 = closed.Polynomial((0.0, -3 / math.sqrt(6), 0.0, 1 / math.sqrt(6)))
    rho = np.linspace(-1, 1, 9)
    assert he3.product(np.ones(1), rho, np.ones(1)) == pytest.approx(rho**3, abs=1e-14)


def test_gauss_hermite_would_not_do(dual):
    """Why the trapezoidal rule: 160 Gauss-Hermite nodes miss tanh' at variance 6 by 1e-6."""
    z, w = np.polynomial.hermite_e.hermegauss(160)
    w = w / w.sum()
    poor = float((w * (1 - np.tanh(math.sqrt(6) * z) ** 2)) @ np.ones(160))
    fine = direct(lambda x: 1 - np.tanh(x) ** 2, 6.0, 6.0, 6.0)
    truth = dual("tanh").slopes(*arrays([(6.0, 6.0, 6.0)]))[0]
    assert abs(truth - fine) < 1e-13
    square = float(w @ (1 - np.tanh(math.sqrt(6) * z) ** 2) ** 2)
    assert abs(square - truth) > 1e-7
    assert poor != fine


def test_broadcasting_and_distinct_variances(dual):
    rng = np.random.default_rng(0)
    q = rng.uniform(0.1, 3, 7)
    rho = rng.uniform(-1, 1, (7, 7))
    c = rho * np.sqrt(np.outer(q, q))
    for name in ("softplus", "erf", "relu"):
        own = dual(name)
        whole = own.product(q[:, None], c, q[None, :])
        for i in range(7):
            for j in range(7):
                one = own.product(q[i : i + 1], c[i, j : j + 1], q[j : j + 1])[0]
                assert whole[i, j] == pytest.approx(one, abs=2e-15)


def test_correlations_are_clipped_and_snapped():
    one = np.ones(1)
    assert correlation(one, np.array([1 + 1e-15]), one)[0] == 1
    assert correlation(one, np.array([-1 - 1e-15]), one)[0] == -1
    assert correlation(one, np.array([1 - 1e-12]), one)[0] < 1
    assert correlation(0 * one, 0 * one, one)[0] == 0


def test_zero_variance_gives_values_at_zero(dual):
    zero, one = np.zeros(1), np.ones(1)
    soft = dual("softplus")
    assert soft.product(zero, zero, one)[0] == pytest.approx(
        math.log(2) * soft.mean(one)[0], abs=1e-15
    )
    assert soft.slopes(zero, zero, zero)[0] == pytest.approx(0.25, abs=1e-15)


def test_nothing_to_normalise():
    with pytest.raises(ValueError, match="is 0"):
        normalisation(closed.Polynomial((0.0,)))


COMPLEX = {
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "tanhshrink": lambda z: np.tanh(z) ** 2,
    "sigmoid": lambda z: (1 - np.tanh(z / 2) ** 2) / 4,
    "softplus": lambda z: (1 + np.tanh(z)) / 2,
    "logsigmoid": lambda z: (1 - np.tanh(z / 2)) / 2,
    "arctan": lambda z: 1 / (1 + z * z),
    "isru": lambda z: (1 + z * z) ** -1.5,
    "squareplus": lambda z: (1 + z / np.sqrt(z * z + 1)) / 2,
    "silu": lambda z: _silu_slope(z),
    "quick_gelu": lambda z: _silu_slope(1.702 * z),
    "mish": lambda z: _mish_slope(z),
    "gelu_tanh": lambda z: _gelu_tanh_slope(z),
}


def _sigmoid(z):
    return (1 + np.tanh(z / 2)) / 2


def _silu_slope(z):
    return _sigmoid(z) * (1 + z * _sigmoid(-z))


def _mish_slope(z):
    w = np.exp(z)
    t = 1 - 2 / ((w + 1) ** 2 + 1)
    return t + z * 4 * w * (w + 1) / ((w + 1) ** 2 + 1) ** 2


def _gelu_tanh_slope(z):
    c = 2 * math.sqrt(2 / math.pi)
    w = c * (z + 0.044715 * z**3)
    return _sigmoid(w) + z * _sigmoid(w) * _sigmoid(-w) * c * (1 + 3 * 0.044715 * z * z)


@pytest.mark.parametrize("name", SMOOTH)
def test_declared_strips(name, dual):
    """|phi'| stays below the declared bound on the strip, and is the same function on the line."""
    own = dual(name, **SMOOTH[name])
    d, bound = own.strip
    x = np.linspace(-30, 30, 6001)
    with np.errstate(over="ignore", invalid="ignore"):
        assert COMPLEX[name](x[2500:3500]) == pytest.approx(own.slope(x[2500:3500]), abs=1e-12)
        for y in np.linspace(0, d, 25):
            size = np.abs(COMPLEX[name](x + 1j * y))
            assert np.nanmax(size) <= bound * (1 + 1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_functions_match_the_layer(name, dual, registry):
    own = dual(name, **EVERY[name])
    if not isinstance(own, Series):
        return
    settings = {k: as_expr(Fraction(str(v))) for k, v in EVERY[name].items()}
    value, slope = functions(registry.layers[name](**settings))
    x = np.linspace(-9.97, 9.93, 400)
    assert own.value(x) == pytest.approx(value(x), abs=1e-13)
    assert own.slope(x) == pytest.approx(slope(x), abs=1e-13)


def test_every_activation_declares_its_expectations(registry, dual):
    names = {n for n, c in registry.layers.items()
             if issubclass(c, Activation) and c.__module__.startswith("govcheck_plugins")}
    assert names == set(EVERY)
    for name in names:
        assert not hasattr(dual(name, **EVERY[name]), "causes")


def test_expit_reference():
    # the comparison functions above are right on the line
    x = np.linspace(-5, 5, 11)
    assert _sigmoid(x) == pytest.approx(expit(x), abs=1e-15)
