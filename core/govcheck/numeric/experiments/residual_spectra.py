"""What the paper calls too costly: singular values of the layers of the ResNets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from govcheck.numeric.experiments.residual_models import Design, build
from govcheck.numeric.experiments.residual_training import Size
from govcheck.numeric.measure.spectra import layer_spectrum

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BlockSpectrum:
    """The distribution of singular values of a layer, coupling by batch norm included.

    Args:
        layer: ``block k`` or ``classifier``.
        rows, columns: of the Jacobian of the batch.
        percentiles: 0 to 100.
        error: of the distribution function, away from atoms.
    """

    layer: str
    rows: int
    columns: int
    percentiles: Array
    error: float

    @property
    def mean(self) -> float:
        """Of the singular values, by the percentiles."""
        p = self.percentiles
        return float(((p[1:] + p[:-1]) / 2).mean())


def block_spectra(
    x: Tensor, classes: int, design: Design, seed: int, *, size: Size, steps: int,
    probes: int = 1,
) -> list[BlockSpectrum]:
    """Singular values of all blocks and the classifier at initialisation, in train mode.

    Args:
        x: a batch of normalised pictures.
        classes: number of labels.
        design: which model.
        seed: of the initialisation.
        size: of the model.
        steps: of the Golub-Kahan process.
        probes: random vectors it starts from.
    """
    net = build(design, classes, size.width, size.depths, seed, x.device)
    names: Sequence[str] = [*(f"blocks.{k}" for k in range(len(net.blocks))), "linear"]
    found = []
    for name in names:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if name == "linear":
                s = layer_spectrum(net, name, x)
            else:
                s = layer_spectrum(net, name, x, method="lanczos", probes=probes, steps=steps,
                                   seed=seed)
        shown = "classifier" if name == "linear" else f"block {int(name.split('.')[1]) + 1}"
        found.append(BlockSpectrum(
            shown, s.rows, s.columns,
            np.array([s.distribution.quantile(q / 100) for q in range(101)]),
            s.distribution.error))
    return found
