"""Theorem 1 of Zhang et al. (2022, supplement) and the steps of its proof."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Curve, Panel, Plot
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import (
    dual,
    functions,
    gaussian_weights,
    network,
    records,
    slope_of,
    sphere,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

NAME = "softplus"
H = 3


class NfTheorem1(Reproduction):
    """The rate on runs, lambda_0, the gradient's formula, and what the proof's steps give."""

    name: ClassVar[str] = "z-thm1"
    title: ClassVar[str] = "Convergence of normalisation-free residual networks"
    reference: ClassVar[Ref] = Ref("Z", "Theorem 1")
    quick_seconds: ClassVar[float] = 4
    full_seconds: ClassVar[float] = 40
    errata: ClassVar[Sequence[Erratum]] = records(
        "R-2", "R-3", "R-5", "R-6", "R-7", "R-8", "R-11", "R-16")

    def run(self, context: Context) -> Outcome:
        rate, rows, plot = _rate(context)
        context.tick(1, 2)
        claims = (rate, _slack(), _width(context), _norms(context), _gradient(context),
                  _first_order(context), _dynamics(context), _zero(context))
        context.tick(2, 2)
        header = ("m", "worst log excess per step", "smallest lambda_min(G^(H)(k))/lambda_0",
                  "largest |alpha - 1|")
        return Outcome(claims, (Table("Runs", header, rows),), plot, notes=(
            "H = 3, softplus, alpha_h(0) = 1, 4 random unit vectors in R^6, y = +-1; all weights "
            "and alpha_h trained, alpha_h with the step eta/m, which is what the theorem can be "
            "repaired to; eta = 1/lambda_max(G(0)).",
            "How far alpha_h moves with the step eta, and what follows: see z-alpha.",
        ))


def _samples(context: Context) -> tuple[Array, Array]:
    import numpy as np

    return sphere(context.draw("samples"), 4, 6), np.array([1.0, -1.0, 1.0, -1.0])


def _rate(context: Context) -> tuple[Claim, tuple[tuple[str | float | int, ...], ...], Plot]:
    import numpy as np

    from govcheck_plugins.reproduce._descent import descend, whole

    x, y = _samples(context)
    least = _least(x)
    rows: list[tuple[str | float | int, ...]] = []
    worst, ratio = -np.inf, np.inf
    panels = []
    for m in context.size((128, 256), (256, 1024)):
        excess, lows, drift = [], [], 0.0
        for seed in range(context.size(3, 5)):
            weights, readout = gaussian_weights(context.draw("run", m, seed), m, H, x.shape[1])
            start = network(x, NAME, weights, readout, [1.0] * (H - 1))
            eta = 1 / float(np.linalg.eigvalsh(whole(start, 1 / m))[-1])
            run = descend(x, y, NAME, weights, readout, eta, context.size(150, 400),
                          alphas=[1.0] * (H - 1), speed=1 / m, every=5)
            k = np.arange(1, len(run.residuals))
            logs = np.log(run.residuals[1:] / run.residuals[0])
            excess.append(float((logs / k - np.log1p(-eta * least / 2)).max()))
            lows.append(float(run.smallest.min()) / least)
            drift = max(drift, float(np.abs(run.alphas - 1).max()))
        worst, ratio = max(worst, *excess), min(ratio, *lows)
        rows.append((m, max(excess), min(lows), drift))
        steps = tuple(float(i) for i in range(len(run.residuals)))
        panels.append(Panel(f"m = {m}", "step", "|y - u|^2", (
            Curve("run", steps, tuple(float(r) for r in run.residuals)),
            Curve("bound", steps, tuple(float(run.residuals[0]) * (1 - eta * least / 2) ** s
                                        for s in steps), style="dashed"),
        ), "linear", "log"))
    claim = Claim(
        "rate",
        "|y - u(k)|^2 <= (1 - eta lambda_0/2)^k |y - u(0)|^2",
        (
            Pair("largest excess of log |y - u|^2 per step over the bound", worst, 0.0,
                 "at most"),
            Pair("smallest lambda_min(G^(H)(k))/lambda_0", ratio, 0.25, "at least"),
        ),
        remarks=("The widths are far below what the theorem asks for, and other blocks carry the "
                 "rate, so that agreement is weak evidence.",),
    )
    return claim, tuple(rows), Plot("The residual and the bound.", tuple(panels))


def _slack() -> Claim:
    from fractions import Fraction

    eighth = Fraction(1, 8)
    rest = 2 * eighth + eighth
    return Claim(
        "proof",
        "lambda_min(G^(H)(k)) >= lambda_0/4 gives the factor 1 - eta lambda_0/2",
        (
            Pair("c of the factor 1 - c eta lambda_0 that eq (3) gives with lambda_0/4",
                 float(2 * Fraction(1, 4) - rest), 0.5, "at least"),
            Pair("c with lambda_0/2", float(2 * Fraction(1, 2) - rest), 0.5, "at least",
                 reading="as_corrected"),
        ),
        "lambda_min(G^(H)(k)) >= lambda_0/2 does",
        errata=("R-2",),
    )


def _least(x: Array) -> float:
    """``lambda_0`` of samples with all ``alpha_h(0) = 1``."""
    import numpy as np

    from govcheck.kernels.papers import resnet_kernels

    return float(np.linalg.eigvalsh(resnet_kernels(x, [1.0] * (H - 1), dual(NAME)).last)[0])


def _width(context: Context) -> Claim:
    x, y = _samples(context)
    n, low, delta = len(y), _least(x), 0.1

    def over(m: float) -> float:
        """``R = |y - u(0)| sqrt(n)/(lambda_0 sqrt(m))`` over ``lambda_0 H^2/n``, |u(0)| small."""
        radius = sqrt(float(y @ y) * n / m) / low
        return radius * n / (low * H**2)

    return Claim(
        "width",
        "a width of the order of n^2 log(Hn/delta)/lambda_0^2 is enough for Lemma 2, whose proof "
        "uses R <= c lambda_0 H^2/n",
        (
            Pair("R over lambda_0 H^2/n at that width, every constant 1",
                 over(n**2 * log(H * n / delta) / low**2), 1.0, "at most"),
            Pair("the same at the width n^4/lambda_0^4", over(n**4 / low**4), 1.0, "at most",
                 reading="as_corrected"),
        ),
        "it needs a width of the order of n^4/lambda_0^4 too",
        errata=("R-3",),
    )


def _norms(context: Context) -> Claim:
    import numpy as np

    m, depths = 256, np.arange(2, 65)
    draw = context.draw("norms")
    w, x = draw.standard_normal((m, 6)), draw.standard_normal(6)
    x *= 0.01 / np.linalg.norm(x)

    def ratio(name: str) -> float:
        value, _ = functions(name)
        return float(np.linalg.norm(value(w @ x)) / (np.linalg.norm(w, 2) * np.linalg.norm(x)))

    def power(t: float) -> float:
        return float(((1 - t / depths) ** (depths - 1) / np.exp(-t)).min())

    what = "smallest (1 - t/H)^(H-1)/e^-t, H = 2 to 64"
    return Claim(
        "lemma-5",
        "Lemma 5: |sigma(W x)| <= L |W| |x|, and (1 - t/H)^(H-1) >= e^-t with t = c_w0 L",
        (
            Pair("|sigma(W x)|/(L |W| |x|), softplus, |x| = 0.01", ratio("softplus"), 1.0,
                 "at most"),
            Pair(f"{what}, t = 2", power(2.0), 1.0, "at least"),
            Pair("|sigma(W x)|/(L |W| |x|), tanh, |x| = 0.01", ratio("tanh"), 1.0, "at most",
                 reading="as_corrected"),
            Pair(f"{what}, t = 1.59", power(1.59), 1.0, "at least", reading="as_corrected"),
        ),
        "the first for sigma(0) = 0, the second for t <= 1.59",
        errata=("R-7",),
    )


def _first_order(context: Context) -> Claim:
    import numpy as np

    from govcheck_plugins.reproduce._descent import whole

    x, _ = _samples(context)
    weights, readout = gaussian_weights(context.draw("first-order"), 64, H, x.shape[1])
    net = network(x, NAME, weights, readout, [1.0] * (H - 1))
    eta = 1e-3
    least = [float(np.linalg.eigvalsh(gram)[0]) for gram in (whole(net, 1.0), net.last)]
    ratio = eta * least[0] / least[1]
    return Claim(
        "lemma-7",
        "Lemma 7: (y - u)^T I_1 >= lambda_min(G^(H)) |y - u|^2",
        (
            Pair("left side over right side, the worst y - u, eta = 1e-3", ratio, 1.0, "at least"),
            Pair("the same with eta on the right", ratio / eta, 1.0, "at least",
                 reading="as_corrected"),
        ),
        "(y - u)^T I_1 >= eta lambda_min(G^(H)) |y - u|^2",
        errata=("R-11",),
    )


def _gradient(context: Context) -> Claim:
    """The printed formula of dL/dW^(2) and the right one, against central differences."""
    import numpy as np

    x, y = _samples(context)
    m, alphas = 8, [0.7, 1.3, -0.8]
    depth = len(alphas) + 1
    draw = context.draw("gradient")
    weights, readout = gaussian_weights(draw, m, depth, x.shape[1])
    net = network(x, NAME, weights, readout, alphas)
    direction = draw.standard_normal((m, m))
    value, h = [], 1e-5
    for sign in (1, -1):
        moved = list(weights)
        moved[1] = moved[1] + sign * h * direction
        value.append(float(((network(x, NAME, moved, readout, alphas).outputs - y) ** 2).sum()) / 2)
    true = (value[0] - value[1]) / (2 * h)
    _, slope = functions(NAME)
    r = y - net.outputs
    factor = alphas[0] / (depth * np.sqrt(m))
    results = {}
    for descending in (True, False):
        total = np.zeros((m, m))
        for i in range(len(x)):
            layers = range(2, depth)
            product = readout.copy()
            for at in sorted(layers, reverse=descending):
                J = slope(weights[at] @ net.features[at][:, i])
                own = np.eye(m) + alphas[at - 1] / (depth * np.sqrt(m)) * J[:, None] * weights[at]
                product = product @ own
            back = product * slope(weights[1] @ net.features[1][:, i])
            total += r[i] * np.outer(back, net.features[1][:, i])
        results[descending] = factor * total
    size = abs(true)

    def off(gradient: Array) -> float:
        return abs(float((gradient * direction).sum()) - true) / size

    return Claim(
        "gradient",
        "dL/dW^(h) = sum_i (y_i - u_i) alpha_h/(H sqrt m) x_i^(h-1) (a^T prod_{l=h+1..H} (I + "
        "alpha_l/(H sqrt m) J_l W_l)) J_h, the product in ascending l",
        (
            Pair("relative difference from central differences, ascending, transposed",
                 off(results[False]), 0.0, "at most", atol=1e-6),
            Pair("with the sign changed and the product in descending l", off(-results[True]),
                 0.0, "at most", atol=1e-6, reading="as_corrected"),
        ),
        "minus that, transposed, with the product in descending l",
        errata=("R-5",),
        remarks=(f"With the sign changed and ascending l the difference is "
                 f"{off(-results[False]):.2g}.",),
    )


def _dynamics(context: Context) -> Claim:
    import numpy as np

    from govcheck_plugins.reproduce._descent import defect

    x, y = _samples(context)
    weights, readout = gaussian_weights(context.draw("dynamics"), 64, H, x.shape[1])
    etas = np.array([1e-3, 3e-4, 1e-4, 3e-5])
    slopes = {
        counted: slope_of(etas, np.array([
            defect(x, y, NAME, weights, readout, [1.0] * (H - 1), e, counted=counted)
            for e in etas
        ]))
        for counted in (True, False)
    }
    return Claim(
        "dynamics",
        "u(k+1) - u(k) = -eta G (u - y) + O(eta^2) with G the sum over the weights and a",
        (
            Pair("order in eta of what is left", slopes[False], 2.0, atol=0.1),
            Pair("order with the alphas' block in G", slopes[True], 2.0, atol=0.1,
                 reading="as_corrected"),
        ),
        "G includes the block of the alphas",
        errata=("R-6",),
    )


def _zero(context: Context) -> Claim:
    import numpy as np

    from govcheck.kernels.papers import resnet_kernels

    x, _ = _samples(context)

    def least(last: float) -> float:
        k = resnet_kernels(x, [1.0] * (H - 2) + [last], dual(NAME))
        return float(np.linalg.eigvalsh(k.last)[0])

    return Claim(
        "zero-start",
        "lambda_0 > 0 for samples that are not parallel, whatever alpha_H(0) is",
        (
            Pair("lambda_0 with alpha_H(0) = 0, as in SkipInit", least(0.0), 1e-12, "at least"),
            Pair("lambda_0 with alpha_H(0) = 1", least(1.0), 1e-12, "at least",
                 reading="as_corrected"),
        ),
        "alpha_H(0) is not 0, for K^(H) is proportional to its square",
        errata=("R-16",),
    )
