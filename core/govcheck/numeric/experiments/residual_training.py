"""Training of the ResNets by the recipe of the paper, original and modified side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from govcheck.numeric.experiments.pictures import Pictures
from govcheck.numeric.experiments.residual_models import Design, build

Array = NDArray[np.float64]
DESIGNS: Final[tuple[Design, ...]] = ("original", "kernel", "operator")


@dataclass(frozen=True)
class Recipe:
    """The recipe of github.com/kuangliu/pytorch-cifar, which the paper names.

    Args:
        batch: size.
        step: of stochastic gradient descent, at the start of a cosine.
        momentum, decay: of it.
        epochs: length of the cosine.
        augment: shifts by up to 4 and mirror images.
    """

    batch: int = 128
    step: float = 0.1
    momentum: float = 0.9
    decay: float = 5e-4
    epochs: int = 200
    augment: bool = True


@dataclass(frozen=True)
class Size:
    """How large the models are: the published size is the default."""

    width: int = 64
    depths: tuple[int, ...] = (2, 2, 2, 2)


def normalised(pictures: Pictures, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pictures with mean 0 and deviation 1 in each channel over the set, and labels."""
    x = torch.as_tensor(pictures.x, device=device).float() / 255
    mean, deviation = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
    return (x - mean) / deviation, torch.as_tensor(pictures.y, device=device)


def augmented(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture shifted by up to 4 with zeros around, and mirrored or not."""
    n, _, side, _ = x.shape
    shifts = torch.randint(0, 9, (n, 2), generator=generator).to(x.device)
    flips = (torch.rand(n, generator=generator) < 0.5).to(x.device)
    padded = functional.pad(x, (4, 4, 4, 4))
    at = torch.arange(side, device=x.device)
    rows = shifts[:, :1] + at
    columns = shifts[:, 1:] + torch.where(flips[:, None], side - 1 - at, at)
    sample = torch.arange(n, device=x.device)[:, None, None]
    picked = padded.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2).contiguous()


def losses(
    x: Tensor, y: Tensor, classes: int, design: Design, seed: int, *, steps: int | None = None,
    size: Size = Size(), recipe: Recipe = Recipe(),
    progress: Callable[[int], None] = lambda step: None,
) -> Array:
    """Train one model.

    Args:
        x, y: normalised pictures and labels.
        classes: number of labels.
        design: which model.
        seed: of initialisation, order and augmentation; the order is the same for every design.
        steps: stop after so many steps; all epochs if None.
        size: of the model.
        recipe: how.
        progress: gets the number of steps done.

    Returns:
        The loss of each batch before its step.
    """
    net = build(design, classes, size.width, size.depths, seed, x.device)
    optimiser = torch.optim.SGD(net.parameters(), lr=recipe.step, momentum=recipe.momentum,
                                weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs)
    generator = torch.Generator().manual_seed(seed)
    seen: list[Tensor] = []
    wanted = recipe.epochs * -(-len(x) // recipe.batch) if steps is None else steps
    for _ in range(recipe.epochs):
        order = torch.randperm(len(x), generator=generator)
        for picked in torch.split(order, recipe.batch):
            if len(seen) == wanted:
                break
            chosen = picked.to(x.device)
            pictures = x[chosen]
            if recipe.augment:
                pictures = augmented(pictures, generator)
            optimiser.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(net(pictures), y[chosen])
            torch.autograd.backward(loss)
            optimiser.step()
            seen.append(loss.detach())
            progress(len(seen))
        if len(seen) == wanted:
            break
        schedule.step()
    found: Array = torch.stack(seen).double().cpu().numpy()
    return found


def initial_speed(curves: Array, steps: int) -> Array:
    """Minus the mean loss over the first steps, of each trial: larger is faster."""
    found: Array = -curves[:, :steps].mean(1)
    return found
