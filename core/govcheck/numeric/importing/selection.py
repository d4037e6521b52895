"""Whether a weight of a layer is made of entries of parameters, unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from govcheck.plugin.importing import UnclaimedError

MOVES = frozenset({
    "Alias", "AsStrided", "Cat", "Clone", "Expand", "Permute", "ReshapeAlias", "Select", "Slice",
    "Split", "SplitWithSizes", "Squeeze", "Stack", "T", "Transpose", "Unbind", "Unsqueeze",
    "UnsafeView", "UnsafeSplit", "View", "Index", "IndexSelect", "ToCopy",
})
"""Steps of autograd that only move entries."""


def steps(tensor: Tensor) -> Iterator[Any]:
    """The nodes of autograd that a tensor comes from."""
    seen = set()
    stack = [] if tensor.grad_fn is None else [tensor.grad_fn]
    while stack:
        step = stack.pop()
        if step not in seen:
            seen.add(step)
            yield step
            stack += [s for s, _ in step.next_functions if s is not None]


def step_name(step: Any) -> str:
    """``View`` for ``ViewBackward0``."""
    return str(step.name()).rsplit("::", 1)[-1].rstrip("0123456789").removesuffix("Backward")


def untrained_or_computed(name: str, tensor: Tensor) -> None:
    """Refuse a weight that is not made of entries of trained parameters.

    Raises:
        UnclaimedError: if it is not trained, or computed from parameters.
    """
    if not tensor.requires_grad:
        raise UnclaimedError(
            f"its {name} is not trained, and architecture files have trained weights only "
            "(give it requires_grad to import it as trained)")
    others = sorted({
        step_name(s) for s in steps(tensor)
        if step_name(s) not in MOVES and "AccumulateGrad" not in s.name()
    })
    if others:
        raise UnclaimedError(
            f"its {name} is computed from parameters ({', '.join(others)}) in a way that is none "
            "of the weight parametrisations of architecture files")


def usage(weights: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """How often each entry of each parameter occurs in the weights.

    Args:
        weights: made of entries of parameters.
        parameters: of the module, by path.
    """
    with torch.enable_grad():
        total = sum((w.sum() for w in weights.values()), torch.zeros(()).double())
    assert isinstance(total, Tensor)
    names = list(parameters)
    if not total.requires_grad:
        return {n: torch.zeros_like(parameters[n]) for n in names}
    counts = torch.autograd.grad(
        total, [parameters[n] for n in names], allow_unused=True, materialize_grads=True)
    return dict(zip(names, counts, strict=True))
