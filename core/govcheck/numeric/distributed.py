"""Sums over processes, exact under every derivative, and decisions that all processes share.

A tensor is either the same in all processes or split over them along its first dimension. A
derivative in the first kind is again the same everywhere, one in the second is split: the
functions here are each other's adjoints under that rule, so that whatever is built from them
is differentiated in the ordinary way, forward, backward, under ``vmap``, to any order.
Without other processes nothing here does anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function

from govcheck.errors import InputError, Problem

Group = Any


@dataclass(frozen=True)
class Processes:
    """This process among those that work together.

    Args:
        rank: from 0.
        size: how many there are.
        group: as ``torch.distributed`` names them; None for all.
    """

    rank: int
    size: int
    group: Group = None

    def place(self, n: int) -> slice:
        """Which of n samples are this process's; shares differ by one at most.

        Raises:
            InputError: if some process would have none.
        """
        if n < self.size:
            raise InputError(
                Problem("too-few", f"{n} samples cannot be shared by {self.size} processes",
                        "data", f"start at most {n} processes, or use more samples")
            )
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)


@dataclass(frozen=True)
class Sharing:
    """Samples that are split over processes while a network runs."""

    processes: Processes
    samples: int


_together: ContextVar[Processes | None] = ContextVar("together", default=None)
_sharing: ContextVar[Sharing | None] = ContextVar("sharing", default=None)


@contextmanager
def together(processes: Processes | None) -> Iterator[None]:
    """Decide with the others, see `agreed`, for the length of a block."""
    token = _together.set(processes)
    try:
        yield
    finally:
        _together.reset(token)


@contextmanager
def sharing(processes: Processes, samples: int) -> Iterator[None]:
    """Take means over all samples, see `batch_mean`, for the length of a block."""
    token = _sharing.set(Sharing(processes, samples))
    try:
        yield
    finally:
        _sharing.reset(token)


def agreed(number: float) -> float:
    """The first process's number, for decisions that must not differ: when to stop."""
    found = _together.get()
    if found is None or found.size == 1:
        return number
    cell = torch.tensor([number], dtype=torch.float64)
    dist.broadcast(cell, 0, group=found.group)
    return float(cell)


def batch_mean(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Mean over dimensions, which stay with length 1; over the samples of all processes where
    dimension 0 is one of them and the samples are split."""
    found = _sharing.get()
    if found is None or 0 not in {d % x.ndim for d in dims}:
        return x.mean(dims, keepdim=True)
    group = found.processes.group
    count = found.samples * math.prod(x.shape[d] for d in {d % x.ndim for d in dims} - {0})
    whole = _apply(Sum, x.sum(dims, keepdim=True), group)
    # what is the same everywhere is used by each process for its own samples
    return same(whole, group) / count


def same(x: Tensor, group: Group = None) -> Tensor:
    """A tensor that is the same everywhere, for use with this process's samples."""
    return _apply(Same, x, group)


def own(x: Tensor, processes: Processes) -> Tensor:
    """This process's samples of a batch."""
    return _apply(Split, x, processes)


def whole(x: Tensor, processes: Processes, samples: int) -> Tensor:
    """The batch of all samples from each process's own: one sum over processes."""
    return _apply(Join, x, processes, samples)


def _apply(function: type[Function], *arguments: Any) -> Tensor:
    found: Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return found


class Sum(Function):
    """The sum over processes of what each has; the derivative passes unchanged."""

    @staticmethod
    def forward(x: Tensor, group: Group) -> Tensor:
        total = x.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.group = inputs[1]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return _apply(Same, g, ctx.group), None

    @staticmethod
    def jvp(ctx: Any, x: Tensor, group: None) -> Tensor:
        return _apply(Sum, x, ctx.group)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], x: Tensor, group: Group) -> tuple[Tensor, int]:
        return _apply(Sum, x, group), in_dims[0]


class Same(Function):
    """The identity on what is the same everywhere; derivatives are added up."""

    @staticmethod
    def forward(x: Tensor, group: Group) -> Tensor:
        return x.detach().clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.group = inputs[1]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return _apply(Sum, g, ctx.group), None

    @staticmethod
    def jvp(ctx: Any, x: Tensor, group: None) -> Tensor:
        return _apply(Same, x, ctx.group)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], x: Tensor, group: Group) -> tuple[Tensor, int]:
        return _apply(Same, x, group), in_dims[0]


class Split(Function):
    """This process's part along the first dimension; derivatives are joined."""

    @staticmethod
    def forward(x: Tensor, processes: Processes) -> Tensor:
        return x.detach()[processes.place(x.shape[0])].clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.processes, ctx.samples = inputs[1], inputs[0].shape[0]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return _apply(Join, g, ctx.processes, ctx.samples), None

    @staticmethod
    def jvp(ctx: Any, x: Tensor, processes: None) -> Tensor:
        return _apply(Split, x, ctx.processes)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int, None], x: Tensor, processes: Processes
    ) -> tuple[Tensor, int]:
        # samples stay in front
        return _apply(Split, x.movedim(in_dims[0], -1), processes), x.ndim - 1


class Join(Function):
    """All parts along the first dimension, in the order of the processes."""

    @staticmethod
    def forward(x: Tensor, processes: Processes, samples: int) -> Tensor:
        total = x.new_zeros(samples, *x.shape[1:])
        total[processes.place(samples)] = x.detach()
        # adding zeros is exact, and shares need not be of one size
        dist.all_reduce(total, group=processes.group)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.processes, ctx.samples = inputs[1], inputs[2]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        return _apply(Split, g, ctx.processes), None, None

    @staticmethod
    def jvp(ctx: Any, x: Tensor, processes: None, samples: None) -> Tensor:
        return _apply(Join, x, ctx.processes, ctx.samples)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int, None, None], x: Tensor, processes: Processes, samples: int
    ) -> tuple[Tensor, int]:
        return _apply(Join, x.movedim(in_dims[0], -1), processes, samples), x.ndim - 1
