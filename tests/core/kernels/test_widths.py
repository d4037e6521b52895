"""Explicit widths and steps: independent vectors, published table, and search for violations."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import ONE, Expr, as_expr, num, sqrt
from govcheck.kernels.descent import ParameterBlock, theorem_a
from govcheck.kernels.dual import Dual, normalisation
from govcheck.kernels.explicit import (
    BlockConstants,
    Region,
    Smoothness,
    fc_constants,
    residual_constants,
)
from govcheck.kernels.normalisation import c_sigma
from govcheck.kernels.papers import fc_kernels, resnet_kernels
from govcheck.kernels.widths import (
    DELTA,
    LAMBDA_0,
    LARGEST,
    Explicit,
    Problem,
    closed_largest,
    fc_width,
    residual_width,
)
from govcheck_plugins.layers.gelu import Gelu
from govcheck_plugins.layers.relu import Relu
from govcheck_plugins.layers.softplus import Softplus
from govcheck_plugins.layers.tanh import Tanh

VECTORS = json.loads(
    (Path(__file__).parents[2] / "data" / "gram_vectors.json").read_text(encoding="utf-8")
)
ACTIVATIONS = {"softplus": Softplus(), "tanh": Tanh(), "gelu": Gelu()}


def smoothness(name: str) -> Smoothness:
    activation = ACTIVATIONS[name]
    constant = c_sigma(activation)
    assert isinstance(constant, Expr)
    found = Smoothness.of(activation, constant)
    assert isinstance(found, Smoothness)
    return found


def gaussian(name: str) -> Dual:
    dual = ACTIVATIONS[name].dual(lambda e: float(evaluate(as_expr(e), {}).mid()))
    assert not isinstance(dual, Unknown)
    return dual


def numbers(found: Explicit, env: dict[Expr, object]) -> dict[str, float]:
    formulas = {
        "t": found.t,
        "N_ev": found.count,
        "R": found.radius,
        "M": found.size,
        "B2": found.descent.trace,
        "S": found.descent.curvature,
        "rho": found.start,
        "m1": found.m_moments,
        "m_norm": found.m_norm,
        "m_init": found.m_init,
        "m_drift": found.m_drift,
        "m_star": found.width,
        "eta_star": found.eta,
        "rate_per_step": found.eta * found.descent.rate,
        "steps_for_1e_minus_3": found.steps(),
    }
    return {k: float(evaluate(e, env).mid()) for k, e in formulas.items()}


GIVEN = Problem(num(3), sqrt(3))


@pytest.mark.parametrize("case", ["fc", "resnet_fixed_alpha1", "nf_alpha_trained"])
def test_vectors(case: str) -> None:
    sigma = smoothness("softplus")
    env = {DELTA: ball("0.1"), LARGEST: ball("1.9072449")}
    if case == "fc":
        env[LAMBDA_0] = ball("0.0232817292")
        found = fc_width(sigma, 2, GIVEN)
    else:
        env[LAMBDA_0] = ball("0.0053620494")
        found = residual_width(sigma, [ONE], GIVEN, trained=case.startswith("nf"))
    ours, theirs = numbers(found, env), VECTORS["V6_explicit"][case]
    for key, value in ours.items():
        assert value == pytest.approx(theirs[key], rel=1e-9), key


def test_the_enclosures_are_tight() -> None:
    env = {DELTA: ball("0.1"), LAMBDA_0: ball("0.0232817292")}
    width = evaluate(fc_width(smoothness("softplus"), 50, GIVEN).width, env)
    assert width.rad() < 1e-6 * width


TABLE = [
    # data, network, H, lambda_0, m_norm, m_init, m*, eta*, steps
    ("raw", "fc softplus", 1, "0.01949", "8.2e+03", "5.8e+08", "1.1e+17", "4.3e-06", "1.6e+08"),
    ("raw", "fc softplus", 2, "0.006132", "5.6e+04", "2.4e+11", "3.6e+20", "2.6e-08", "8.7e+10"),
    ("raw", "fc softplus", 5, "0.0001971", "1.9e+06", "1.3e+16", "8.1e+30", "2.7e-14", "2.6e+18"),
    ("raw", "fc tanh", 2, "0.1435", "1e+06", "1.1e+11", "2.4e+17", "1.3e-08", "7.5e+09"),
    ("raw", "fc gelu", 2, "0.1184", "1.8e+06", "1e+11", "1e+18", "6.7e-09", "1.7e+10"),
    ("raw", "res softplus", 2, "0.001412", "8.6e+04", "2.2e+11", "1e+22", "2.9e-08", "3.4e+11"),
    ("raw", "res softplus", 5, "0.0002747", "2e+06", "1.1e+13", "1.3e+25", "2e-10", "2.5e+14"),
    ("raw", "nf softplus", 5, "0.0002747", "2e+06", "1.1e+13", "9.7e+25", "6.2e-11", "8.1e+14"),
    ("raw", "nf tanh", 3, "0.006649", "4.8e+05", "2.9e+11", "3.7e+20", "1.7e-09", "1.2e+12"),
    ("centred", "fc softplus", 3, "0.008542", "2.2e+05", "6.6e+11", "2.8e+21", "1e-09", "1.6e+12"),
    ("centred", "fc gelu", 2, "0.475", "1.8e+06", "6.5e+09", "4e+15", "2.7e-08", "1.1e+09"),
    ("centred", "res softplus", 5, "0.001203", "2e+06", "5.5e+11", "3.5e+22", "9e-10", "1.3e+13"),
    ("centred", "nf softplus", 2, "0.006226", "8.6e+04", "1.1e+10", "7.8e+19", "1e-07", "2.1e+10"),
    ("centred", "res tanh", 3, "0.01892", "4.8e+05", "3.5e+10", "1.7e+18", "7.7e-09", "9.5e+10"),
]


@pytest.fixture(scope="module")
def digits() -> dict[str, np.ndarray]:
    """One image of each digit, the first of its class; unit norm."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    first = [int(np.flatnonzero(labels == k)[0]) for k in range(10)]
    found = {"raw": images[first], "centred": (images - images.mean(axis=0))[first]}
    return {k: x / np.linalg.norm(x, axis=1, keepdims=True) for k, x in found.items()}


