"""The convergence rate of Du et al. (2019) against runs at widths that can be trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Curve, Panel, Plot
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import (
    DIGITS,
    digits,
    dual,
    gaussian_weights,
    records,
    slope_of,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

NETS: Final = (("fc", "softplus", 2), ("fc", "tanh", 3), ("res", "softplus", 3))
SIZES: Final = (0.1, 1.0, 1.9)


class Rate(Reproduction):
    """The bound (1 - eta lambda_0/2)^k against gradient descent, and the steps of its proof."""

    name: ClassVar[str] = "d19-rate"
    title: ClassVar[str] = "Convergence rate at feasible widths"
    reference: ClassVar[Ref] = Ref("D", "Theorems 5.1, 6.1; [N] Theorem 1.2")
    quick_seconds: ClassVar[float] = 6
    full_seconds: ClassVar[float] = 40
    errata: ClassVar[Sequence[Erratum]] = records("N-3", "D-8")

    def run(self, context: Context) -> Outcome:
        import numpy as np

        from govcheck.kernels.papers import fc_kernels, resnet_kernels
        from govcheck_plugins.reproduce._common import network
        from govcheck_plugins.reproduce._descent import descend, whole

        x, y = digits(8, centred=True)
        widths = context.size((32, 128), (32, 128, 512))
        seeds, steps = context.size(2, 3), context.size(60, 200)
        total, done = len(NETS) * len(widths) * len(SIZES) * seeds, 0
        rows, panels = [], []
        worst = {True: -np.inf, False: -np.inf}
        ratio, outside = np.inf, 0
        for kind, name, H in NETS:
            alphas = [1.0] * (H - 1) if kind == "res" else None
            kernels = (fc_kernels(x, H, dual(name)) if alphas is None
                       else resnet_kernels(x, alphas, dual(name)))
            least = float(np.linalg.eigvalsh(kernels.last)[0])
            for m in widths:
                for relative in SIZES:
                    excess, lows = [], []
                    for seed in range(seeds):
                        draw = context.draw(kind, name, m, seed)
                        weights, readout = gaussian_weights(draw, m, H, x.shape[1])
                        start = network(x, name, weights, readout, alphas)
                        eta = relative / float(np.linalg.eigvalsh(whole(start))[-1])
                        run = descend(x, y, name, weights, readout, eta, steps, alphas=alphas,
                                      every=5)
                        k = np.arange(1, len(run.residuals))
                        logs = np.log(run.residuals[1:] / run.residuals[0])
                        excess.append(float((logs / k - np.log1p(-eta * least / 2)).max()))
                        lows.append(float(run.smallest.min()) / least)
                        done += 1
                        context.tick(done, total)
                    asked = m >= 128 and relative <= 1
                    worst[asked] = max(worst[asked], *excess)
                    if asked:
                        ratio = min(ratio, *lows)
                    else:
                        outside += sum(e > 0 for e in excess)
                    rows.append((f"{kind} {name} H={H}", m, relative, least, max(excess),
                                 min(lows), run.moved))
                if m == widths[-1]:
                    panels.append(_panel(f"{kind} {name}, H = {H}, m = {m}", run.residuals,
                                         eta, least))
        claims = (
            Claim(
                "rate",
                "|y - u(k)|^2 <= (1 - eta lambda_0/2)^k |y - u(0)|^2",
                (
                    Pair("largest excess of log |y - u|^2 per step over the bound, m >= 128, "
                         "eta lambda_max(G(0)) <= 1", worst[True], 0.0, "at most"),
                    Pair("smallest lambda_min(G^(H)(k))/lambda_0 on these runs", ratio, 0.5,
                         "at least"),
                ),
                remarks=(
                    f"Runs outside of that ({outside} violations among them): largest excess "
                    f"{worst[False]:.3g} per step.",
                    "The widths are far below what the theorem asks for (see d19-width), and the "
                    "slowest direction of the whole G is much faster than lambda_0 of one block, "
                    "so that agreement is weak evidence.",
                ),
            ),
            _step(context),
            _linear(context),
        )
        header = ("network", "m", "eta lambda_max(G(0))", "lambda_0", "worst log excess per step",
                  "smallest lambda_min/lambda_0", "|dW|_F/sqrt(m), last run")
        return Outcome(claims, (Table("All runs", header, tuple(rows)),), Plot(
            "The residual and its bound at the largest width and step.", tuple(panels)),
            notes=(f"{seeds} seeds, {steps} steps; y = +-1 by parity.",),
            data=(f"{DIGITS}: 8 images of different classes, mean of the data set subtracted, "
                  "unit norm",))


def _panel(title: str, residuals: Array, eta: float, least: float) -> Panel:
    k = range(len(residuals))
    x = tuple(float(i) for i in k)
    bound = tuple(float(residuals[0]) * (1 - eta * least / 2) ** i for i in k)
    return Panel(title, "step", "|y - u|^2", (
        Curve("run", x, tuple(max(float(r), 1e-300) for r in residuals)),
        Curve("bound", x, bound, style="dashed"),
    ), "linear", "log")


def _step(context: Context) -> Claim:
    """What the three terms of the proof give, in units of eta lambda_0."""
    from fractions import Fraction

    # lambda_min(G^(H)) >= lambda_0/2, |I_2| <= lambda_0/8 |r|, |u(k+1) - u(k)|^2 <= lambda_0/8
    half, eighth = Fraction(1, 2), Fraction(1, 8)
    rest = 2 * eighth + eighth
    return Claim(
        "proof-step",
        "|y - u(k+1)|^2 <= (1 - eta lambda_min(G^(H)(k))) |y - u(k)|^2 - 2 (y - u)^T I_2 + "
        "|u(k+1) - u(k)|^2, from which 1 - eta lambda_0/2 follows",
        (
            Pair("c of the factor 1 - c eta lambda_0 that the three terms give",
                 float(half - rest), 0.5, "at least"),
            Pair("c with 1 - 2 eta lambda_min(G^(H)(k))", float(2 * half - rest), 0.5,
                 "at least", reading="as_corrected"),
        ),
        "the first factor is 1 - 2 eta lambda_min(G^(H)(k))",
        errata=("N-3",),
    )


def _linear(context: Context) -> Claim:
    import numpy as np

    from govcheck_plugins.reproduce._descent import defect

    x, y = digits(4, centred=True)
    weights, readout = gaussian_weights(context.draw("defect"), 64, 2, x.shape[1])
    etas = np.array([1e-3, 3e-4, 1e-4, 3e-5])
    found = np.array([defect(x, y, "softplus", weights, readout, None, e) for e in etas])
    slope = slope_of(etas, found)
    return Claim(
        "dynamics",
        "y - u(k+1) = (I - eta G(k)) (y - u(k))",
        (
            Pair("relative defect of one step at eta = 1e-3",
                 float(found[0] / np.linalg.norm(y)), 0.0, "at most", atol=1e-9),
            Pair("order of the defect in eta", slope, 2.0, atol=0.05, reading="as_corrected"),
        ),
        "it holds up to a term of order eta^2",
        errata=("D-8",),
    )
