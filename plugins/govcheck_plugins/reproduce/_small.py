"""The 32 pictures and the trials that figures 2 and 3 of MacDonald et al. (2022) share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from govcheck.reproduce.protocol import Context
from govcheck_plugins.reproduce._figures import files_digest, kept

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from govcheck.numeric.experiments.pictures import Pictures

    Array = NDArray[np.float64]

POINTS: Final = 32
EPOCHS: Final = 50
CHOICES: Final = (
    "The paper gives neither step size nor channels nor kernels. They are those of the code the "
    "authors released with their article of 2023 (On skip connections and normalisation layers "
    "in deep optimisation, its MNIST part): conv 1->5 of 5x5, average pool 2, convolutions 2-3 of "
    "5x5 with 5 channels, convolution 4 of 1x1 and stride 3 (5->20), convolutions 5-6 of 3x3 "
    "(5->20 with stride 2, 20->20), batch norm before each ReLU, 320 features, cross-entropy, full "
    "batch, step size 0.1, torch's default initialisation.",
    "As in that code convolution 4 is on the shortcut around convolutions 5-6; Chain has its "
    "parameters but does not use them.",
    "The residual classifier of ResLin and ResLinProj is not in that code: its 'identity "
    "mapping' is taken as the projection to the first 10 features.",
    "The 32 pictures are drawn once; a trial is an initialisation, the same for the four models.",
)


def pictures(context: Context) -> Pictures:
    """MNIST-like files of the user's, else digits of scikit-learn."""
    from govcheck.numeric.experiments.pictures import digits, find_idx, read_mnist

    if context.data_root is not None and find_idx(context.data_root) is not None:
        return read_mnist(context.data_root)
    return digits()


def inputs(context: Context) -> str:
    """The files that would be read."""
    from govcheck.numeric.experiments.pictures import find_idx

    found = None if context.data_root is None else find_idx(context.data_root)
    return "digits" if found is None else files_digest(found)


def points(context: Context, data: Pictures) -> tuple[Array, NDArray[np.int64], str]:
    """The 32 pictures from 0 to 1, their labels, and a line that says which."""
    # one choice for both figures
    import numpy as np

    chosen = np.random.default_rng(context.seed).permutation(len(data.x))[:POINTS]
    line = f"{POINTS} of them at random (seed {context.seed}): {', '.join(map(str, chosen))}"
    return data.x[chosen] / 255.0, data.y[chosen], line


def run_trials(
    context: Context, data: Pictures, trials: int, epochs: int, spectra_at: Sequence[int] = (),
    samples: Sequence[int] = (), whole_at: Sequence[int] = (),
) -> list[dict[str, Array]]:
    """Losses and singular values of each trial.

    Returns:
        For each trial: ``KIND`` is the loss before each step; with ``spectra_at``, ``KIND/k`` are
        the singular values of layer k (with ``whole_at``, the last one is all of them as one
        map) and ``error/k`` by how much their distribution function may be off; shape
        ``(times, count)``.
    """
    import numpy as np
    import torch

    from govcheck.numeric.experiments.small_training import trial

    x, y, _ = points(context, data)
    before = torch.get_num_threads()
    # the matrices are small
    torch.set_num_threads(1)

    def one(seed: int) -> dict[str, Array]:
        result = trial(x, y, seed, epochs=epochs, spectra_at=spectra_at, samples=samples,
                       whole_at=whole_at)
        found: dict[str, Array] = dict(result.losses.items())
        for kind, times in result.spectra.items():
            for k in range(max(map(len, times.values()), default=0)):
                layer = [values[k] for values in times.values() if len(values) > k]
                found[f"{kind}/{k}"] = np.stack([v.values for v in layer])
                found[f"error/{k}"] = np.array([v.error for v in layer])
        return found

    parts = sorted(data.sha256.items()), epochs, *map(list, (spectra_at, samples, whole_at))
    name = " ".join(map(str, parts))
    try:
        results = []
        for k in range(trials):
            context.tick(k, trials)
            seed = context.seed_of("trial", k)
            results.append(kept(context, f"{name} {seed}", partial(one, seed)))
        context.tick(trials, trials)
    finally:
        torch.set_num_threads(before)
    return results