@pytest.mark.parametrize("row", TABLE, ids=lambda r: f"{r[0]} {r[1]} {r[2]}")
def test_published_table(row: tuple[object, ...], digits: dict[str, np.ndarray]) -> None:
    data, network, H, *expected = row
    kind, name = str(network).split()
    x, sigma = digits[str(data)], smoothness(name)
    dual = gaussian(name)
    given = Problem(num(10), sqrt(10))
    if kind == "fc":
        kernels = fc_kernels(x, int(str(H)), dual)
        found = fc_width(sigma, int(str(H)), given)
    else:
        kernels = resnet_kernels(x, [1.0] * (int(str(H)) - 1), dual)
        found = residual_width(sigma, [ONE] * (int(str(H)) - 1), given, trained=kind == "nf")
    least = float(np.linalg.eigvalsh(kernels.last)[0])
    largest = max(float(np.diag(s).max()) for s in kernels.features[1:])
    env = {LAMBDA_0: ball(least), DELTA: ball("0.1"), LARGEST: ball(largest)}
    ours = numbers(found, env)
    shown = [ours[k] for k in ("m_norm", "m_init", "m_star", "eta_star", "steps_for_1e_minus_3")]
    assert f"{least:.4g}" == expected[0]
    assert [f"{v:.2g}" for v in shown] == expected[1:]


def _norms(
    weights: list[np.ndarray], a: np.ndarray, features: list[np.ndarray], m: int
) -> tuple[float, float, float]:
    omega = max((np.linalg.norm(w, 2) for w in weights[1:]), default=1.0) / math.sqrt(m)
    return omega, np.linalg.norm(a) / math.sqrt(m), max(np.linalg.norm(f) for f in features)


