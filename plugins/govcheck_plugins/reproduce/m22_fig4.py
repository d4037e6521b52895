"""Figure 4 of MacDonald et al. (2022): ResNets on CIFAR-10, original and modified."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Curve, Panel, Plot
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce import _residual
from govcheck_plugins.reproduce._common import macdonald
from govcheck_plugins.reproduce._errata_figures import ZERO
from govcheck_plugins.reproduce._figures import (
    STYLES,
    claim,
    comparison_table,
    data_lines,
    kept,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from govcheck.numeric.experiments.residual_models import Design

    Array = NDArray[np.float64]

PAIR: Final[tuple[Design, Design]] = ("original", "kernel")
ROUNDING: Final = 1e-5
FEATURES: Final = 64
CLASSES: Final = 10


class Figure4(Reproduction):
    """Training speed of modified ResNets on CIFAR-10, or on patches; spectra of their layers."""

    name: ClassVar[str] = "m22-fig4"
    title: ClassVar[str] = "Modified ResNets train faster at first"
    reference: ClassVar[Ref] = macdonald("Fig 4 and 5.3")
    quick_seconds: ClassVar[float] = 65
    full_seconds: ClassVar[float] = 500
    errata: ClassVar[Sequence[Erratum]] = (ZERO,)

    def inputs(self, context: Context) -> str:
        return _residual.inputs(context, 10)

    def run(self, context: Context) -> Outcome:
        runs = _residual.Runs(context, 10)
        curves = runs.curves(runs.trials)
        claims, speeds = runs.claims(curves)
        spectra = _Spectra(context, runs)
        return Outcome(
            (*claims, spectra.claim(), start_claim(context)),
            (speeds, *spectra.tables(), _norms(context, runs)),
            Plot(f"Loss, mean of {runs.trials} trials with two standard errors; singular values "
                 "of the layers at initialisation.",
                 (runs.panel(curves), *spectra.panels()), 3),
            (*_residual.CHOICES, *runs.notes, *spectra.notes), data_lines(runs.data))


class _Spectra:
    """Singular values of all layers at initialisation, original and modified."""

    def __init__(self, context: Context, runs: _residual.Runs) -> None:
        import numpy as np
        import torch

        from govcheck.numeric.experiments.residual_spectra import block_spectra
        from govcheck.numeric.experiments.residual_training import Size, normalised

        self.batch, self.steps = context.size(2, 8), context.size(40, 100)
        self.size = Size(8, (1, 1, 1, 1))
        x, _ = normalised(runs.data, torch.device("cpu"))
        chosen = context.draw("batch").permutation(len(x))[:self.batch]
        x = x[torch.as_tensor(chosen)]

        def one(design: Design, seed: int) -> dict[str, Array]:
            layers = block_spectra(x, runs.data.classes, design, seed, size=self.size,
                                   steps=self.steps)
            return {
                **{f"percentiles/{s.layer}": s.percentiles for s in layers},
                **{f"facts/{s.layer}": np.array([s.mean, s.error, s.rows, s.columns])
                   for s in layers},
            }

        self.found: dict[Design, list[dict[str, Array]]] = {d: [] for d in PAIR}
        total = runs.trials * 4
        for k in range(runs.trials):
            context.tick(runs.trials * 3 + k, total)
            seed = context.seed_of("spectra", k)
            for design in PAIR:
                name = (f"spectra {sorted(runs.data.sha256.items())} {self.size} {self.batch} "
                        f"{self.steps} {design} {seed}")
                self.found[design].append(kept(context, name, partial(one, design, seed)))
        context.tick(total, total)
        first = self.found["original"][0]
        self.layers = [k.removeprefix("facts/") for k in first if k.startswith("facts/")]
        self.seed = context.seed_of("test")
        self.trials = runs.trials
        error = max(float(f[f"facts/{layer}"][1]) for fs in self.found.values() for f in fs
                    for layer in self.layers)
        self.notes = (
            f"Singular values of the layers: width {self.size.width}, one block a stage, a batch "
            f"of {self.batch} pictures in train mode with all coupling, Golub-Kahan quadrature of "
            f"{self.steps} steps from one random vector for each of {self.trials} trials; the "
            f"distribution functions are estimates, brackets at most {error:.2g} wide on each "
            "side away from atoms.",
        )

    def _means(self, design: Design) -> Array:
        import numpy as np

        return np.array([[f[f"facts/{layer}"][0] for layer in self.layers]
                         for f in self.found[design]])

    def claim(self) -> Claim:
        """Whether the modified layers have larger singular values."""
        from govcheck.numeric.experiments.statistics import compare

        old, new = self._means("original"), self._means("kernel")
        c = compare("original", _residual.NAMES["kernel"], old.mean(1), new.mean(1), self.seed)
        return claim(
            "spectra", "the modifications shift the singular value distributions of layer "
            "derivatives up (what the paper expects and calls too costly to evaluate)", (c,),
            "mean singular value at initialisation, every layer counted alike",
            ("This tells whether there is a shift at initialisation, not what it causes.",))

    def tables(self) -> tuple[Table, Table]:
        """Comparisons by layer and percentiles."""
        import numpy as np

        from govcheck.numeric.experiments.statistics import compare

        old, new = self._means("original"), self._means("kernel")
        rows = [(f"mean, {layer}", compare("original", _residual.NAMES["kernel"], old[:, i],
                                           new[:, i], self.seed))
                for i, layer in enumerate(self.layers)]
        lines: list[tuple[str | float, ...]] = []
        for layer in self.layers:
            for design in PAIR:
                p = np.mean([f[f"percentiles/{layer}"] for f in self.found[design]], 0)
                facts = self.found[design][0][f"facts/{layer}"]
                lines.append((layer, _residual.NAMES[design], f"{facts[2]:.0f} x {facts[3]:.0f}",
                              *(float(p[q]) for q in (10, 25, 50, 75, 90))))
        return (
            comparison_table("Layer Jacobians at initialisation", rows),
            Table("Percentiles of singular values, means over trials",
                  ("layer", "model", "Jacobian", "10 %", "25 %", "50 %", "75 %", "90 %"),
                  tuple(lines)),
        )

    def panels(self) -> list[Panel]:
        """Distribution functions of each layer, the percentiles averaged over trials."""
        import numpy as np

        share = tuple(q / 100 for q in range(101))
        found = []
        for layer in self.layers:
            curves = []
            for i, design in enumerate(PAIR):
                p = np.mean([f[f"percentiles/{layer}"] for f in self.found[design]], 0)
                curves.append(Curve(_residual.NAMES[design], tuple(p.tolist()), share,
                                    style=STYLES[i], color=i))
            found.append(Panel(layer, "singular value", "share below", tuple(curves)))
        return found


def start_claim(context: Context) -> Claim:
    """What a residual classifier does that starts with all parameters at zero."""
    import torch
    from torch.nn import functional

    from govcheck.numeric.experiments.spectral_norm import ResidualClassifier

    generator = torch.Generator().manual_seed(context.seed_of("start"))
    x = torch.randn(32, FEATURES, generator=generator)
    y = torch.randint(0, CLASSES, (32,), generator=generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed_of("start"))
        layer = ResidualClassifier(FEATURES, CLASSES)
    identity = torch.eye(FEATURES)
    s = torch.linalg.svdvals((layer(identity) - layer(0 * identity)).T.detach())
    functional.cross_entropy(layer(x), y).backward()  # type: ignore[no-untyped-call]
    assert layer.gain.grad is not None
    moves = float(layer.gain.grad.abs())
    # W/(|W| + tiny), the only way to give W = 0 a meaning
    w = torch.zeros(CLASSES, FEATURES, requires_grad=True)
    gain = torch.zeros((), requires_grad=True)
    norm = torch.linalg.matrix_norm(w.detach(), 2) + 1e-12
    logits = x[:, :CLASSES] + functional.linear(x, gain * w / norm)
    functional.cross_entropy(logits, y).backward()  # type: ignore[no-untyped-call]
    assert w.grad is not None and gain.grad is not None
    stuck = float(max(w.grad.abs().max(), gain.grad.abs()))
    return Claim(
        "start", "all parameters of the residual classifier start at zero, so that the singular "
        "values of its Jacobian are 1, and are trained",
        (
            Pair("largest derivative of the loss in W and in the trained norm, all of them zero",
                 stuck, ROUNDING, "at least"),
            Pair("derivative in the trained norm, W at random", moves, ROUNDING, "at least",
                 reading="as_corrected"),
            Pair("largest distance of a singular value from 1 at that start",
                 float((s - 1).abs().max()), 0.0, "at most", atol=ROUNDING,
                 reading="as_corrected"),
        ),
        corrected="the trained norm and the bias start at zero, W at random",
        errata=(ZERO.id,),
    )


def _norms(context: Context, runs: _residual.Runs) -> Table:
    """Both readings of spectral normalisation for one model."""
    import torch

    from govcheck.numeric.experiments.residual_models import build, convolutions
    from govcheck.numeric.experiments.spectral_norm import both_norms

    net = build("kernel", runs.data.classes, runs.size.width, runs.size.depths,
                context.seed_of("trial", 0), torch.device("cpu"))
    rows: list[tuple[str, float, float, float]] = []
    for name, conv, side in convolutions(net):
        kernel, operator = both_norms(conv.weight, conv.stride, conv.padding, side)
        rows.append((name, kernel, operator, operator / kernel))
    return Table("Norm of the convolutions before normalisation, in both readings",
                 ("convolution", "reshaped kernel", "operator (power iteration)", "ratio"),
                 tuple(rows))
