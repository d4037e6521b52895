"""What figures 4 and 5 of MacDonald et al. (2022) share: pictures, trials, claims."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from govcheck.reproduce.plot import Panel
from govcheck.reproduce.protocol import Claim, Context, Table
from govcheck_plugins.reproduce._figures import (
    band_curve,
    claim,
    comparison_table,
    files_digest,
    kept_curve,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from govcheck.numeric.experiments.residual_models import Design
    from govcheck.numeric.experiments.residual_training import Size

    Array = NDArray[np.float64]

NAMES: Final[dict[Design, str]] = {
    "original": "original",
    "kernel": "modified (kernel norm)",
    "operator": "modified (operator norm)",
}
SOME: Final = 4096
EPOCH: Final = 391
"""Steps of an epoch of CIFAR with batches of 128."""
STAGES: Final = 8
"""Channels of the last stage over those of the first."""
CELLS: Final = {10: (1, 1), 100: (2, 3)}
CHOICES: Final = (
    "Original: the pre-activation ResNet of the repository the paper names; modified: its three "
    "changes. 'Non-normalised' convolutions are those that no batch norm follows, the first one "
    "and the last of each block; their trained norms start uniformly on [-1, 1], torch's default "
    "for a linear map of one input.",
    "Spectral normalisation is run in both readings: by the norm of the reshaped kernel and by "
    "that of the convolution on pictures with zeros around; each by one power iteration a step.",
    "The classifier's 'identity mapping' is the projection to the first features; its W starts "
    "at random, its trained norm and its bias at 0.",
    "Recipe: batch 128, SGD with step 0.1 on a cosine of 200 epochs, momentum 0.9, weight decay "
    "5e-4, shifts by up to 4 and mirror images.",
)


def has_cifar(context: Context, classes: int) -> bool:
    """Whether the user has the binary files."""
    from govcheck.numeric.experiments.pictures import find_cifar

    return context.data_root is not None and find_cifar(context.data_root, classes) is not None


def inputs(context: Context, classes: int) -> str:
    """The files that would be read, or the photographs at hand."""
    from govcheck.numeric.experiments.pictures import find_cifar

    found = None if context.data_root is None else find_cifar(context.data_root, classes)
    if found is not None:
        return files_digest(found)
    return "photographs of scikit-learn" + (" and scikit-image" if find_spec("skimage") else "")


class Runs:
    """The training runs of a figure.

    Args:
        context: size and seeds.
        classes: 10 or 100, of CIFAR.

    With CIFAR at full size: the published models, 10 trials of all epochs, on a GPU if there is
    one. Otherwise the same code on a scale that fits two cores.
    """

    def __init__(self, context: Context, classes: int) -> None:
        import torch

        from govcheck.numeric.experiments.photographs import patches
        from govcheck.numeric.experiments.pictures import read_cifar
        from govcheck.numeric.experiments.residual_training import Recipe, Size

        self.context, self.recipe = context, Recipe()
        self.cifar = has_cifar(context, classes)
        self.published = self.cifar and not context.quick
        self.device = torch.device(
            "cuda" if self.published and torch.cuda.is_available() else "cpu")
        if self.cifar:
            assert context.data_root is not None
            self.data = read_cifar(context.data_root, classes)
            if not self.published:
                chosen = context.draw("pictures").permutation(len(self.data.x))[:SOME]
                self.data = replace(self.data, x=self.data.x[chosen], y=self.data.y[chosen],
                                    source=f"{self.data.source}, {SOME} of them at random")
        else:
            self.data = patches(context.size(1024, 4096), context.seed_of("patches"),
                                cells=CELLS[classes])
        # the residual classifier needs as many features as labels
        width = max(8, -(-self.data.classes // STAGES))
        self.size: Size = Size() if self.published else Size(width, (1, 1, 1, 1))
        self.trials = context.size(6, 10)
        self.steps = None if self.published else context.size(16, 64)
        self.early = EPOCH if self.published else context.size(16, 32)

    @property
    def notes(self) -> tuple[str, ...]:
        """How large it was."""
        length = "all epochs" if self.steps is None else f"{self.steps} steps"
        return (
            f"{self.trials} trials of {length} with width {self.size.width} and "
            f"{'-'.join(map(str, self.size.depths))} blocks (published size: width 64, 2-2-2-2 "
            f"blocks, 200 epochs), on {self.device.type}; a trial is one seed of initialisation, "
            "order and augmentation for all models.",
            f"Initial speed is minus the mean loss of the first {self.early} steps; tested by "
            "paired sign flips.",
        )

    def curves(self, others: int) -> dict[Design, Array]:
        """Loss curves, ``(trials, steps)``.

        Args:
            others: parts of the work that come later, for the progress.
        """
        import numpy as np
        import torch

        from govcheck.numeric.experiments.residual_training import DESIGNS, losses, normalised

        x, y = normalised(self.data, self.device)
        total = self.trials * len(DESIGNS) + others
        found: dict[Design, list[Array]] = {d: [] for d in DESIGNS}
        base = f"{sorted(self.data.sha256.items())} {self.size} {self.recipe} {self.steps}"
        before = torch.get_num_threads()
        if not self.published:
            torch.set_num_threads(1)
        try:
            for k in range(self.trials):
                for j, design in enumerate(DESIGNS):
                    self.context.tick(k * len(DESIGNS) + j, total)
                    seed = self.context.seed_of("trial", k)
                    run = partial(
                        losses, x, y, self.data.classes, design, seed, steps=self.steps,
                        size=self.size, recipe=self.recipe)
                    found[design].append(kept_curve(
                        self.context, f"{base} {design} {seed}", run))
        finally:
            torch.set_num_threads(before)
        return {d: np.stack(c) for d, c in found.items()}

    def claims(self, curves: dict[Design, Array]) -> tuple[list[Claim], Table]:
        """Speed from the start in both readings, and who is ahead at the end."""
        from govcheck.numeric.experiments.residual_training import initial_speed
        from govcheck.numeric.experiments.statistics import compare

        seed = self.context.seed_of("test")
        rows, claims = [], []
        what = f"minus the mean loss of the first {self.early} steps"
        old = initial_speed(curves["original"], self.early)
        for design in ("kernel", "operator"):
            c = compare("original", NAMES[design], old, initial_speed(curves[design], self.early),
                        seed)
            rows.append((what, c))
            claims.append(claim(
                f"speed-{design}", "the modifications result in faster training speed from "
                f"initialisation ({design} norm)", (c,), what))
        end = "although [they] are ultimately caught up to by the originals"
        if not self.published:
            claims.append(Claim("end", end, reason=(
                "it takes 200 epochs of the published models on CIFAR: --data-root and a GPU")))
        else:
            ends = {d: -c[:, -EPOCH:].mean(1) for d, c in curves.items()}
            last = compare(NAMES["kernel"], "original", ends["kernel"], ends["original"], seed)
            what = f"minus the mean loss of the last {EPOCH} steps"
            rows.append((what, last))
            claims.append(claim("end", end, (last,), what))
        return claims, comparison_table("Modified against original", rows)

    def panel(self, curves: dict[Design, Array]) -> Panel:
        """Loss curves with bands; long ones by means over epochs."""
        pace = EPOCH if self.published else 1
        shown = {d: c[:, :c.shape[1] // pace * pace].reshape(len(c), -1, pace).mean(2)
                 for d, c in curves.items()}
        return Panel(
            "training loss", "epoch" if self.published else "step", "cross-entropy",
            tuple(band_curve(NAMES[d], c, i) for i, (d, c) in enumerate(shown.items())),
            y_scale="log" if self.published else "linear")