class Network:
    """Derivatives of a network with one sample, by block, written out by hand."""

    def __init__(self, H: int, m: int, alphas: list[float] | None, c: float, name: str) -> None:
        self.H, self.m, self.alphas, self.c = H, m, alphas, c
        self.phi, self.slope = {
            "softplus": (lambda z: np.logaddexp(0, z), lambda z: 1 / (1 + np.exp(-z))),
            "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
        }[name]

    def gradient(
        self, x: np.ndarray, weights: list[np.ndarray], a: np.ndarray, gammas: np.ndarray
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Derivatives in W1..WH, a, gamma2..gammaH, and the features."""
        H, m = self.H, self.m
        features, pre, factor = [x], [], []
        for h in range(H):
            residual = self.alphas is not None and h > 0
            z = weights[h] @ features[-1]
            pi = math.sqrt(self.c / m)
            if residual:
                assert self.alphas is not None
                pi = (self.alphas[h - 1] + gammas[h - 1] / math.sqrt(m)) / (H * math.sqrt(m))
            pre.append(z)
            factor.append(pi)
            features.append((features[-1] if residual else 0) + pi * self.phi(z))
        back, found, scalars = a, [], []
        for h in range(H - 1, -1, -1):
            residual = self.alphas is not None and h > 0
            v = self.slope(pre[h]) * back
            found.insert(0, factor[h] * np.outer(v, features[h]))
            if residual:
                scalars.insert(0, np.array(back @ self.phi(pre[h]) / (H * m)))
            back = factor[h] * weights[h].T @ v + (back if residual else 0)
        return [*found, features[-1], *scalars], features


def _worst(
    name: str, H: int, m: int, alphas: list[float] | None, trained: bool, seed: int, eps: float
) -> tuple[float, float]:
    """Largest ratios of a size and of a change to their bounds, from one random pair."""
    rng = np.random.default_rng(seed)
    c = normalisation(gaussian(name))
    net = Network(H, m, alphas, c, name)
    x = rng.standard_normal(4)
    x /= np.linalg.norm(x)
    weights = [rng.standard_normal((m, 4 if h == 0 else m)) for h in range(H)]
    a, gammas = rng.standard_normal(m), np.zeros(H - 1)
    sigma = smoothness(name)

    def bounds(at: Region) -> BlockConstants:
        if alphas is None:
            return fc_constants(sigma, H, at, num(m))
        top = max(map(abs, alphas)) + (0.5 if trained else 0)
        return residual_constants(
            sigma, H, num(str(top)), at, trained=trained, last=num(str(abs(alphas[-1]))), m=num(m)
        )

    first = bounds(Region(*map(num, (3, 2, 2, 2, 2, 2))))
    scale = [float(evaluate(b.size, {}).mid()) for b in first.blocks]
    # the same direction in every block as far as the region for changes reaches
    moved = [*weights, a]
    for i, s in enumerate(scale[: H + 1]):
        step = rng.standard_normal(moved[i].shape)
        moved[i] = moved[i] + eps * s * step / np.linalg.norm(step)
    shifted = gammas.copy()
    if trained:
        shifted += eps * np.array(scale[H + 1 :]) * rng.choice([-1, 1], H - 1)
    one, features = net.gradient(x, weights, a, gammas)
    two, others = net.gradient(x, moved[:H], moved[H], shifted)
    norms = [
        max(p, q) for p, q in zip(_norms(weights, a, features, m),
                                  _norms(moved[:H], moved[H], others, m), strict=True)
    ]
    at = Region(*(num(str(v * (1 + 1e-12))) for v in norms), *map(num, (2, 2, 2)))
    exact = bounds(at)
    sizes = [float(evaluate(b.size, {}).mid()) for b in exact.blocks]
    # steps were in proportion to other sizes: the largest quotient makes eps valid here
    used = max(p / q for p, q in zip(scale, sizes, strict=True)) * eps
    size = max(np.linalg.norm(g) / b for g, b in zip(one, sizes, strict=False))
    change = max(
        np.linalg.norm(g - k) / (used * float(evaluate(b.change, {}).mid()))
        for g, k, b in zip(one, two, exact.blocks, strict=False)
    )
    return float(size), float(change)


@pytest.mark.parametrize(
    ("H", "alphas", "trained"),
    [(1, None, False), (3, None, False), (2, [1.0], False), (4, [0.75, 1.5, -0.5], False),
     (2, [1.0], True), (3, [1.0, 0.5], True)],
)
@pytest.mark.parametrize("name", ["softplus", "tanh"])
def test_sizes_and_changes_bound_random_networks(
    name: str, H: int, alphas: list[float] | None, trained: bool
) -> None:
    worst = [0.0, 0.0]
    for seed in range(12):
        for m, eps in ((1, 0.3), (2, 0.03), (12, 0.3), (12, 3e-5)):
            found = _worst(name, H, m, alphas, trained, seed, eps)
            worst = [max(p, q) for p, q in zip(worst, found, strict=True)]
    assert worst[0] <= 1 + 1e-9 and worst[1] <= 1 + 1e-9, worst
    # no factor of ten lost: the bounds are near what random networks attain
    assert worst[0] > 0.1 and worst[1] > 0.01, worst


def test_theorem_a_on_a_quadratic_loss() -> None:
    """For u = theta (n blocks of one number) everything is exact: G = I, no curvature."""
    blocks = [ParameterBlock("theta", ONE, num("1/1000000"))]
    found = theorem_a(blocks, 2, 1, 3)
    eta = evaluate(found.eta, {})
    assert eta == evaluate(num("1/2"), {})
    assert evaluate(found.radii["theta"], {}) > 3  # the residual's size is what it moves
    assert evaluate(found.factor(num("1/2")), {}) == evaluate(num("3/4"), {})


def test_theorem_a_needs_blocks() -> None:
    with pytest.raises(ValueError, match="at least one block"):
        theorem_a([], 2, 1, 1)


def test_multipliers_scale_steps_and_radii() -> None:
    slow = theorem_a([ParameterBlock("a", num(2), ONE, num("1/4"))], 2, 1, 1)
    fast = theorem_a([ParameterBlock("a", ONE, num("1/2"))], 2, 1, 1)
    # s = 1/4 with derivative 2 is the parameter a/2 with derivative 1
    assert slow.eta is fast.eta
    assert slow.radii["a"] * 2 is fast.radii["a"]


def test_kinks_have_no_constants() -> None:
    found = Smoothness.of(Relu(), num(2))
    assert isinstance(found, Unknown) and "kink" in found.reason


def test_last_factor_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="K"):
        residual_width(smoothness("tanh"), [ONE, num(0)], GIVEN)


@pytest.mark.parametrize("name", ["softplus", "tanh", "gelu"])
def test_closed_bound_of_the_features(name: str) -> None:
    sigma = smoothness(name)
    dual = gaussian(name)
    x = np.eye(3)
    for alpha in (0.5, 1.0, 3.0):
        bound = evaluate(closed_largest(sigma, num(str(alpha))), {})
        for H in (2, 5, 20):
            kernels = resnet_kernels(x, [alpha] * (H - 1), dual)
            assert max(float(np.diag(s).max()) for s in kernels.features[1:]) <= bound


def test_depth_makes_fully_connected_networks_worse_than_residual_ones() -> None:
    sigma, env = smoothness("softplus"), {LAMBDA_0: ball("0.001"), DELTA: ball("0.1")}
    env[LARGEST] = ball(3)
    plain = [evaluate(fc_width(sigma, H, GIVEN).width, env) for H in (4, 8, 16)]
    skip = [
        evaluate(residual_width(sigma, [ONE] * (H - 1), GIVEN).width, env) for H in (4, 8, 16)
    ]
    # at fixed lambda_0 the factor per doubling grows without bound, against about 2^-4
    assert plain[2] / plain[1] > (plain[1] / plain[0]) ** 1.5
    assert skip[2] < skip[1] < skip[0]
