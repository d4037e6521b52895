"""Figure 3 of MacDonald et al. (2022): loss curves of four models of 32 pictures."""

from __future__ import annotations

from typing import ClassVar

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Panel, Plot
from govcheck.reproduce.protocol import Context, Outcome, Reproduction, Table
from govcheck_plugins.reproduce import _small
from govcheck_plugins.reproduce._common import macdonald
from govcheck_plugins.reproduce._figures import (
    against,
    band_curve,
    claim,
    comparison_table,
    data_lines,
)


class Figure3(Reproduction):
    """Training speed of Chain, Res, ResLin and ResLinProj on 32 pictures, over trials."""

    name: ClassVar[str] = "m22-fig3"
    title: ClassVar[str] = "Skip connections speed up training"
    reference: ClassVar[Ref] = macdonald("Fig 3")
    quick_seconds: ClassVar[float] = 18
    full_seconds: ClassVar[float] = 130

    def inputs(self, context: Context) -> str:
        return _small.inputs(context)

    def run(self, context: Context) -> Outcome:
        import numpy as np

        from govcheck.numeric.experiments.small_models import KINDS
        from govcheck.numeric.experiments.statistics import ordering

        data = _small.pictures(context)
        trials, epochs = context.size((10, 30), (60, _small.EPOCHS))
        results = _small.run_trials(context, data, trials, epochs)
        curves = {k: np.stack([r[k] for r in results]) for k in KINDS}
        speeds = [-curves[k].mean(1) for k in KINDS]
        early = [-curves[k][:, :10].mean(1) for k in KINDS]
        seed = context.seed_of("test")
        whole, first = ordering(KINDS, speeds, seed), ordering(KINDS, early, seed)
        return Outcome(
            (claim(
                "speed", "on 32 pictures the training speeds increase from Chain over Res and "
                "ResLin to ResLinProj", whole, f"minus the mean loss over {epochs} epochs",
                against([("minus the mean loss of 10 epochs", c) for c in first])),),
            (
                comparison_table("Training speed, neighbours in the claimed order", [
                    *((f"minus the mean loss, {epochs} epochs", c) for c in whole),
                    *(("minus the mean loss, 10 epochs", c) for c in first)]),
                Table("Mean loss over trials", ("model", "first", "epoch 5", "epoch 10", "last"),
                      tuple((k, *(float(curves[k][:, e].mean()) for e in (0, 5, 10, -1)))
                            for k in KINDS)),
            ),
            Plot(
                f"Loss on 32 pictures, mean of {trials} trials with two standard errors.",
                (Panel("training loss", "epoch", "cross-entropy", tuple(
                    band_curve(k, curves[k], i) for i, k in enumerate(KINDS)), y_scale="log"),),
                1,
            ),
            (*_small.CHOICES,
             "Speed is minus the mean training loss over the epochs; tested by paired sign flips.",
             f"{trials} trials, seeds from {context.seed}."),
            (*data_lines(data), _small.points(context, data)[2]),
        )
