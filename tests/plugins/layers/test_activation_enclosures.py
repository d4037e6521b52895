"""Proofs of the scalar constants: range of each derivative over the whole line.

Ball arithmetic on Taylor series encloses derivatives on boxes; branch and bound with an
interval Newton step finds the extremes on [-T, T], and explicit remainders cover |x| > T.
The functions are written here a second time, as power series.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import pytest
from flint import arb, arb_series, ctx, fmpq

from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import Expr, num

Series = Callable[[arb_series], arb_series]
Tail = Callable[[int], arb]
Jet = Callable[[arb], list[arb]]
ORDER = 7


@pytest.fixture(autouse=True)
def precision() -> Iterator[None]:
    old, cap = ctx.prec, ctx.cap
    ctx.prec, ctx.cap = 160, ORDER
    yield
    ctx.prec, ctx.cap = old, cap


def taylor(**forms: Series) -> Jet:
    """Enclosures of all derivatives of phi on a box.

    ``d1=g`` says that g is phi', given where differentiating phi itself would cancel; each
    derivative comes from the highest form at or below it.
    """
    given = {int(name[1:]): f for name, f in forms.items()}

    def jet(box: arb) -> list[arb]:
        out: list[arb] = []
        for start, f in sorted(given.items()):
            try:
                s = f(arb_series([box, 1], prec=ORDER))
                d = [s[k] * math.factorial(k) for k in range(ORDER - start)]
            except ValueError:  # a denominator whose enclosure contains 0: too wide a box
                d = [arb("nan")] * (ORDER - start)
            out = [*(out or [arb("nan")] * start)[:start], *d]
        return out

    return jet


def hull(*parts: arb) -> arb:
    out = parts[0]
    for p in parts[1:]:
        out = out.union(p)
    return out


def signless(x: arb) -> bool:
    """Whether the ball may contain 0 (a ball that overflowed may)."""
    return not x.is_finite() or x.contains(0)


def newton(f: Jet, k: int, box: arb) -> arb | None:
    """Enclosure of the one zero of ``f^(k+1)`` in a box where ``f^(k+2)`` has a sign."""
    while True:
        mid = arb(box.mid())
        step = mid - f(mid)[k + 1] / f(box)[k + 2]
        if not step.overlaps(box):
            return None
        new = step.intersection(box)
        if new.rad() >= box.rad() * 0.9:
            return new
        box = new


def supremum(f: Jet, k: int, low: float, high: float) -> arb:
    """Ball that contains the largest value of ``f^(k)`` on [low, high]."""
    ends = [f(arb(x))[k] for x in (low, high)]
    best = max(x.lower() for x in ends)
    ceilings = [x.upper() for x in ends]
    stack = [(arb(low), arb(high))]
    boxes = 0
    while stack:
        boxes += 1
        assert boxes < 20_000, "the branch and bound does not end"
        a, b = stack.pop()
        box = a.union(b)
        d = f(box)
        if d[k].is_finite() and d[k].upper() <= best:
            continue
        mid = arb(box.mid())
        best = max(best, f(mid)[k].lower())
        if signless(d[k + 1]) and signless(d[k + 2]):
            assert box.rad() > 1e-25, "flat place: no Newton step"
            stack += [(a, mid), (mid, b)]
            continue
        spots = [a, b]
        if signless(d[k + 1]):
            zero = newton(f, k, box)
            spots += [] if zero is None else [zero]
        for x in spots:
            value = f(x)[k]
            best = max(best, value.lower())
            ceilings.append(value.upper())
    return arb(best).union(max(best, *ceilings))


def value_range(f: Jet, k: int, low: float, high: float) -> tuple[arb, arb]:
    """Infimum and supremum of ``f^(k)`` on [low, high]."""
    return -supremum(lambda box: [-d for d in f(box)], k, low, high), supremum(f, k, low, high)


@dataclass
class Line:
    """A function on the whole line.

    pieces: derivatives with the interval on which they hold.
    right, left: (k -> enclosure of the k-th derivative of phi(x), phi(-x) for x > T).
    """

    pieces: list[tuple[Jet, float, float]]
    right: Tail
    left: Tail

    def extremes(self, k: int) -> tuple[arb, arb]:
        """Enclosures of infimum and supremum of the k-th derivative over the line."""
        tails = [self.right(k), (-1) ** k * self.left(k)]
        ranges = [value_range(f, k, a, b) for f, a, b in self.pieces]
        lows = [r[0] for r in ranges] + tails
        highs = [r[1] for r in ranges] + tails
        inf = hull(min(x.lower() for x in lows), min(x.upper() for x in lows))
        sup = hull(max(x.lower() for x in highs), max(x.upper() for x in highs))
        return inf, sup


def exp_tail(
    T: float, rate: arb, a: int, b: int, q: Series, p: Series | None = None
) -> Tail:
    """``a + b x + q(v) + x v p(v)`` for x > T, where ``v = exp(-rate x)``.

    With X > T the place and t the step, ``v = V exp(-rate t)`` for a V in [0, exp(-rate T)],
    and ``X V`` lies in [0, T exp(-rate T)] because ``x exp(-rate x)`` falls for x > 1/rate.
    """
    assert rate * T > 1

    def at(k: int) -> arb:
        V = arb(0).union((-rate * T).exp())
        fall = arb_series([0, -rate], prec=ORDER).exp()
        s = q(V * fall)
        if p is not None:
            s = s + (arb_series([V * T, V], prec=ORDER)) * fall * p(V * fall)
        return s[k] * math.factorial(k) + (b if k == 1 else 0)

    return at


def power_tail(T: float, degree: int, f: Callable[[arb_series, arb], arb_series]) -> Tail:
    """phi(X(1 + tau)) = X^degree f(1 + tau, 1/X), so ``phi^(k) = X^(degree-k) k! [tau^k] f``."""

    def at(k: int) -> arb:
        y = arb(0).union(1 / arb(T))
        s = f(arb_series([1, 1], prec=ORDER), y)
        assert k >= degree
        return s[k] * math.factorial(k) * y ** (k - degree)

    return at


def gauss_tail(T: float, shift: int, factor: arb) -> Tail:
    """Derivative k of phi where ``phi^(shift) = factor exp(-x^2)``.

    With t = tau/X the exponent is ``-X^2 - 2 tau - tau^2/X^2``, and ``X^j exp(-X^2)`` falls.
    """

    def at(k: int) -> arb:
        j = k - shift
        y = arb(0).union(1 / arb(T))
        assert j < 2 * T * T
        s = arb_series([0, -2, -y * y], prec=ORDER).exp()
        weight = arb(0).union(arb(T) ** j * (-arb(T) ** 2).exp())
        return factor * s[j] * math.factorial(j) * weight

    return at


def sigmoid(s: arb_series) -> arb_series:
    return 1 / (1 + (-s).exp())


def tanh(s: arb_series) -> arb_series:
    return 1 - 2 / (1 + (2 * s).exp())


def omega(s: arb_series) -> arb_series:
    u = (-s).exp()
    return 1 - 2 * u * u / (1 + 2 * u + 2 * u * u)


def omega_left(s: arb_series) -> arb_series:
    u = s.exp()
    return 1 - 2 / (u * u + 2 * u + 2)


def normal(s: arb_series) -> arb_series:
    return (1 + (s / arb(2).sqrt()).erf()) / 2


def odd(T: float, f: Series, tail: Tail, **forms: Series) -> Line:
    return Line([(taylor(d0=f, **forms), -T, T)], tail, lambda k: -tail(k))


def two_sided(T: float, f: Series, right: Tail, left: Tail, **forms: Series) -> Line:
    return Line([(taylor(d0=f, **forms), -T, T)], right, left)


def gelu_tail(side: int) -> Tail:
    """For x >= T > 2: Q(x) <= n(x)/x; phi'' = (2 - x^2) n, phi''' = (x^3 - 4x) n."""
    T = arb(16)
    n = (-T * T / 2).exp() / (2 * arb.pi()).sqrt()

    def at(k: int) -> arb:
        # phi(-x) = phi(x) - x
        rest = {1: T, 2: T**2, 3: T**3}[k] * n
        return hull(-rest, rest) + (1 if k == 1 and side > 0 else 0)

    return at


def gelu_tanh_tail(side: int) -> Tail:
    """``phi = x - x w/(1 + w)``, ``w = exp(-2c(x + kappa x^3))`` for x > T.

    At X with t = tau/X^2 and y = 1/X the exponent grows by ``-2c(tau(y^2 + 3 kappa) +
    3 kappa y^3 tau^2 + kappa y^6 tau^3)``, and ``X^(2k+1) w`` falls where
    ``2k + 1 <= 2c(X + 3 kappa X^3)``.
    """
    T, c, kappa = arb(12), (2 / arb.pi()).sqrt(), arb(fmpq(44715, 10**6))

    def at(k: int) -> arb:
        assert 2 * k + 1 < 2 * c * (T + 3 * kappa * T**3)
        y = arb(0).union(1 / T)
        w0 = (-2 * c * (T + kappa * T**3)).exp()
        W = arb(0).union(w0)
        grow = [0, y * y + 3 * kappa, 3 * kappa * y**3, kappa * y**6]
        e = arb_series([-2 * c * g for g in grow], prec=ORDER).exp()
        # X W = X^(2k+1) W / X^(2k): the factor X^(2k) comes from the scaled step
        s = -arb_series([1, y**3], prec=ORDER) * e / (1 + W * e)
        rest = s[k] * math.factorial(k) * arb(0).union(T ** (2 * k + 1) * w0)
        return rest + (1 if k == 1 and side > 0 else 0)

    return at


def gelu_tanh(s: arb_series) -> arb_series:
    c, kappa = (2 / arb.pi()).sqrt(), arb(fmpq(44715, 10**6))
    return s * sigmoid(2 * c * (s + kappa * s * s * s))


def zero(v: arb_series) -> arb_series:
    return 0 * v


def swish(a: arb) -> Line:
    return two_sided(
        90.0,
        lambda s: s * sigmoid(a * s),
        exp_tail(90.0, a, 0, 1, zero, lambda v: -1 / (1 + v)),
        exp_tail(90.0, a, 0, 0, zero, lambda v: -1 / (1 + v)),
    )


def softplus(beta: arb) -> Line:
    T = 100 / float(beta)
    return two_sided(
        T,
        lambda s: (1 + (beta * s).exp()).log() / beta,
        exp_tail(T, beta, 0, 1, lambda v: (1 + v).log() / beta),
        exp_tail(T, beta, 0, 0, lambda v: (1 + v).log() / beta),
        d1=lambda s: sigmoid(beta * s),
    )


def squareplus(b: arb) -> Line:
    return two_sided(
        1e10,
        lambda s: (s + (s * s + b).sqrt()) / 2,
        power_tail(1e10, 1, lambda s, y: (s + (s * s + b * y * y).sqrt()) / 2),
        power_tail(1e10, 1, lambda s, y: (-s + (s * s + b * y * y).sqrt()) / 2),
        d1=lambda s: (1 + s / (s * s + b).sqrt()) / 2,
        d2=lambda s: b / 2 * (s * s + b).rsqrt() / (s * s + b),
    )


def sine(w: arb) -> Line:
    """One period is the whole line."""
    period = float(7 / w)
    f = taylor(d0=lambda s: (w * s).sin())
    inside = lambda k: f(arb(0.3))[k]  # noqa: E731
    return Line([(f, -0.1, period)], inside, lambda k: (-1) ** k * inside(k))


def mish() -> Line:
    return Line(
        [
            (taylor(d0=lambda s: s * omega_left(s)), -90.0, 0.0),
            (taylor(d0=lambda s: s * omega(s)), 0.0, 90.0),
        ],
        exp_tail(90.0, arb(1), 0, 1, zero, lambda v: -2 * v / (1 + 2 * v + 2 * v * v)),
        exp_tail(90.0, arb(1), 0, 0, zero, lambda v: -(v + 2) / (v * v + 2 * v + 2)),
    )


def lines() -> dict[str, tuple[dict[str, Expr], Callable[[], Line]]]:
    """By test id: parameters of the layer, and its function."""
    one = arb(1)
    root_pi = lambda: 2 / arb.pi().sqrt()  # noqa: E731
    table: dict[str, tuple[dict[str, Expr], Callable[[], Line]]] = {
        "sigmoid": ({}, lambda: two_sided(
            90.0, sigmoid,
            exp_tail(90.0, one, 1, 0, lambda v: -v / (1 + v)),
            exp_tail(90.0, one, 0, 0, lambda v: v / (1 + v)))),
        "tanh": ({}, lambda: odd(
            50.0, tanh, exp_tail(50.0, one, 1, 0, lambda v: -2 * v * v / (1 + v * v)))),
        "tanhshrink": ({}, lambda: odd(
            50.0, lambda s: s - tanh(s),
            exp_tail(50.0, one, -1, 1, lambda v: 2 * v * v / (1 + v * v)))),
        "erf": ({}, lambda: two_sided(
            12.0, lambda s: s.erf(), gauss_tail(12.0, 1, root_pi()),
            lambda k: -gauss_tail(12.0, 1, root_pi())(k))),
        "gaussian": ({}, lambda: two_sided(
            12.0, lambda s: (-s * s).exp(), gauss_tail(12.0, 0, one), gauss_tail(12.0, 0, one))),
        "arctan": ({}, lambda: odd(
            1e6, lambda s: s.atan(), power_tail(1e6, 0, lambda s, y: -(y / s).atan()))),
        "isru": ({}, lambda: odd(
            1e6, lambda s: s / (1 + s * s).sqrt(),
            power_tail(1e6, 0, lambda s, y: s / (y * y + s * s).sqrt()),
            d1=lambda s: (1 + s * s).rsqrt() / (1 + s * s),
            d2=lambda s: -3 * s * (1 + s * s).rsqrt() / (1 + s * s) ** 2)),
        "softsign": ({}, lambda: Line(
            [(taylor(d1=lambda s: (1 - s) ** -2), -1e6, 0.0),
             (taylor(d1=lambda s: (1 + s) ** -2), 0.0, 1e6)],
            power_tail(1e6, 0, lambda s, y: s / (y + s)),
            power_tail(1e6, 0, lambda s, y: -s / (y + s)))),
        "elu": ({}, lambda: Line(
            [(taylor(d0=lambda s: s.exp() - 1), -90.0, 0.0), (taylor(d0=lambda s: s), 0.0, 1.0)],
            lambda k: arb(1 if k == 1 else 0),
            exp_tail(90.0, one, -1, 0, lambda v: v))),
        "logsigmoid": ({}, lambda: two_sided(
            90.0, lambda s: -(1 + (-s).exp()).log(),
            exp_tail(90.0, one, 0, 0, lambda v: -(1 + v).log()),
            exp_tail(90.0, one, 0, -1, lambda v: -(1 + v).log()),
            d1=lambda s: sigmoid(-s))),
        "gelu": ({}, lambda: two_sided(
            16.0, lambda s: s * normal(s), gelu_tail(1), gelu_tail(-1))),
        "gelu_tanh": ({}, lambda: two_sided(
            12.0, gelu_tanh, gelu_tanh_tail(1), gelu_tanh_tail(-1))),
        "silu": ({}, lambda: swish(one)),
        "quick_gelu": ({}, lambda: swish(arb(fmpq(1702, 1000)))),
        "mish": ({}, mish),
    }
    for beta in ("1/2", "1", "7"):
        x = Fraction(beta)
        table[f"softplus {beta}"] = ({"beta": num(x)}, lambda x=x: softplus(to_ball(x)))
    for b in ("3/10", "1", "4", "9"):
        x = Fraction(b)
        table[f"squareplus {b}"] = ({"b": num(x)}, lambda x=x: squareplus(to_ball(x)))
    for w in ("1/2", "1", "3"):
        x = Fraction(w)
        table[f"sin {w}"] = ({"frequency": num(x)}, lambda x=x: sine(to_ball(x)))
    return table


def to_ball(x: Fraction) -> arb:
    return arb(fmpq(x.numerator, x.denominator))


LINES = lines()
NAMED = {"silu", "quick_gelu", "gelu_tanh", "mish"}


def check(stated: Expr, proven: arb, *, attained: bool) -> None:
    """The stated constant covers the proven one, and is not larger than it need be.

    The proven ball holds the true supremum; a closed form cannot contain a whole ball, so it
    may lie below its upper end by rounding only.
    """
    ball = evaluate(stated, {})
    scale = max(1, abs(proven).upper())
    assert proven.rad() < 1e-11 * scale
    if attained:
        assert ball.contains(proven)
        assert ball.rad() < 1e-18
    else:
        assert abs(ball - proven).upper() < (1e-17 if proven.rad() < 1e-18 else 1e-11) * scale


@pytest.mark.parametrize("case", LINES)
def test_constants_are_the_proven_extremes_of_the_derivatives(case, make) -> None:
    parameters, build = LINES[case]
    name = case.split()[0]
    c = make(name, **parameters).constants()
    line = build()
    by_enclosure = name in NAMED
    low, high = line.extremes(1)
    check(c.slope_low, low, attained=by_enclosure)
    check(c.slope_high, high, attained=by_enclosure)
    check(c.steepest, max(abs(low), abs(high), key=lambda x: x.mid()), attained=by_enclosure)
    bends = line.extremes(2)
    curvature = max(map(abs, bends), key=lambda x: x.mid())
    check(c.curvature, curvature, attained=name == "mish")
    if isinstance(c.third, Expr):
        third = max(map(abs, line.extremes(3)), key=lambda x: x.mid())
        check(c.third, third, attained=by_enclosure)


def test_every_smooth_activation_has_a_proof(activations) -> None:
    smooth = {
        a.name
        for a in activations
        if isinstance(a.constants().curvature, Expr) and a.name not in NOT_NEEDED
    }
    assert smooth == {case.split()[0] for case in LINES}


# piecewise polynomials: phi'' is piecewise constant
NOT_NEEDED = {"identity", "relu_squared", "leaky_relu"}


@pytest.mark.parametrize(
    ("f", "k", "low", "high", "truth"),
    [
        (taylor(d0=lambda s: s.sin()), 0, -10.0, 10.0, 1.0),
        (taylor(d0=lambda s: s * s * s - 3 * s), 0, -1.5, 1.9, 2.0),
        (taylor(d0=lambda s: s * s * s - 3 * s), 0, -1.5, 2.5, 8.125),
        (taylor(d0=lambda s: s * s * s - 3 * s), 1, -1.5, 1.0, 3.75),
    ],
)
def test_supremum_on_functions_known_by_hand(f, k, low, high, truth) -> None:
    found = supremum(f, k, low, high)
    assert found.contains(truth)
    assert found.rad() < 1e-25
