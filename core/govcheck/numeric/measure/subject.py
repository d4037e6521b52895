"""What is measured: a network at one point of its parameters, on one batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cached_property
from math import prod
from typing import Self

import torch
from torch import Tensor, nn
from torch.func import functional_call

from govcheck.analysis import Analysis
from govcheck.errors import InputError, Problem
from govcheck.numeric.affine import AffineMap, ScaleMap
from govcheck.numeric.build import Copies, Network
from govcheck.numeric.conv import ConvMap
from govcheck.numeric.initial import initialised, whole_batch
from govcheck.numeric.measure.record import speed, stopwatch
from govcheck.numeric.modules import Elementwise
from govcheck.numeric.norms import FixedNorm, Normalise
from govcheck.numeric.pooling import GlobalMean, Pool
from govcheck.numeric.rearrange import Patches, Reshape, Transpose, ZeroPad

Loss = Callable[[Tensor, Tensor], Tensor]

APART = (
    Network, Copies, AffineMap, ScaleMap, ConvMap, Elementwise, Normalise, FixedNorm, GlobalMean,
    Pool, Reshape, Patches, Transpose, ZeroPad,
)
APART_TORCH = (
    nn.Sequential, nn.Linear, nn.Conv1d, nn.Conv2d, nn.Tanh, nn.ReLU, nn.GELU, nn.SiLU, nn.Softplus,
    nn.Sigmoid, nn.Flatten, nn.Unflatten, nn.Identity, nn.LayerNorm, nn.AvgPool2d, nn.MaxPool2d,
)
"""Modules that take each sample by itself, but for a norm over samples, which is asked first."""

GRADIENT = 4
"""A gradient takes about so many times what the first forward pass takes."""


class Subject:
    """A module with parameters, a batch and a loss, all fixed.

    The outputs of the whole batch are one vector u of length ``n c``, sample by sample.

    Args:
        module: maps ``(n, *shape)`` to ``(n, *shape_out)``.
        x: the batch.
        targets: as `loss` takes them.
        loss: of all outputs and targets, a number.
        dtype: of the arithmetic.
        device: where it runs.
        copied: work on a copy of the module; without, it must be left alone from here on.
    """

    def __init__(
        self,
        module: nn.Module,
        x: Tensor,
        targets: Tensor | None = None,
        loss: Loss | None = None,
        *,
        dtype: torch.dtype = torch.float64,
        device: str = "cpu",
        copied: bool = True,
    ) -> None:
        self.dtype, self.device = dtype, device
        own = copy.deepcopy(module) if copied else module
        self.module = own.to(dtype=dtype, device=device)
        self.x = x.to(dtype=dtype, device=device)
        if targets is not None:
            kept = targets.dtype if not targets.is_floating_point() else dtype
            targets = targets.to(dtype=kept, device=device)
        self.targets, self._loss = targets, loss
        self._forward: float | None = None
        self.slices: dict[str, slice] = {}
        self.shapes: dict[str, torch.Size] = {}
        size = 0
        for name, p in self.module.named_parameters():
            self.slices[name] = slice(size, size + p.numel())
            self.shapes[name] = p.shape
            size += p.numel()
        self.parameters = size
        with torch.no_grad():
            one = self.module(self.x[:1])
        self.samples = self.x.shape[0]
        self.width = prod(one.shape[1:])
        self.rows = self.samples * self.width
        self.unit = torch.finfo(dtype).eps / 2

    def __call__(self, theta: Tensor, x: Tensor | None = None) -> Tensor:
        """Outputs at other parameters or on another batch."""
        result: Tensor = functional_call(
            self.module, self.split(theta), (self.x if x is None else x,)
        )
        return result

    def split(self, theta: Tensor) -> dict[str, Tensor]:
        """A vector of all parameters as arrays by name."""
        # all at once: the derivative of single slices would be as long as theta for each
        parts = torch.split(theta, [shape.numel() for shape in self.shapes.values()])
        return {n: p.reshape(shape)
                for (n, shape), p in zip(self.shapes.items(), parts, strict=True)}

    @property
    def has_loss(self) -> bool:
        """Whether there is a loss."""
        return self._loss is not None and self.targets is not None

    def cost(self, outputs: Tensor) -> Tensor:
        """The loss of given outputs.

        Raises:
            InputError: if there is no loss.
        """
        if self._loss is None or self.targets is None:
            raise InputError(
                Problem("no-loss", "the network has no cost or no data, so there is no loss",
                        hint="add `cost:` and `data:` to the file")
            )
        return self._loss(outputs.reshape(self.samples, -1), self.targets)

    def loss(self, theta: Tensor) -> Tensor:
        """The loss at given parameters."""
        return self.cost(self(theta))

    def at(self, theta: Tensor) -> Self:
        """The same network, batch and loss at other parameters."""
        moved = copy.copy(self)
        moved.module = copy.deepcopy(self.module)
        with torch.no_grad():
            for name, p in moved.module.named_parameters():
                p.copy_(theta[self.slices[name]].reshape(p.shape))
        for name in ("theta", "outputs"):
            moved.__dict__.pop(name, None)
        return moved

    def in_dtype(self, dtype: torch.dtype) -> Self:
        """The same network, batch and loss, copied into other arithmetic."""
        moved = copy.copy(self)
        moved.module = copy.deepcopy(self.module).to(dtype=dtype)
        moved.dtype, moved.x, moved.unit = dtype, self.x.to(dtype), torch.finfo(dtype).eps / 2
        if self.targets is not None and self.targets.is_floating_point():
            moved.targets = self.targets.to(dtype)
        for name in ("theta", "outputs"):
            moved.__dict__.pop(name, None)
        return moved

    @cached_property
    def outputs(self) -> Tensor:
        """What the module gives, shaped as it gives it."""
        with torch.no_grad(), stopwatch(self.device) as clock:
            out: Tensor = self.module(self.x)
        self._forward = clock.seconds
        return out

    @property
    def gradient_seconds(self) -> float:
        """About what one gradient takes: from the forward pass once there was one, before from
        the number of parameters."""
        if self._forward is None:
            return GRADIENT * 2 * self.samples * self.parameters / speed(self.dtype, self.device)
        return GRADIENT * self._forward

    @cached_property
    def theta(self) -> Tensor:
        """All parameters as one vector."""
        flat = [p.detach().reshape(-1) for p in self.module.parameters()]
        return torch.cat(flat) if flat else self.x.new_zeros(0)

    @cached_property
    def coupled(self) -> bool:
        """Whether an output may depend on other samples than its own.

        True where a layer normalises over samples, or where derivatives show it for the
        first or the last sample.
        """
        for m in self.module.modules():
            if isinstance(m, Normalise) and 0 in m.dims:
                return True
            if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training:
                return True
        if self.samples == 1 or not self.rows:
            return False
        if all(isinstance(m, APART) or type(m) in APART_TORCH for m in self.module.modules()):
            return False
        x = self.x.clone().requires_grad_()
        out = self.module(x).reshape(self.samples, -1)
        if not out.requires_grad:
            return False
        generator = torch.Generator().manual_seed(0)
        weights = torch.randn(self.width, generator=generator, dtype=torch.float64).to(out)
        for i in (0, self.samples - 1):
            (g,) = torch.autograd.grad(
                (out[i] * weights).sum(), x, retain_graph=True, allow_unused=True
            )
            if g is not None and bool(torch.cat([g[:i], g[i + 1:]]).any()):
                return True
        return False

    def layer_slices(self) -> dict[str, list[slice]]:
        """Places of the parameters of each layer, by the layer's path."""
        found: dict[str, list[slice]] = {}
        for name, place in self.slices.items():
            found.setdefault(name.rpartition(".")[0] or "network", []).append(place)
        return found


