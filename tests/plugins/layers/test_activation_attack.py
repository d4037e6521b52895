"""Search for points where an activation is steeper or bends more than it says."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise

import mpmath as mp
import pytest
import torch

from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import Expr, num, sym


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def derivatives(activation, x, values, order):
    """phi, phi', ... at the points x through autograd."""
    x = x.clone().requires_grad_(True)
    out = [activation.apply(x, values)]
    for _ in range(order):
        if not out[-1].requires_grad:
            out.append(torch.zeros_like(x))
            continue
        (d,) = torch.autograd.grad(out[-1].sum(), x, create_graph=True, allow_unused=True)
        out.append(torch.zeros_like(x) if d is None else d)
    return [o.detach() for o in out]


def grid():
    scales = torch.logspace(-9, 8, 600, dtype=torch.float64)
    return torch.cat([torch.linspace(-40, 40, 40_001, dtype=torch.float64), scales, -scales])


def largest(f):
    """Largest value of f: dense grid, then zooming in on the best five points."""
    x = grid()
    y = f(x)
    assert torch.isfinite(y).all()
    best = y.max()
    for start in x[y.topk(5).indices]:
        centre, width = start, 0.01 * max(1.0, abs(float(start)))
        for _ in range(12):
            near = centre + width * torch.linspace(-1, 1, 101, dtype=torch.float64)
            value = f(near)
            centre = near[value.argmax()]
            best = torch.maximum(best, value.max())
            width /= 10
    return float(best)


def attack(activation, values, order, sign):
    def f(x):
        d = derivatives(activation, x, values, order)[order]
        return d.abs() if sign == 0 else sign * d

    return largest(f)


CLAIMS = [
    ("value", 0, 0),
    ("steepest", 1, 0),
    ("slope_high", 1, 1),
    ("slope_low", 1, -1),
    ("curvature", 2, 0),
    ("third", 3, 0),
]


@pytest.mark.parametrize(("claim", "order", "sign"), CLAIMS)
def test_constants_hold_and_are_attained(activation, claim, order, sign, values) -> None:
    stated = getattr(activation.constants(), claim)
    if isinstance(stated, Unknown):
        return
    bound = (-1 if sign < 0 else 1) * values(stated)
    found = attack(activation, values, order, sign)
    assert found <= bound + 1e-11 * max(1, abs(bound))
    assert found >= bound - 1e-6 * max(1, abs(bound))


UNBOUNDED = {"value": 0, "steepest": 1}


def test_unknown_range_and_slope_are_unbounded(activation, values) -> None:
    c = activation.constants()
    for claim, order in UNBOUNDED.items():
        if isinstance(getattr(c, claim), Unknown):
            assert attack(activation, values, order, 0) > 1e6


def test_unknown_curvature_means_a_jump(activation, values) -> None:
    """Differences of phi' over short distances exceed any Lipschitz constant."""
    if isinstance(activation.constants().curvature, Expr):
        return
    places = (-3.0, 0.0, 3.0)
    h = 1e-6
    x = torch.tensor([p + s * h for p in places for s in (-1, 1)], dtype=torch.float64)
    d = derivatives(activation, x, values, 1)[1]
    assert float((d[1::2] - d[::2]).abs().max()) / (2 * h) > 1e4


def test_growth(activation, values) -> None:
    stated = activation.constants().growth

    def ratio(x):
        x = x[x.abs() > 1e-3]
        at_zero = activation.apply(torch.zeros(1, dtype=torch.float64), values)
        out = (activation.apply(x, values) - at_zero).abs() / x.abs()
        return torch.cat([out, torch.zeros(1, dtype=torch.float64)])

    if isinstance(stated, Unknown):
        assert activation.name == "relu_squared"
        return
    x = grid()
    assert float(ratio(x).max()) <= values(stated) * (1 + 1e-12)


def test_phi_of_zero(activation, values) -> None:
    out = activation.apply(torch.zeros(1, dtype=torch.float64), values)
    assert float(out) == pytest.approx(values(activation.constants().at_zero), abs=1e-15)


def radii():
    rng = random.Random(5)
    return [0.0, 1e-9, *(rng.uniform(0, 3) for _ in range(12)), 5.0, 10.0, 30.0]


EXACT_FLOOR = {
    "sigmoid", "tanh", "erf", "arctan", "softsign", "isru", "softplus", "logsigmoid",
    "squareplus", "elu", "selu", "leaky_relu", "identity",
}  # fmt: skip


def test_slope_floor(activation, values) -> None:
    for radius in radii():
        x = torch.linspace(-1, 1, 4001, dtype=torch.float64) * radius
        least = float(derivatives(activation, x, values, 1)[1].abs().min())
        formula = activation.slope_floor(num(Fraction(radius)))
        floor = values(formula)
        # the squareplus derivative cancels in floating point, the floor does not
        assert 0 <= floor <= least * (1 + 1e-11) + 1e-16
        if activation.name in EXACT_FLOOR and radius > 0:
            assert floor >= least * (1 - 1e-9) - 1e-15
            assert evaluate(formula, {}) > 0


