"""Figure 2 of MacDonald et al. (2022): singular values of the layers of four models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Panel, Plot
from govcheck.reproduce.protocol import Claim, Context, Outcome, Pair, Reproduction, Table
from govcheck.theorems.protocol import Erratum
from govcheck_plugins.reproduce import _small
from govcheck_plugins.reproduce._common import macdonald
from govcheck_plugins.reproduce._errata_figures import POOL
from govcheck_plugins.reproduce._figures import (
    against,
    cdf_curve,
    claim,
    comparison_table,
    data_lines,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SMALL: Final = 0.1
ROUNDING: Final = 1e-5


class Figure2(Reproduction):
    """Singular values of the layers' Jacobians of the four models, averaged over training."""

    name: ClassVar[str] = "m22-fig2"
    title: ClassVar[str] = "Skip connections raise the singular values of layers"
    reference: ClassVar[Ref] = macdonald("Fig 2")
    quick_seconds: ClassVar[float] = 20
    full_seconds: ClassVar[float] = 530
    errata: ClassVar[Sequence[Erratum]] = (POOL,)

    def inputs(self, context: Context) -> str:
        return _small.inputs(context)

    def run(self, context: Context) -> Outcome:
        from govcheck.numeric.experiments.small_models import KINDS, LAYERS
        from govcheck.numeric.experiments.small_spectra import WHOLE
        from govcheck.numeric.experiments.statistics import ordering

        data = _small.pictures(context)
        trials, times, samples = context.size(
            (6, (0, 10), (0, 16)),
            (10, tuple(range(0, _small.EPOCHS, 5)), tuple(range(0, _small.POINTS, 8))))
        whole_at = context.size((), (0, 20, 40))
        one_map = bool(whole_at)
        results = _small.run_trials(
            context, data, trials, max(times) + 1, times, samples, whole_at)
        count, seed = len(LAYERS), context.seed_of("test")
        shown = (*LAYERS, WHOLE) if one_map else LAYERS
        means = {k: _statistic(results, k, len(shown), _mean) for k in KINDS}
        bias = ordering(KINDS, [means[k][:, :count].mean(1) for k in KINDS], seed)
        whole = ordering(KINDS, [means[k][:, count] for k in KINDS], seed) if one_map else ()
        lows = {k: -_statistic(results, k, len(shown), _low) for k in KINDS}
        small = ordering(KINDS, [lows[k][:, :count].mean(1) for k in KINDS], seed)
        each = [(f"mean, {layer}", c) for i, layer in enumerate(LAYERS)
                for c in ordering(KINDS, [means[k][:, i] for k in KINDS], seed)]
        others = [
            *((f"minus the share below {SMALL}, all layers", c) for c in small),
            *(("mean, the layers as one map", c) for c in whole), *each]
        return Outcome(
            (
                claim(
                    "bias", "the singular value distributions of the layer Jacobians are more "
                    "positively biased from Chain over Res and ResLin to ResLinProj", bias,
                    "mean singular value, every layer counted alike, averaged over training",
                    against(others)),
                pool_claim(),
            ),
            (
                comparison_table("Neighbours in the claimed order", [
                    *(("mean of all layers", c) for c in bias), *others]),
                Table(
                    f"Mean singular value and share below {SMALL}, over trials and epochs",
                    ("model", *(f"{layer}: {what}" for layer in shown
                                for what in ("mean", "small"))),
                    tuple((k, *(float(v) for i in range(len(shown))
                                for v in (means[k][:, i].mean(), -lows[k][:, i].mean())))
                          for k in KINDS)),
            ),
            _plot(results, KINDS, shown),
            (*_small.CHOICES,
             "What the 'last seven layers' are is not said. Here each of the two blocks, batch "
             "norm with ReLU of the features, and the linear layer is one layer; at full size what "
             "follows the first pool is taken as one map too, as in the released code"
             f"{f' (epochs {_told(whole_at)})' if one_map else ''}.",
             f"Epochs {_told(times)}; Jacobians of the blocks for {len(samples)} of "
             f"the {_small.POINTS} pictures, batch statistics being those of all.",
             "In the blocks the coupling of pictures through batch statistics is left out; it "
             "moves the distribution functions of the full batch by at most "
             + ", ".join(f"{results[0][f'error/{i}'].max():.2g} ({layer})"
                         for i, layer in enumerate(LAYERS[:2]))
             + ". It is in the others.",
             f"{trials} trials, seeds from {context.seed}; tested by paired sign flips."),
            (*data_lines(data), _small.points(context, data)[2]),
        )


def _told(numbers: Sequence[int]) -> str:
    """In words."""
    return ", ".join(map(str, numbers))


def _mean(values: Array) -> float:
    return float(values.mean())


def _low(values: Array) -> float:
    return float((values < SMALL).mean())


def _statistic(results: list[dict[str, Array]], kind: str, count: int,
               of: Callable[[Array], float]) -> Array:
    """A number of each layer's singular values, ``(trials, layers)``."""
    import numpy as np

    return np.array([[of(r[f"{kind}/{i}"]) for i in range(count)] for r in results])


def _plot(results: list[dict[str, Array]], kinds: Sequence[str], layers: Sequence[str]) -> Plot:
    import numpy as np

    panels = []
    for i, layer in enumerate(layers):
        values = {k: np.concatenate([r[f"{k}/{i}"].ravel() for r in results]) for k in kinds}
        top = float(max(np.quantile(v, 0.97) for v in values.values()))
        panels.append(Panel(
            layer, "singular value",
            "share below",
            tuple(cdf_curve(k, values[k], j, top) for j, k in enumerate(kinds))))
    return Plot(
        "Distribution functions of the singular values of layers, pooled over trials and epochs; "
        "lower curves mean larger singular values.", tuple(panels), 3)


def pool_claim() -> Claim:
    """The singular values of the zero-padded pool, as a matrix."""
    import torch

    from govcheck.numeric.experiments.small_models import pooled_identity

    eye = torch.eye(5 * 12 * 12, dtype=torch.float64).reshape(-1, 5, 12, 12)
    padded = torch.linalg.svdvals(pooled_identity(eye, 3, 20).flatten(1))
    pooled = torch.linalg.svdvals(pooled_identity(eye, 3, 5).flatten(1))
    rank = int((padded > 0.5).sum())
    return Claim(
        "pool", "the singular values of zero-padding after a scaled average pool A with "
        "A A^T = Id are all equal to one",
        (
            Pair("smallest of the min(inputs, outputs) singular values, 5x12x12 to 20x4x4",
                 float(padded.min()), 1.0, atol=ROUNDING),
            Pair("largest distance from 1 before the zero-padding", float((pooled - 1).abs().max()),
                 0.0, "at most", atol=ROUNDING, reading="as_corrected"),
            Pair("singular values equal to 1 after it", rank, pooled.numel(),
                 reading="as_corrected"),
        ),
        corrected="those of the pool are all one; after zero-padding as many stay one, and the "
        "others are zero",
        errata=(POOL.id,),
        remarks=(f"{rank} of {padded.numel()} are one, {padded.numel() - rank} are zero.",),
    )
