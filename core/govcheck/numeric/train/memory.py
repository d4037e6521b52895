"""How much memory training takes, known before it begins."""

from __future__ import annotations

from math import prod
from typing import Final

from govcheck.analysis import Analysis, concrete
from govcheck.graph.weights import placed_layers
from govcheck.numeric.train.settings import Settings

COPIES: Final = 6
"""Of the parameters: drawn, trained, the start, gradients, momentum or a step, a checkpoint."""

KEPT: Final = 2
"""Of a layer's values: kept for the backward pass, and on their way."""


def peak(analysis: Analysis, settings: Settings) -> int:
    """Bytes at the peak of a step, the program itself apart.

    Raises:
        InputError: if a size has no value.
    """
    arch, env = analysis.architecture, analysis.env
    samples = 1 if analysis.data is None else len(analysis.data.dataset.x)
    batch = samples if settings.batch is None else min(samples, settings.batch)
    parameters, values = 0, 0
    for placed in placed_layers(arch.body, analysis.shapes, env):
        values += prod(concrete(placed.shape, env, placed.node))
        for p in placed.layer.parameters(placed.shape):
            parameters += prod(concrete(p.shape, env, f"{placed.node}.{p.name}"))
    data = samples * prod(concrete(arch.input, env, "input"))
    item = settings.torch_dtype.itemsize
    return item * (COPIES * parameters + KEPT * batch * values) + (8 + item) * data
