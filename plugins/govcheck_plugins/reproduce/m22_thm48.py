"""Theorem 4.8 of MacDonald et al. (2022): does gradient descent converge from any start?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Curve, Panel, Plot
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import analysis, macdonald, records, slope_of, upper

if TYPE_CHECKING:
    from collections.abc import Callable

    from govcheck_plugins.reproduce._closure import Array, Branch, Descent, Found

    _Tick = Callable[[int], None]

BAD: Final = 0.3366
GOOD: Final = 0.2841
THEORY: Final = "govcheck theory, the bound calculus, section 6"
STATEMENT: Final = (
    "for a learning rate eta > 0 gradient descent converges from any initialisation to a global "
    "minimum, with phi = {}"
)
NET: Final = """
govcheck: 1
name: one residual block
input: [3]
layers:
  - affine: {{out: 3, bias: false, weight: entrywise, eps: 1/10}}
  - residual:
      - affine: {{out: 3, bias: false, weight: weight_norm, eps: 1/10, scale: 9/10/sqrt(3)}}
{activation}
data: {{orthonormal: {{n: 3}}}}
"""


class Theorem48(Reproduction):
    """Targets whose loss has a bad limit at infinity, found by search; gradient descent to it."""

    name: ClassVar[str] = "m22-thm48"
    title: ClassVar[str] = "Convergence from any initialisation"
    reference: ClassVar[Ref] = macdonald("Thm 4.8")
    quick_seconds: ClassVar[float] = 11
    full_seconds: ClassVar[float] = 70
    errata: ClassVar[Sequence[Erratum]] = records("E1", "E7")

    def run(self, context: Context) -> Outcome:
        from govcheck_plugins.reproduce._closure import IDENTITY, TANH

        steps = context.size(40_000, 400_000)
        done = [0]

        def tick(at: int) -> None:
            context.tick(done[0] + at, 3 * steps)

        claims, tables, panels = [], [], []
        for phi in (IDENTITY, TANH):
            found, gaps = self._searched(context, phi)
            share = sum(g > 1e-3 for g in gaps) / len(gaps)
            if not found:
                claims.append(_not_found(phi, gaps))
                continue
            run, eta = self._descent(context, phi, found, steps, tick)
            done[0] += steps
            claims.append(_contradicted(phi, found, run, share, len(gaps)))
            if phi is IDENTITY:
                claims += [_limits(found, run), _growth(run), _series(run)]
            tables.append(_table(phi, found, eta))
            panels += _panels(phi, found, run)
        claims.append(self._case_one(context, steps, tick))
        return Outcome(
            tuple(claims), tuple(tables), Plot(
                "Gradient descent with a certified step size from a start near each of two limits "
                "at infinity and from random starts; the limits are dotted.",
                tuple(panels), 2,
            ),
            notes=(
                "d = N = 3, X = I, L = 2, square cost, delta = eps = 0.1, step size 1/beta with "
                "beta proven on the sublevel set of the highest start.",
                "A limit at infinity is a minimum of the loss on the closure, where entries of "
                "P(w) may be 1 in absolute value and rows of wn(v) may have norm 1. At a strict "
                "one the loss is larger everywhere nearby, so that a start close to it cannot "
                "leave: with eta < 2/beta the loss does not rise on the segment of a step.",
                f"The target for the identity was moved by Newton's method until its limits were "
                f"{BAD} and {GOOD}; before that it is random.",
            ),
        )

    def _searched(self, context: Context, phi: Branch) -> tuple[list[Found], list[float]]:
        from govcheck_plugins.reproduce._closure import IDENTITY, search, shift

        found, gaps = search(
            phi, context.draw("targets", phi.name), context.size(60, 600), 24, 1500
        )
        if phi is IDENTITY:
            for f in found[:20]:
                moved = shift(f, BAD, GOOD, phi, 400)
                if moved is not None:
                    return [moved, *found], list(gaps)
        else:
            found.sort(key=lambda f: min(f.bad.push, f.bad.curvature), reverse=True)
        return found, list(gaps)

    def _descent(
        self, context: Context, phi: Branch, found: list[Found], steps: int, tick: _Tick
    ) -> tuple[Descent, float]:
        import numpy as np

        from govcheck_plugins.reproduce._closure import descend, weights

        own, draw = found[0], context.draw("starts", phi.name)
        starts = [weights(own.bad, 1.0), weights(own.good, 1.0)]
        starts += [(draw.standard_normal((3, 3)), draw.standard_normal((3, 3)))
                   for _ in range(context.size(6, 14))]
        w, v = (np.array([s[i] for s in starts]) for i in (0, 1))
        eta = 1 / _beta(phi, w, v, own.Y)
        return descend(w, v, own.Y, phi, eta, steps, tick), eta

    def _case_one(self, context: Context, steps: int, tick: _Tick) -> Claim:
        import numpy as np

        from govcheck_plugins.reproduce._closure import DELTA, EPS, TANH, N, descend

        draw = context.draw("case 1")
        w, v = draw.standard_normal((1, 3, 3)) / 2, draw.standard_normal((1, 3, 3))
        start_w = w + 0.1 * draw.standard_normal((1, 3, 3))
        P = w / np.sqrt(EPS + w * w)
        A = v / np.sqrt(EPS + (v * v).sum(axis=-1, keepdims=True))
        Y = (P + np.tanh((1 - DELTA) / N**0.5 * (A @ P)))[0]
        beta = _beta(TANH, start_w, v, Y)
        run = descend(start_w, v, Y, TANH, 1 / beta, steps // 4, tick)
        R = float(run.weights.max())
        mu = 4 / N * DELTA**2 * (EPS / (EPS + R * R) ** 1.5) ** 2
        first, last = float(run.losses[0, 0]), float(run.losses[-1, 0])
        factor = (last / first) ** (1 / run.times[-1])
        return Claim(
            "case-1",
            "case 1: where |w| stays below R, the loss converges linearly to a global minimum",
            (Pair(
                "factor of the loss in a step, mean over the run, with the explicit "
                "1 - mu(R)/(2 beta)", factor, 1 - mu / (2 * beta), "at most",
            ),),
            remarks=(
                f"phi = tanh, a target that the network reaches; the loss went from {first:.4g} "
                f"to {last:.4g} in {run.times[-1]:.0f} steps with |w| <= {R:.3g}.",
            ),
        )


def _beta(phi: Branch, w: Array, v: Array, Y: Array) -> float:
    """A proven bound of the gradient's Lipschitz constant where the loss is at most its start."""
    import math

    import numpy as np

    from govcheck_plugins.reproduce._closure import EPS, TANH, N, loss

    a = analysis(NET.format(activation="      - tanh" if phi is TANH else ""))
    P, A = w / np.sqrt(EPS + w * w), v / np.sqrt(EPS + (v * v).sum(axis=-1, keepdims=True))
    highest = float(loss(P, A, Y, phi).max())
    first, second = upper(a, "D"), upper(a, "tt")
    return 2 / N * first**2 + 2 * math.sqrt(highest / N) * second