def units(module: nn.Module) -> dict[str, nn.Module]:
    """The layers with parameters, by path: the whole layers of a `Network`, and of any other
    module all modules that own parameters."""
    found: dict[str, nn.Module] = {}

    def walk(prefix: str, m: nn.Module) -> None:
        for name, child in m.named_children():
            path = f"{prefix}.{name}" if prefix else name
            if isinstance(child, Network | Copies):
                walk(path, child)
            elif next(child.parameters(), None) is not None:
                found[path] = child

    if isinstance(module, Network):
        walk("", module)
        return found
    return {
        name: m for name, m in module.named_modules() if next(m.parameters(recurse=False), None)
        is not None
    }


def copies(module: nn.Module) -> dict[str, int]:
    """Numbers of copies in the repeats of a network, by path."""
    return {path: len(m) for path, m in module.named_modules() if isinstance(m, Copies)}


def subject(
    analysis: Analysis,
    state: Mapping[str, Tensor] | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    device: str = "cpu",
) -> tuple[Subject, Tensor]:
    """The network of an analysis on its data, and the parameters it starts from.

    Args:
        analysis: of an architecture in which every size has a value, with data.
        state: parameters and buffers of a checkpoint; the initial weights when omitted.
        dtype: of the arithmetic.
        device: where it runs.

    Returns:
        The subject at the given weights, and the initial parameters as one float64 vector.

    Raises:
        InputError: without data, or if the checkpoint does not fit.
    """
    arch = analysis.architecture
    if analysis.data is None:
        raise InputError(
            Problem("no-data", "there is no data to measure on", arch.file, "add `data:`")
        )
    network = initialised(analysis)
    flat = [p.detach().reshape(-1).clone() for p in network.parameters()]
    start = torch.cat(flat) if flat else torch.zeros(0, dtype=torch.float64)
    if state is not None:
        try:
            network.load_state_dict(dict(state))
        except RuntimeError as error:
            text = " ".join(str(error).split())
            raise InputError(
                Problem("checkpoint", f"the checkpoint does not fit the network: {text[:300]}",
                        arch.file, "it takes a checkpoint of this architecture")
            ) from None
    if arch.cost is None:
        x = torch.as_tensor(analysis.data.dataset.x)
        return Subject(network, x, dtype=dtype, device=device, copied=False), start
    batch = whole_batch(analysis, network)
    made = Subject(network, batch.x, batch.y, arch.cost.loss, dtype=dtype, device=device,
                   copied=False)
    return made, start
