"""A network with the weights it starts from, and its data as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from govcheck.analysis import Analysis
from govcheck.errors import InputError, Problem
from govcheck.graph.weights import Array, initial_weights, placed_layers, placed_name
from govcheck.numeric.build import Network, build


def leaf_name(path: str) -> str:
    """The layer of a parameter, by the name that all copies in a repeat share."""
    return path.split(".")[-2]


def start_weights(analysis: Analysis) -> Mapping[tuple[str, str], Array]:
    """The weights that the architecture starts from, by (node, parameter).

    Raises:
        InputError: if a size has no value.
    """
    arch = analysis.architecture
    placed = placed_layers(arch.body, analysis.shapes, analysis.env)
    return initial_weights(placed, analysis.env, arch.init)


def load_weights(network: Network, weights: Mapping[tuple[str, str], Array]) -> None:
    """Put weights by (node, parameter) into a network built from the same graph.

    Raises:
        InputError: if a parameter is missing or has another shape.
    """
    problems = []
    with torch.no_grad():
        for path, p in network.named_parameters():
            given = weights.get(placed_name(path))
            if given is None or tuple(given.shape) != tuple(p.shape):
                have = "missing" if given is None else f"of shape {given.shape}"
                problems.append(
                    Problem("weights", f"the weights for {path} {tuple(p.shape)} are {have}")
                )
            else:
                p.copy_(torch.as_tensor(given))
    if problems:
        raise InputError(problems)


def initialised(
    analysis: Analysis, *, dtype: torch.dtype = torch.float64, device: str = "cpu"
) -> Network:
    """The network with its initial weights, drawn in float64 from ``init`` and its seed.

    They are the weights that bounds around the initial weights speak of.

    Args:
        analysis: of an architecture in which every size has a value.
        dtype: of the parameters.
        device: where they are.

    Raises:
        InputError: if a size has no value.
    """
    network = build(analysis.architecture)
    assert isinstance(network, Network)
    load_weights(network, start_weights(analysis))
    return network.to(dtype=dtype, device=device)


@dataclass(frozen=True, eq=False)
class Batch:
    """All samples: inputs ``(N, *shape)``, and targets as the cost takes them."""

    x: Tensor
    y: Tensor


def whole_batch(
    analysis: Analysis,
    network: Network,
    *,
    dtype: torch.dtype = torch.float64,
    device: str = "cpu",
) -> Batch:
    """The data of an analysis for its cost.

    Raises:
        InputError: without data or cost, or if they do not fit each other.
    """
    from govcheck.plugin.data import DataError, targets

    arch = analysis.architecture
    problems = []
    if arch.cost is None:
        problems.append(Problem("no-cost", "there is no cost, so no loss to go down", arch.file,
                                "add `cost:`, such as cost: square"))
    if analysis.data is None:
        problems.append(Problem("no-data", "there is no data to train on", arch.file,
                                "add `data:`, such as data: {digits: {n: 32}}"))
    if arch.cost is None or analysis.data is None:
        raise InputError(problems)
    try:
        y, _ = targets(
            analysis.data.dataset, prod(network.output_shape), arch.cost.classification
        )
    except DataError as error:
        raise InputError(Problem("data", str(error), arch.file)) from None
    x = torch.as_tensor(analysis.data.dataset.x).to(dtype=dtype, device=device)
    goal = torch.as_tensor(y)
    kind = dtype if goal.is_floating_point() else goal.dtype
    return Batch(x, goal.to(dtype=kind, device=device))
