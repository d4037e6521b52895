"""Training of the small models side by side, with spectra along the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from govcheck.numeric.experiments.small_models import KINDS, Kind, models
from govcheck.numeric.experiments.small_spectra import LayerValues, layer_values

STEP: Final = 0.1

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trial:
    """One initialisation, shared by the four models.

    Args:
        seed: of it.
        losses: of each model before each step, ``(epochs,)``.
        spectra: of each model, by epoch.
    """

    seed: int
    losses: dict[Kind, Array]
    spectra: dict[Kind, dict[int, list[LayerValues]]]


def trial(
    x: Array, labels: NDArray[np.int64], seed: int, *, epochs: int = 50,
    spectra_at: Sequence[int] = (), whole_at: Sequence[int] = (),
    samples: Sequence[int] | None = None, step: float = STEP, device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> Trial:
    """Train the four models by full-batch gradient descent with cross-entropy.

    Args:
        x: images ``(N, 28, 28)``, values from 0 to 1.
        labels: ``(N,)``, 0 to 9.
        seed: of the initialisation.
        epochs: steps; one step is one epoch.
        spectra_at: epochs before whose step the layers' singular values are taken.
        whole_at: those of them at which the layers as one map are taken too.
        samples: see `layer_values`.
        step: size.
        device: where to compute.
        progress: gets a line for each model.
    """
    place = torch.device(device)
    images = torch.as_tensor(x, dtype=torch.float32, device=place).unsqueeze(1)
    targets = torch.as_tensor(labels, device=place)
    losses: dict[Kind, Array] = {}
    spectra: dict[Kind, dict[int, list[LayerValues]]] = {k: {} for k in KINDS}
    for kind, net in models(seed, place).items():
        optimiser = torch.optim.SGD(net.parameters(), lr=step)
        seen = []
        for epoch in range(epochs):
            if epoch in spectra_at:
                spectra[kind][epoch] = layer_values(
                    net, images, samples, whole=epoch in whole_at)
            optimiser.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(net(images), targets)
            seen.append(loss.item())
            torch.autograd.backward(loss)
            optimiser.step()
        losses[kind] = np.array(seen)
        if progress is not None:
            progress(f"seed {seed}, {kind}: loss {seen[0]:.3f} -> {seen[-1]:.4f}")
    return Trial(seed, losses, spectra)
