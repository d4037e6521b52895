"""How far trained residual factors move: the main gap of Zhang et al. (2022, supplement)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Curve, Panel, Plot
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import gaussian_weights, records, slope_of, sphere

SPEEDS = ("eta", "eta/m")


class Alpha(Reproduction):
    """Movement of alpha_h and of G^(H) in training, alpha trained with step eta and eta/m."""

    name: ClassVar[str] = "z-alpha"
    title: ClassVar[str] = "Movement of trained residual factors"
    reference: ClassVar[Ref] = Ref("Z", "Lemmas 2, 3, 4")
    quick_seconds: ClassVar[float] = 4
    full_seconds: ClassVar[float] = 10
    errata: ClassVar[Sequence[Erratum]] = records("R-1", "R-4")

    def run(self, context: Context) -> Outcome:
        import numpy as np

        widths = context.size((32, 64, 128, 256), (64, 256, 1024))
        seeds = context.size(6, 4)
        total, done = len(widths) * len(SPEEDS) * seeds, 0
        rows: list[tuple[str | float | int, ...]] = []
        alphas: dict[str, list[float]] = {s: [] for s in SPEEDS}
        grams: dict[str, list[float]] = {s: [] for s in SPEEDS}
        weights: dict[str, list[float]] = {s: [] for s in SPEEDS}
        lowest: dict[str, list[float]] = {s: [] for s in SPEEDS}
        for m in widths:
            for speed in SPEEDS:
                found = []
                for seed in range(seeds):
                    found.append(_one(context, m, seed, 1.0 if speed == "eta" else 1 / m))
                    done += 1
                    context.tick(done, total)
                drift, moved, change, low, reached = np.array(found).T
                alphas[speed].append(float(drift.mean()))
                weights[speed].append(float(moved.mean()))
                grams[speed].append(float(change.mean()))
                lowest[speed].append(float(low.min()))
                rows.append((m, speed, float(drift.mean()), float(moved.mean()),
                             float(change.mean()), float(change.max()), float(low.min()),
                             float(reached.max())))
        at = np.array(widths, dtype=float)
        slope = {
            (what, speed): slope_of(at, np.array(values[speed]))
            for what, values in (("alpha", alphas), ("G", grams), ("W", weights))
            for speed in SPEEDS
        }
        claims = (
            Claim(
                "alpha",
                "the change of alpha_h, trained with the step eta, may be left out: it vanishes "
                "with the width like that of the weights (Lemmas 2 and 4)",
                (
                    Pair("exponent of m in max_h |alpha_h - 1|, step eta", slope["alpha", "eta"],
                         -0.5, "at most", atol=0.1),
                    Pair("exponent of m in |W - W(0)|_F/sqrt(m), for comparison",
                         slope["W", "eta"], -0.5, "at most", atol=0.15),
                    Pair("exponent of m in max_h |alpha_h - 1|, step eta/m",
                         slope["alpha", "eta/m"], -0.5, "at most", atol=0.1,
                         reading="as_corrected"),
                ),
                "alpha_h = alpha_h(0) + gamma_h/sqrt(m) with gamma_h trained, that is alpha_h "
                "trained with the step eta/m",
                errata=("R-1", "R-4"),
            ),
            Claim(
                "gram",
                "G^(H)(k) stays near G^(H)(0) for large m (Lemma 2)",
                (
                    Pair("exponent of m in the relative change of G^(H), step eta",
                         slope["G", "eta"], -0.5, "at most", atol=0.15),
                    Pair("exponent of m in the relative change of G^(H), step eta/m",
                         slope["G", "eta/m"], -0.5, "at most", atol=0.15,
                         reading="as_corrected"),
                    Pair(f"smallest lambda_min(G^(H)(k))/lambda_min(G^(H)(0)), step eta/m, "
                         f"m = {widths[-1]}", lowest["eta/m"][-1], 0.5, "at least",
                         reading="as_corrected"),
                ),
                "it does with the step eta/m for alpha_h",
                errata=("R-1",),
                remarks=("Smallest lambda_min(G^(H)(k))/lambda_min(G^(H)(0)) with the step eta: "
                         f"{min(lowest['eta']):.3g}; with eta/m: {min(lowest['eta/m']):.3g}.",),
            ),
        )
        header = ("m", "step of alpha", "|alpha - 1|, mean", "|dW|_F/sqrt(m), mean",
                  "change of G^(H), mean", "largest", "smallest lambda_min ratio",
                  "residual left, largest")
        x = tuple(float(m) for m in widths)
        panels = tuple(
            Panel(title, "m", "", tuple(Curve(f"step {s}", x, tuple(values[s])) for s in SPEEDS),
                  "log", "log")
            for title, values in (("largest |alpha_h - 1|", alphas),
                                  ("relative change of G^(H)", grams))
        )
        return Outcome(claims, (Table(f"Means over {seeds} seeds", header, tuple(rows)),),
                       Plot("Training to a relative residual of 1e-3.", panels, 2),
                       notes=("H = 3, softplus, 4 random unit vectors in R^6, y = +-1, eta = "
                              "1/lambda_max(G(0)) with the alphas' block counted at their step; "
                              "a run ends at |y - u|^2 = 1e-3 |y - u(0)|^2 or after its steps.",))


def _one(context: Context, m: int, seed: int, speed: float) -> tuple[float, ...]:
    """Drift of alpha, of W, of G^(H), smallest ratio of lambda_min, residual left."""
    import numpy as np

    from govcheck_plugins.reproduce._common import network
    from govcheck_plugins.reproduce._descent import descend, whole

    x = sphere(context.draw("samples"), 4, 6)
    y = np.array([1.0, -1.0, 1.0, -1.0])
    weights, readout = gaussian_weights(context.draw("weights", m, seed), m, 3, x.shape[1])
    start = network(x, "softplus", weights, readout, [1.0, 1.0])
    eta = 1 / float(np.linalg.eigvalsh(whole(start, speed))[-1])
    run = descend(x, y, "softplus", weights, readout, eta, context.size(600, 1500),
                  alphas=[1.0, 1.0], speed=speed, until=1e-3, every=5)
    return (
        float(np.abs(run.alphas - 1).max()), run.moved, run.change,
        float(run.smallest.min() / run.smallest[0]),
        float(run.residuals[-1] / run.residuals[0]),
    )
