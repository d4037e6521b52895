"""Whether a weight of a layer is made of entries of parameters, unchanged."""

from __future__ import annotations

from collections.abc import Iterator
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


def sources(tensor: Tensor) -> list[Tensor]:
    """The parameters that a tensor is made of."""
    if tensor.grad_fn is None:
        return [tensor] if tensor.requires_grad else []
    return [s.variable for s in steps(tensor) if hasattr(s, "variable")]


def usage(tensor: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The parameters a tensor is made of, each with how often each entry of it occurs."""
    found = sources(tensor)
    if not found:
        return []
    with torch.enable_grad():
        counts = torch.autograd.grad(tensor.sum(), found, retain_graph=True)
    return list(zip(found, counts, strict=True))
