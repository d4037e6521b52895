"""Theorem 2.2 of MacDonald et al. (2022): the inequality of the loss from that of the cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Curve, Panel, Plot
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import macdonald, records, slope_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

STATEMENT = "|grad l|^2 >= mu sigma(DF) (l - gamma*)"


class Theorem22(Reproduction):
    """The Polyak-Lojasiewicz inequality with sigma(DF) and its square, on random maps."""

    name: ClassVar[str] = "m22-thm22"
    title: ClassVar[str] = "Polyak-Lojasiewicz inequality of the loss"
    reference: ClassVar[Ref] = macdonald("Thm 2.2")
    quick_seconds: ClassVar[float] = 2
    full_seconds: ClassVar[float] = 4
    errata: ClassVar[Sequence[Erratum]] = records("E1", "E9")

    def run(self, context: Context) -> Outcome:
        import numpy as np

        draw = context.draw("maps")
        count = context.size(500, 5000)
        rows = []
        for i in range(count):
            rows.append(_ratios(draw, aligned=i % 2 == 1))
            context.tick(i + 1, count)
        sigma, printed, corrected = np.array(rows).T
        costs = _costs(context.draw("cost"), context.size(2000, 20000))
        claims = (
            Claim(
                "exponent", STATEMENT,
                (
                    _scalar(),
                    Pair(f"smallest ratio of both sides, {count} random maps and points",
                         float(printed.min()), 1.0, "at least", rtol=1e-9),
                    Pair("smallest ratio with sigma(DF)^2", float(corrected.min()), 1.0,
                         "at least", rtol=1e-9, reading="as_corrected"),
                    Pair("the same, attained", float(corrected.min()), 1.0, "at most",
                         rtol=1e-6, reading="as_corrected"),
                ),
                "|grad l|^2 >= mu sigma(DF)^2 (l - gamma*)",
                errata=("E1",),
                remarks=(f"{(printed < 1 - 1e-9).mean():.0%} of the maps violate the printed "
                         f"inequality: {(sigma < 1).mean():.0%} have sigma(DF) < 1.",),
            ),
            Claim(
                "cross-entropy",
                "Cor 4.3 and Thm 4.8: any convex cost serves, with the inequality |grad gamma|^2 "
                ">= mu (gamma - gamma*) that Thm 2.2 asks for",
                (
                    Pair("softmax cross-entropy: exponent of the smallest |grad gamma|^2/gamma "
                         "in gamma -> 0", costs[0], 0.0, "at most", atol=0.05),
                    Pair("smallest |grad gamma|/(kappa gamma) on random outputs", costs[1], 1.0,
                         "at least", rtol=1e-9, reading="as_corrected"),
                ),
                "cross-entropy is not PL; |grad gamma| >= kappa gamma on {gamma <= alpha} with "
                "kappa = (1 - e^(-N alpha))/(N^(3/2) alpha)",
                errata=("E9",),
            ),
        )
        order = np.argsort(sigma)
        dots = Curve("with sigma(DF)", tuple(sigma[order]), tuple(printed[order]), style="points")
        right = Curve("with sigma(DF)^2", tuple(sigma[order]), tuple(corrected[order]),
                      style="points")
        one = Curve("", (float(sigma.min()), float(sigma.max())), (1.0, 1.0), style="dotted",
                    color=6)
        panel = Panel("", "sigma(DF)", "ratio of both sides", (dots, right, one), "log", "log")
        table = Table(
            "Quantiles of the ratio of both sides", ("quantile", "printed", "corrected"),
            tuple((q, float(np.quantile(printed, q)), float(np.quantile(corrected, q)))
                  for q in (0.0, 0.1, 0.5, 0.9)),
        )
        return Outcome(claims, (table,), Plot(
            "Both sides of the inequality on random quadratic maps from R^6 to R^3; below 1 it "
            "is violated.", (panel,),
        ), notes=("gamma(z) = |z - y|^2, mu = 4; every other residual is the worst one, along the "
                  "smallest singular vector.",))


def _scalar() -> Pair:
    """F(t) = t/10, gamma(z) = z^2/2 with mu = 2, at t = 1."""
    slope = 0.1
    z = slope * 1.0
    return Pair("F(t) = t/10, gamma(z) = z^2/2, t = 1: |grad l|^2", (slope * z) ** 2,
                2 * slope * z**2 / 2, "at least", source="erratum E1")


def _ratios(draw: np.random.Generator, *, aligned: bool) -> tuple[float, float, float]:
    """sigma(DF), and ``|grad l|^2`` over both lower bounds, at a point of a quadratic map."""
    import numpy as np

    n, p = 3, 6
    size = 10 ** draw.uniform(-1.5, 0.5)
    A = size * draw.standard_normal((n, p))
    B = 0.3 * size * draw.standard_normal((n, p, p))
    theta = draw.standard_normal(p)
    DF = A + (B + np.swapaxes(B, 1, 2)) @ theta / 2
    left, values, _ = np.linalg.svd(DF)
    r = left[:, -1] if aligned else draw.standard_normal(n)
    # l = |r|^2, so that its gradient is 2 DF^T r
    size_squared = float((2 * DF.T @ r) @ (2 * DF.T @ r))
    gap, sigma = float(r @ r), float(values[-1])
    return sigma, size_squared / (4 * sigma * gap), size_squared / (4 * sigma**2 * gap)


def _costs(draw: np.random.Generator, count: int) -> tuple[float, float]:
    """For cross-entropy of N samples: exponent of the PL ratio, smallest ratio to kappa gamma."""
    import numpy as np

    N, classes = 4, 3
    margins = np.geomspace(1, 25, 30)
    levels, ratios, worst = [], [], np.inf
    for margin in margins:
        # the same margin everywhere, two classes that matter: the flattest way down
        z = np.tile([margin, 0.0, -30.0], (N, 1))
        value, size = _cross_entropy(z)
        levels.append(value)
        ratios.append(size**2 / value)
    for _ in range(count):
        z = draw.uniform(0.1, 8) * draw.standard_normal((N, classes))
        value, size = _cross_entropy(z)
        kappa = -np.expm1(-N * value) / (N**1.5 * value)
        worst = min(worst, size / (kappa * value))
    return slope_of(np.array(levels[-10:]), np.array(ratios[-10:])), float(worst)


def _cross_entropy(z: Array) -> tuple[float, float]:
    """Mean cross-entropy of the first class, and the norm of its gradient."""
    import numpy as np

    # log(1 + sum of exp(z_k - z_1)), accurate where it is near 0
    margins = z[:, 1:] - z[:, :1]
    top = np.maximum(margins.max(axis=1, keepdims=True), 0)
    rest = np.exp(margins - top)
    total = np.exp(-top[:, 0]) + rest.sum(axis=1)
    others = rest / total[:, None]
    value = float(np.where(top[:, 0] > 0, top[:, 0] + np.log(total),
                           np.log1p(rest.sum(axis=1))).mean())
    gradient = np.concatenate([-others.sum(axis=1, keepdims=True), others], axis=1)
    return value, float(np.linalg.norm(gradient)) / len(z)
