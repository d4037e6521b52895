"""Lemmas 1.4 to 1.10 of the notes on Du et al. (2019), measured against their bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import Ref
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import (
    DIGITS,
    constant,
    digits,
    dual,
    gaussian_weights,
    network,
    records,
    smoothness,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from govcheck.kernels.finite import FiniteNetwork

    Array = NDArray[np.float64]

H = 2
NAMES = ("softplus", "tanh")


@dataclass(frozen=True)
class Start:
    """A fully connected network at initialisation, with the constants that the lemmas need."""

    name: str
    x: Array
    y: Array
    weights: list[Array]
    readout: Array
    net: FiniteNetwork
    least: float
    c: float
    zero: float
    L: float
    beta: float
    c_w: float
    a_2: float
    a_4: float
    c_x0: float

    @property
    def m(self) -> int:
        """Width."""
        return len(self.readout)

    @property
    def growth(self) -> float:
        """``c_x = 2 sqrt(c_sigma) L c_{w,0}``."""
        return 2 * math.sqrt(self.c) * self.L * self.c_w


def g(ratio: float, count: int) -> float:
    """``1 + ratio + ... + ratio^(count - 1)``."""
    return float(sum(ratio**k for k in range(count)))


class Lemmas(Reproduction):
    """Every lemma on random fully connected networks: the measured quantity over its bound."""

    name: ClassVar[str] = "n-lemmas"
    title: ClassVar[str] = "Lemmas of the fully connected case"
    reference: ClassVar[Ref] = Ref("N", "Lemmas 1.4 to 1.10")
    quick_seconds: ClassVar[float] = 8
    full_seconds: ClassVar[float] = 65
    errata: ClassVar[Sequence[Erratum]] = records("N-5", "N-6", "N-7", "N-8")

    def run(self, context: Context) -> Outcome:
        starts = [
            _start(context, name, seed, context.size(500, 800))
            for name in NAMES for seed in range(context.size(3, 4))
        ]
        context.tick(1, 6)
        claims = [_norms(starts), _least(context)]
        context.tick(3, 6)
        claims += _region(context, starts)
        context.tick(4, 6)
        claims += _steps(context, starts)
        context.tick(5, 6)
        claims += [_constant(), _relation()]
        context.tick(6, 6)
        rows = [(s.name, s.m, s.least, s.c_w, s.a_2, s.a_4, s.c_x0, s.growth) for s in starts]
        header = ("activation", "m", "lambda_0", "c_w0", "a_20", "a_40", "c_x0", "c_x")
        return Outcome(tuple(claims), (Table("Networks", header, tuple(rows)),), notes=(
            "H = 2; constants at initialisation are measured, hidden small constants c are 1.",
        ), data=(f"{DIGITS}: 5 images of different classes, mean subtracted, unit norm",))


def _start(context: Context, name: str, seed: int, m: int, n: int = 5) -> Start:
    import numpy as np

    from govcheck.bounds.evaluate import evaluate
    from govcheck.kernels.papers import fc_kernels

    x, y = digits(n, centred=True)
    weights, readout = gaussian_weights(context.draw(name, m, seed), m, H, x.shape[1])
    net = network(x, name, weights, readout)
    sigma = smoothness(name)
    zero, L, beta = (float(evaluate(e, {}).mid())
                     for e in (sigma.zero, sigma.slope, sigma.curvature))
    least = float(np.linalg.eigvalsh(fc_kernels(x, H, dual(name)).last)[0])
    features = np.array([np.linalg.norm(f, axis=0) for f in net.features])
    return Start(
        name, x, y, weights, readout, net, least, constant(name), zero, L, beta,
        # the first layer's norm does not enter: its inputs are fixed
        max(float(np.linalg.norm(w, 2)) for w in weights[1:]) / math.sqrt(m),
        float(np.linalg.norm(readout)) / math.sqrt(m), float((readout**4).mean()) ** 0.25,
        float(max(features.max(), 1 / features.min())),
    )


def _norms(starts: Sequence[Start]) -> Claim:
    import numpy as np

    sizes = [np.linalg.norm(f, axis=0) for s in starts for f in s.net.features[1:]]
    return Claim(
        "lemma-1.4", "1/2 <= |x_i^(h)(0)| <= 2",
        (
            Pair("smallest norm", float(min(v.min() for v in sizes)), 0.5, "at least"),
            Pair("largest norm", float(max(v.max() for v in sizes)), 2.0, "at most"),
            Pair("largest norm, beside sqrt(3/2), which suffices",
                 float(max(v.max() for v in sizes)), math.sqrt(1.5), "at most",
                 reading="as_corrected"),
        ),
        "the same with sqrt(3/2) and log(n H/delta) in place of n H/delta",
        errata=("N-6",),
    )


def _least(context: Context) -> Claim:
    import numpy as np

    pairs = []
    for name in NAMES:
        m = context.size(1500, 2500)
        ratios = []
        for seed in range(context.size(3, 4)):
            s = _start(context, name, seed, m)
            ratios.append(float(np.linalg.eigvalsh(s.net.last)[0]) / s.least)
        pairs.append(Pair(f"smallest lambda_min(G^(H)(0))/lambda_0, {name}, m = {m}",
                          min(ratios), 0.75, "at least"))
    return Claim("lemma-1.5", "lambda_min(G^(H)(0)) >= 3/4 lambda_0 for large m", tuple(pairs))


def _moved(s: Start, R: float, draw: np.random.Generator) -> list[tuple[list[Array], Array]]:
    """Points of the region ``|dW^(h)|_F, |da| <= R sqrt(m)``: random, and along the features."""
    import numpy as np

    size, found = R * math.sqrt(s.m), []
    for i in range(6):
        weights = []
        for w, f in zip(s.weights, s.net.features[:-1], strict=True):
            change = draw.standard_normal(w.shape)
            if i % 2:
                z = w @ f[:, i % f.shape[1]]
                change = np.outer(z if i % 4 == 1 else np.ones(len(w)), f[:, i % f.shape[1]])
            weights.append(w + size * change / np.linalg.norm(change))
        step = s.readout if i % 2 else draw.standard_normal(s.m)
        found.append((weights, s.readout + size * step / np.linalg.norm(step)))
    return found


def _region(context: Context, starts: Sequence[Start]) -> list[Claim]:
    import numpy as np

    features, grams = [], []
    for i, s in enumerate(starts):
        draw, c_x = context.draw("region", i), s.growth
        R = 0.1 / g(c_x, H)
        spread = math.sqrt(s.c) * s.L * s.c_x0 * R
        for weights, readout in _moved(s, R, draw):
            net = network(s.x, s.name, weights, readout)
            for h in range(1, H + 1):
                change = float(np.linalg.norm(net.features[h] - s.net.features[h], axis=0).max())
                features.append(change / (spread * g(c_x, h)))
        # kappa g: the lemma's small constant, made explicit
        stability = (
            3 * s.L**3 * math.sqrt(s.c) * s.c_x0**2 * s.a_2**2 * g(c_x, H - 1)
            + 2 * s.L * s.beta * s.a_4**2 * s.c_x0**3 * g(c_x, H)
            + 12 * s.c_x0**2 * s.L**2 * s.a_2 * max(s.a_2, 1)
        )
        R = min(s.least / (4 * len(s.x) * s.c * stability), R)
        for weights, readout in _moved(s, R, draw):
            net = network(s.x, s.name, weights, readout)
            grams.append(float(np.linalg.norm(net.last - s.net.last, 2)) / (s.least / 4))
    return [
        Claim("lemma-1.6", "|x^(h)(k) - x^(h)(0)| <= sqrt(c_sigma) L c_{x,0} g_{c_x}(h) R",
              (Pair("largest change found over its bound", max(features), 1.0, "at most"),)),
        Claim("lemma-1.7",
              "|G^(H)(k) - G^(H)(0)| <= lambda_0/4 for R <= c lambda_0/(n g_{c_x}(H))",
              (Pair("largest change found over lambda_0/4, with the explicit c", max(grams), 1.0,
                    "at most"),)),
    ]


def _steps(context: Context, starts: Sequence[Start]) -> list[Claim]:
    import numpy as np

    from govcheck_plugins.reproduce._descent import descend, whole

    travelled: list[float] = []
    stepped: list[float] = []
    second: list[float] = []
    squared: list[float] = []
    for s in starts:
        n, c_x = len(s.x), max(s.growth, 1.0)
        rho = float(np.linalg.norm(s.y - s.net.outputs))
        size = 4 * s.c_x0 * s.a_2 * c_x**H * math.sqrt(n)
        eta = 1 / float(np.linalg.eigvalsh(whole(s.net))[-1])
        run = descend(s.x, s.y, s.name, s.weights, s.readout, eta, context.size(60, 120),
                      every=10)
        travelled.append(run.moved * math.sqrt(s.m) / (4 * size * rho / s.least))
        gradients, last, _ = s.net.gradient(s.y)
        norms = [float(np.linalg.norm(a)) for a in (*gradients, last)]
        stepped.append(max(norms) / (size * rho))
        for power, found in ((3, second), (2, squared)):
            small = s.least / (n**2 * H**2 * c_x ** (power * H) * g(2 * c_x, H))
            one = descend(s.x, s.y, s.name, s.weights, s.readout, small, 1)
            moved = one.last.outputs - s.net.outputs
            linear = small * whole(s.net) @ (s.y - s.net.outputs)
            if power == 3:
                found.append(float(np.linalg.norm(moved - linear)) / (small * s.least / 8 * rho))
            else:
                found.append(float(moved @ moved) / (small * s.least / 8 * rho**2))
    return [
        Claim("lemma-1.8", "|W^(h)(k) - W^(h)(0)|_F <= 16 c_{x,0} a_{2,0} c_x^H sqrt(n) |y - "
              "u(0)|/lambda_0, steps at most eta Q'",
              (Pair("largest way found over its bound", max(travelled), 1.0, "at most"),
               Pair("largest step found over eta Q'(0)", max(stepped), 1.0, "at most")),
              errata=("N-8",)),
        Claim("lemma-1.9", "|I_2(k)| <= eta lambda_0/8 |y - u(k)| for eta <= c lambda_0/(n^2 H^2 "
              "c_x^(3H) g_{2 c_x}(H))",
              (Pair("|I_2| over its bound, c = 1", max(second), 1.0, "at most"),)),
        Claim("lemma-1.10", "|u(k+1) - u(k)|^2 <= eta lambda_0/8 |y - u(k)|^2 for eta <= c "
              "lambda_0/(n^2 H^2 c_x^(2H) g_{2 c_x}(H))",
              (Pair("|u(k+1) - u(k)|^2 over its bound, c = 1", max(squared), 1.0, "at most"),)),
    ]


def _constant() -> Claim:
    """``|c_sigma E sigma(sZ)^2 - 1| <= C |s^2 - 1|`` with the printed C and with a smaller one."""
    import numpy as np

    from govcheck.bounds.evaluate import evaluate

    pairs = []
    s2 = np.concatenate([np.linspace(0.5, 0.99, 40), np.linspace(1.01, 2, 40)])
    for name in NAMES:
        sigma, c = smoothness(name), constant(name)
        zero, L = (float(evaluate(e, {}).mid()) for e in (sigma.zero, sigma.slope))
        found = np.abs(c * dual(name).product(s2, s2, s2) - 1) / np.abs(s2 - 1)
        for reading, factor in (("as_printed", 2), ("as_corrected", 1)):
            pairs.append(Pair(
                f"largest |c_sigma E sigma(sZ)^2 - 1|/|s^2 - 1| for s^2 in [1/2, 2], {name}",
                float(found.max()),
                c * L * (2 * zero * math.sqrt(2 / math.pi) + factor * L), "at most",
                reading="as_printed" if reading == "as_printed" else "as_corrected",
            ))
    return Claim(
        "constant", "C = c_sigma L (2 |sigma(0)| sqrt(2/pi) + 2 L) in Lemma 1.4", tuple(pairs),
        "valid and loose; L in place of 2 L serves", errata=("N-6",),
    )


def _relation() -> Claim:
    """What Lemma 1.10's proof needs of the step, beside what the lemma asks."""
    c_x = 2 * math.sqrt(constant("softplus")) * 2
    needed = {depth: g(c_x, depth) ** 2 / (depth**2 * g(2 * c_x, depth)) for depth in (2, 10, 20)}
    implied = {depth: g(c_x, depth) ** 2 / (depth**2 * c_x**depth * g(2 * c_x, depth))
               for depth in (2, 10, 20)}
    return Claim(
        "step-of-1.10",
        "the step of Lemma 1.10, with H^2 g_{2 c_x}(H), suffices for its proof",
        (
            *(Pair(f"g_{{c_x}}(H)^2 over H^2 g_{{2 c_x}}(H), softplus, H = {depth}", value, 1.0,
                   "at most") for depth, value in needed.items()),
            *(Pair(f"the same over the step of Lemma 1.9, H = {depth}", value, 1.0, "at most",
                   reading="as_corrected") for depth, value in implied.items()),
        ),
        "its proof needs g_{c_x}(H)^2 there, which the step of Lemma 1.9 implies",
        errata=("N-7",),
    )
