"""Figure 1 of MacDonald et al. (2022): singular values of A and Id + A."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Curve, Panel, Plot, Style
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce._common import macdonald
from govcheck_plugins.reproduce._errata_figures import VARIANCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PRINTED_N: Final = 10_000
VISIBLE: Final = 0.05
FLUCTUATION: Final = 10.0
"""Samples of size n are within about 4/n of their laws."""
GRID: Final = 401
BINS: Final = 40


class Figure1(Reproduction):
    """Singular values of Gaussian A and of Id + A: samples and exact limiting laws."""

    name: ClassVar[str] = "m22-fig1"
    title: ClassVar[str] = "Id + A has higher singular values than A"
    reference: ClassVar[Ref] = macdonald("Fig 1")
    quick_seconds: ClassVar[float] = 2
    full_seconds: ClassVar[float] = 40
    errata: ClassVar[Sequence[Erratum]] = (VARIANCE,)

    def run(self, context: Context) -> Outcome:
        import numpy as np

        n = context.size(400, 3000)
        noise = context.draw("A").standard_normal((n, n)) / np.sqrt(n)
        context.tick(0, 3)
        plain = np.sort(np.linalg.svd(noise, compute_uv=False))
        cases = []
        for k, (label, std) in enumerate((("variance 1e-2", 0.1), ("std 1e-2", 0.01))):
            context.tick(k + 1, 3)
            tau = std * PRINTED_N**0.5
            shifted = np.linalg.svd(np.eye(n) + tau * noise, compute_uv=False)
            cases.append(_Case(label, tau, tau * plain, np.sort(shifted)))
        context.tick(3, 3)
        printed, corrected = cases
        direction = Claim(
            "direction", "addition of an identity matrix shifts the distribution of singular "
            "values higher",
            tuple(Pair(
                f"largest excess of the distribution function of Id + A over that of A, {c.label} "
                f"({what})", value, 0.0, "at most", atol=slack)
                for c in cases for what, value, slack in (
                    ("exact laws", c.excess, 1e-5),
                    (f"sample, n = {n}", c.sampled_excess, FLUCTUATION / n))),
        )
        size = Claim(
            "size", "for a 10^4 x 10^4 Gaussian matrix of variance 10^-2 the shift is seen in the "
            "figure",
            (
                Pair("largest distance of the distribution functions, exact laws, variance 1e-2; "
                     "a twentieth can be seen", printed.shift, VISIBLE, "at least"),
                Pair("the same with standard deviation 1e-2", corrected.shift, VISIBLE, "at least",
                     reading="as_corrected"),
                Pair(f"the same in a sample of n = {n} with the same n std^2",
                     corrected.sampled_shift, corrected.shift, atol=FLUCTUATION / n,
                     reading="as_corrected"),
            ),
            corrected="the same for a standard deviation of 10^-2",
            errata=(VARIANCE.id,),
        )
        return Outcome(
            (direction, size),
            (Table(
                "Distances of distribution functions",
                ("A", "std sqrt(n) at n = 10^4", "A to Id + A, laws", "A to Id + A, sample",
                 "sample of A to its law", "sample of Id + A to its law"),
                tuple((c.label, c.tau, c.shift, c.sampled_shift, *c.misfit) for c in cases),
            ),),
            Plot(
                f"Singular values of A and Id + A. Lines: exact limiting laws at n = 10^4; points: "
                f"samples of n = {n} with the same std sqrt(n).",
                tuple(p for c in cases for p in c.panels()), 2,
            ),
            (
                f"The sample has n = {n} and entries scaled so that std sqrt(n) is as for "
                "n = 10^4; the laws depend on it alone.",
                "Law of A: quarter circle; of Id + A: root of a cubic.",
            ),
        )


class _Case:
    """One size of the entries, with laws and samples."""

    def __init__(self, label: str, tau: float, plain: Array, shifted: Array) -> None:
        import numpy as np

        from govcheck.numeric.experiments.statistics import kolmogorov
        from govcheck.numeric.measure import laws

        self.label, self.tau, self.plain, self.shifted = label, tau, plain, shifted
        law = laws.shifted_law(tau)
        self.top = 1.05 * max(2 * tau, laws.shifted_edges(tau)[1])
        fine = np.linspace(0, self.top, 100 * GRID)
        gap = laws.gaussian_cdf(fine, tau) - law.at(fine)
        self.shift, self.excess = float(np.abs(gap).max()), max(0.0, float(-gap.min()))
        below, self.sampled_excess = kolmogorov(plain, shifted)
        self.sampled_shift = max(below, self.sampled_excess)
        self.misfit = (laws.distance(plain, laws.gaussian_cdf(plain, tau)),
                       laws.distance(shifted, law.at(shifted)))

    def panels(self) -> list[Panel]:
        """Densities and distribution functions."""
        import numpy as np

        from govcheck.numeric.measure import laws

        x = np.linspace(0, self.top, GRID)
        law = laws.shifted_law(self.tau)
        radius = np.clip(1 - (x / (2 * self.tau)) ** 2, 0, None)
        densities = np.sqrt(radius) * 2 / (np.pi * self.tau), laws.shifted_density(x, self.tau)
        cdfs = laws.gaussian_cdf(x, self.tau), law.at(x)
        edges = np.linspace(0, self.top, BINS + 1)
        middles = (edges[1:] + edges[:-1]) / 2
        shape, spread = [], []
        for color, (name, sample) in enumerate((("A", self.plain), ("Id + A", self.shifted))):
            style: Style = "dashed" if color else "line"
            counts = np.histogram(sample, edges)[0] / len(sample) / (edges[1] - edges[0])
            some = np.linspace(0, len(sample) - 1, 30).astype(int)
            shape += [_curve(f"{name}, law", x, densities[color], style, color),
                      _curve(f"{name}, sample", middles, counts, "points", color)]
            spread += [_curve(f"{name}, law", x, cdfs[color], style, color),
                       _curve(f"{name}, sample", sample[some], (some + 0.5) / len(sample),
                              "points", color)]
        return [Panel(f"{self.label}: density", "singular value", "density", tuple(shape)),
                Panel(f"{self.label}: distribution", "singular value", "share below",
                      tuple(spread))]


def _curve(label: str, x: Array, y: Array, style: Style, color: int) -> Curve:
    return Curve(label, tuple(map(float, x)), tuple(map(float, y)), style=style, color=color)