def _contradicted(
    phi: Branch, found: list[Found], run: Descent, share: float, targets: int
) -> Claim:
    own = found[0]
    bad, good = run.losses[:, 0], run.losses[:, 1]
    stuck = [float(v) for v in run.losses[-1, 2:] if v > own.good.value + own.gap / 2]
    return Claim(
        f"from-any-start-{phi.name}",
        STATEMENT.format(phi.name),
        (
            Pair("limit at infinity of the worst start, beside the lowest loss found",
                 own.bad.value, own.good.value, "at most", atol=1e-6),
            Pair(f"loss after {run.times[-1]:.0f} steps from the worst start, beside that from "
                 "the best", float(bad[-1]), float(good[-1]), "at most", atol=1e-6),
        ),
        remarks=(
            f"The worst limit is a strict minimum of the closure: derivatives towards infinity "
            f"are at least {own.bad.push:.3g}, the curvature along the rest is at least "
            f"{own.bad.curvature:.3g}; {own.bad.entries} of 9 entries of w and {own.bad.rows} of "
            "3 rows of v are at infinity.",
            f"The loss rose in no step by more than {max(run.rises, 0):.1e}.",
            f"{len(stuck)} of {run.losses.shape[1] - 2} random starts are nearer to the bad limit.",
            f"Of {targets} random targets {share:.0%} had minima of the closure at different "
            f"heights; {len(found)} strict ones above the lowest were found in all.",
        ),
    )


def _not_found(phi: Branch, gaps: list[float]) -> Claim:
    return Claim(
        f"from-any-start-{phi.name}",
        STATEMENT.format(phi.name),
        (Pair("largest gap between limits that were found", max(gaps), 0.0, "at most",
              atol=1e-3),),
        remarks=(f"{len(gaps)} random targets were searched, and no strict minimum at infinity "
                 "above the lowest one was found.",),
    )


