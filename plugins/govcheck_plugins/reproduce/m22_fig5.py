"""Figure 5 of MacDonald et al. (2022): ResNets on CIFAR-100, original and modified."""

from __future__ import annotations

from typing import ClassVar

from govcheck.bounds.answer import Ref
from govcheck.reproduce.plot import Plot
from govcheck.reproduce.protocol import Context, Outcome, Reproduction
from govcheck_plugins.reproduce import _residual
from govcheck_plugins.reproduce._common import macdonald
from govcheck_plugins.reproduce._figures import data_lines


class Figure5(Reproduction):
    """Training speed of modified ResNets on CIFAR-100, or on patches with many labels."""

    name: ClassVar[str] = "m22-fig5"
    title: ClassVar[str] = "Modified ResNets train faster at first, with more labels"
    reference: ClassVar[Ref] = macdonald("Fig 5")
    quick_seconds: ClassVar[float] = 52
    full_seconds: ClassVar[float] = 400

    def inputs(self, context: Context) -> str:
        return _residual.inputs(context, 100)

    def run(self, context: Context) -> Outcome:
        runs = _residual.Runs(context, 100)
        curves = runs.curves(0)
        claims, table = runs.claims(curves)
        return Outcome(
            tuple(claims), (table,),
            Plot(f"Loss on {runs.data.classes} labels, mean of {runs.trials} trials with two "
                 "standard errors.", (runs.panel(curves),), 1),
            (*_residual.CHOICES, *runs.notes), data_lines(runs.data))