def test_slope_ceiling_and_growth_on_an_interval(activation, values) -> None:
    for radius in (0, 1, 3, 8):
        x = torch.linspace(-1, 1, 4001, dtype=torch.float64) * radius
        steep = float(derivatives(activation, x, values, 1)[1].abs().max())
        assert steep <= values(activation.slope_ceiling(num(radius))) + 1e-12
        rise = (activation.apply(x, values) - activation.apply(0 * x, values)).abs()
        assert (rise <= values(activation.growth(num(radius))) * x.abs() + 1e-12).all()


def test_slope_floor_falls_and_survives_huge_radii(activation) -> None:
    floors = [
        evaluate(activation.slope_floor(num(r)), {})
        for r in (0, 1, 2, 7, 100, 10**6, 10**40, 10**200)
    ]
    for larger, smaller in pairwise(floors):
        assert smaller.is_finite()
        assert not smaller > larger
    if activation.name not in ("identity", "leaky_relu"):
        assert floors[-1].upper() < 1e-30
    assert activation.slope_floor(sym("r")).nonneg


SAME = {
    "sigmoid": lambda x, p: 1 / (1 + mp.exp(-x)),
    "tanh": lambda x, p: mp.tanh(x),
    "erf": lambda x, p: mp.erf(x),
    "arctan": lambda x, p: mp.atan(x),
    "softsign": lambda x, p: x / (1 + abs(x)),
    "isru": lambda x, p: x / mp.sqrt(1 + x * x),
    "softplus": lambda x, p: mp.log(1 + mp.exp(p * x)) / p,
    "logsigmoid": lambda x, p: -mp.log(1 + mp.exp(-x)),
    "squareplus": lambda x, p: (x + mp.sqrt(x * x + p)) / 2,
    "gelu": lambda x, p: x * mp.ncdf(x),
    "gelu_tanh": lambda x, p: x / 2 * (
        1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))),
    "silu": lambda x, p: x / (1 + mp.exp(-x)),
    "quick_gelu": lambda x, p: x / (1 + mp.exp(-mp.mpf("1.702") * x)),
    "mish": lambda x, p: x * mp.tanh(mp.log(1 + mp.exp(x))),
    "elu": lambda x, p: x if x > 0 else p * mp.expm1(x),
    "selu": lambda x, p: mp.mpf("1.0507009873554804934193349852946") * (
        x if x > 0 else mp.mpf("1.6732632423543772848170429916717") * mp.expm1(x)),
    "relu": lambda x, p: max(x, 0),
    "leaky_relu": lambda x, p: x if x > 0 else p * x,
    "hardswish": lambda x, p: x * min(max(x + 3, 0), 6) / 6,
    "hardsigmoid": lambda x, p: min(max(x + 3, 0), 6) / mp.mpf(6),
    "relu_squared": lambda x, p: max(x, 0) ** 2,
    "tanhshrink": lambda x, p: x - mp.tanh(x),
    "sin": lambda x, p: mp.sin(p * x),
    "gaussian": lambda x, p: mp.exp(-x * x),
    "identity": lambda x, p: x,
}  # fmt: skip


def test_torch_map_and_its_derivatives_agree_with_many_digits(activation, values) -> None:
    numbers = [values(v) for v in vars(activation).values()]
    p = mp.mpf(numbers[0]) if numbers else mp.mpf(1)
    points = [-80, -31, -20.5, -12, -7, -2.9, -1.3, -0.7, -0.1, -1e-3,
              1e-3, 0.2, 0.9, 1.6, 2.95, 4, 9, 19.9, 20.1, 33, 90]  # fmt: skip
    x = torch.tensor(points, dtype=torch.float64)
    smooth_orders = 3 if activation.name != "relu_squared" else 2
    ours = derivatives(activation, x, values, smooth_orders)
    with mp.workdps(80):
        for i, point in enumerate(points):
            exact = mp.taylor(lambda t: SAME[activation.name](t, p), mp.mpf(point), smooth_orders)
            for k in range(smooth_orders + 1):
                truth = exact[k] * mp.factorial(k)
                error = abs(mp.mpf(float(ours[k][i])) - truth)
                assert error <= 1e-10 * max(1, abs(truth)), (point, k)


def test_extreme_inputs_stay_finite(activation, values) -> None:
    x = torch.tensor([-1e8, -800.0, -0.0, 0.0, 800.0, 1e8], dtype=torch.float64)
    for d in derivatives(activation, x, values, 2):
        assert torch.isfinite(d).all()


def test_nan_is_not_swallowed(activation, values) -> None:
    out = activation.apply(torch.tensor([float("nan")], dtype=torch.float64), values)
    assert torch.isnan(out).all()