def _limit(run: Descent, start: int) -> float:
    """What a loss tends to: a in ``a + b t^(-1/2)``, fitted to the second half."""
    import numpy as np

    late = run.times > run.times[-1] / 2
    design = np.stack([np.ones(late.sum()), run.times[late] ** -0.5], axis=1)
    return float(np.linalg.lstsq(design, run.losses[late, start], rcond=None)[0][0])


def _limits(found: list[Found], run: Descent) -> Claim:
    return Claim(
        "limits",
        f"with phi = identity there is a target for which gradient descent tends to {BAD} from "
        f"some starts and to {GOOD} from others",
        (
            Pair("extrapolated limit from the worst start", _limit(run, 0), BAD, atol=2e-3,
                 source=THEORY),
            Pair("extrapolated limit from the best start", _limit(run, 1), GOOD, atol=2e-3,
                 source=THEORY),
        ),
        remarks=("Any two limits near those of a first target can be had by moving it; what "
                 "counts is that they differ.",),
    )


def _late(run: Descent) -> Array:
    late: Array = run.times > run.times[-1] / 20
    return late


def _growth(run: Descent) -> Claim:
    late = _late(run)
    return Claim(
        "growth",
        "case 2: |w| grows at most like t^(1/4) (eq 35)",
        (
            Pair("exponent of max |w| on the way to the bad limit",
                 slope_of(run.times[late], run.weights[late, 0]), 0.25, "at most", atol=0.03),
            Pair("the same, in the worst case attained",
                 slope_of(run.times[late], run.weights[late, 0]), 0.25, "at least", atol=0.08),
        ),
    )


def _series(run: Descent) -> Claim:
    from govcheck_plugins.reproduce._closure import EPS

    late = _late(run)
    sigma = EPS / (EPS + run.weights[late, 0] ** 2) ** 1.5
    first = slope_of(run.times[late], sigma)
    return Claim(
        "series",
        "mu_t is proportional to sigma(DP(w_t)) and at least Gamma t^(-3/4), so that the sum of "
        "mu_t diverges (eq 36, 37)",
        (
            Pair("exponent of mu_t on the way to the bad limit, with the exponent 2 of sigma that "
                 "Theorem 2.2 really has", 2 * first, -0.75, "at least", atol=0.1),
            Pair("exponent of mu_t", 2 * first, -1.5, "at least", atol=0.2,
                 reading="as_corrected"),
            Pair("exponent of mu_t, below which the sum converges", 2 * first, -1.0, "at most",
                 reading="as_corrected"),
        ),
        corrected="mu_t is proportional to sigma(DP(w_t))^2, at least Gamma t^(-3/2), and its "
                  "sum converges, which proves nothing",
        errata=("E1", "E7"),
    )


def _table(phi: Branch, found: list[Found], eta: float) -> Table:
    own = found[0]
    rows = [(f"Y{i + 1}{j + 1}", float(own.Y[i, j]), float(own.bad.P[i, j]),
             float(own.good.P[i, j])) for i in range(3) for j in range(3)]
    return Table(
        f"Target with phi = {phi.name} (step size {eta:.4g})",
        ("entry", "Y", "P at the bad limit", "P at the best limit"), tuple(rows),
    )


def _panels(phi: Branch, found: list[Found], run: Descent) -> list[Panel]:
    keep = run.times > 0
    t = tuple(run.times[keep])
    ends = (t[0], t[-1])
    own = found[0]

    def curve(label: str, y: Array, color: int) -> Curve:
        return Curve(label, t, tuple(y[keep]), color=color)

    losses = [curve("", run.losses[:, i], 6) for i in range(2, run.losses.shape[1])]
    losses += [curve("start near the bad limit", run.losses[:, 0], 1),
               curve("start near the best limit", run.losses[:, 1], 0)]
    losses += [Curve("", ends, (m.value, m.value), style="dotted", color=c)
               for m, c in ((own.bad, 1), (own.good, 0))]
    reach = float(run.weights[-1, 0])
    law = tuple(reach * (x / t[-1]) ** 0.25 for x in t)
    return [
        Panel(f"phi = {phi.name}", "step", "loss", tuple(losses), "log", "log"),
        Panel(f"phi = {phi.name}", "step", "largest |w|", (
            curve("start near the bad limit", run.weights[:, 0], 1),
            Curve("t^(1/4)", t, law, style="dashed", color=6),
        ), "log", "log"),
    ]
