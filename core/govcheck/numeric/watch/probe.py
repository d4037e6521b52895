"""What is measured at one moment of a training loop, without disturbing it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

import torch
from torch import Tensor, nn

from govcheck.numeric.measure.lanczos import extremes

Call = Callable[..., Any]
Objective = Callable[[Call], Tensor]
Outputs = Callable[[Call], Tensor]


@dataclass(frozen=True)
class Curvature:
    """The largest eigenvalue of the Hessian of the probe's loss.

    Args:
        value: a Rayleigh quotient: the true one is at least as large, up to `floor`.
        error: an eigenvalue lies within so much of `value`.
        floor: what rounding in the arithmetic of the model may contribute.
        products: products with the Hessian that it took.
        converged: whether the residual came below the tolerance.
    """

    value: float
    error: float
    floor: float
    products: int
    converged: bool


@dataclass(frozen=True)
class Regularity:
    """Extreme singular values of the derivative of some outputs in the parameters.

    Args:
        smallest, largest: of the chosen rows; with more rows the smallest can only fall and
            the largest only grow.
        floor: below it `smallest` is rounding.
        rows: how many outputs.
    """

    smallest: float
    largest: float
    floor: float
    rows: int


class Probe:
    """A fixed batch on which a model is looked at.

    The model's parameters, buffers and gradients, and torch's random numbers, are the same
    afterwards: the forward pass runs on copies of the buffers, so that batch norm in training
    mode uses the statistics of the probe and keeps its running means.

    Args:
        model: the network that is trained; its mode at the time of probing counts.
        objective: from something that is called like the model to the loss of the probe.
        outputs: from the same to the outputs, samples first; None if there are none to look at.
        seed: of the first vector of the iteration.
    """

    def __init__(
        self, model: nn.Module, objective: Objective, outputs: Outputs | None, seed: int = 0
    ) -> None:
        self.model, self.objective, self.outputs, self.seed = model, objective, outputs, seed
        self._vector: Tensor | None = None

    def parameters(self) -> dict[str, Tensor]:
        """Those that are trained, as leaves of their own that share the model's memory."""
        return {
            n: p.detach().requires_grad_() for n, p in self.model.named_parameters()
            if p.requires_grad
        }

    @property
    def relative_floor(self) -> float:
        """What rounding of the model's arithmetic may do to a number, relatively."""
        size = sum(p.numel() for p in self.model.parameters())
        dtype = next(iter(self.model.parameters())).dtype
        return float(torch.finfo(dtype).eps * max(size, 1) ** 0.5)

    def seconds_of_a_gradient(self) -> float:
        """What one gradient of the probe takes, about."""
        parameters = self.parameters()
        began = time.perf_counter()
        with self._undisturbed():
            loss = self.objective(self._call(parameters))
            torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        return time.perf_counter() - began

    def curvature(self, tolerance: float, max_products: int) -> tuple[float, float, Curvature]:
        """Loss, norm of its gradient, and curvature at the current weights.

        Args:
            tolerance: of the residual, relative to the eigenvalue.
            max_products: after so many it stops with the error it has.
        """
        parameters = self.parameters()
        values = list(parameters.values())
        with self._undisturbed():
            loss = self.objective(self._call(parameters))
            gradient = torch.autograd.grad(loss, values, create_graph=True, allow_unused=True)
            flat = _flat(gradient, values)

            def product(v: Tensor) -> Tensor:
                if not flat.requires_grad:  # the loss is linear in the parameters
                    return torch.zeros_like(v)
                second = torch.autograd.grad(
                    flat, values, v, retain_graph=True, allow_unused=True)
                return _flat(second, values).detach()

            found = extremes(
                product, flat.detach(), tolerance=tolerance, ends=("largest",),
                max_steps=max_products, keep=min(20, max(3, max_products)), seed=self.seed,
                start=self._vector,
            )
        self._vector = found.largest.vector
        top = max(abs(found.largest.value), abs(found.smallest.value))
        floor = torch.finfo(flat.dtype).eps * flat.numel() ** 0.5 * top
        size = float(torch.linalg.vector_norm(flat.detach().double()))
        return float(loss.detach()), size, Curvature(
            found.largest.value, found.largest.residual + floor, floor, found.steps,
            found.converged)

    def regularity(self, rows: int) -> Regularity | None:
        """Singular values of the derivative of the first `rows` outputs in the parameters."""
        if self.outputs is None or rows < 1:
            return None
        parameters = self.parameters()
        values = list(parameters.values())
        with self._undisturbed():
            flat = self.outputs(self._call(parameters)).flatten()[:rows]
            made = [
                _flat(torch.autograd.grad(out, values, retain_graph=True, allow_unused=True),
                      values).detach()
                for out in flat
            ]
        derivative = torch.stack(made).double()
        found = torch.linalg.eigvalsh(derivative @ derivative.T).clamp_min(0).sqrt()
        # rounding of the model's arithmetic perturbs the matrix by about this much
        floor = torch.finfo(flat.dtype).eps * len(made) ** 0.5 * float(found[-1])
        root = torch.finfo(torch.float64).eps ** 0.5 * float(found[-1])
        return Regularity(float(found[0]), float(found[-1]), max(floor, root), len(made))

    def _call(self, parameters: Mapping[str, Tensor]) -> Call:
        state: dict[str, Tensor] = dict(parameters)
        state |= {n: b.detach().clone() for n, b in self.model.named_buffers()}

        def call(*args: Any, **kwargs: Any) -> Any:
            return torch.func.functional_call(self.model, state, args, kwargs)

        return call

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        devices = {p.device for p in self.model.parameters() if p.device.type == "cuda"}
        with (
            torch.random.fork_rng([d.index for d in devices if d.index is not None]),
            torch.enable_grad(),
            torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        ):
            torch.manual_seed(self.seed)
            yield


def _flat(parts: Sequence[Union[Tensor, None]], like: Sequence[Tensor]) -> Tensor:
    return torch.cat([
        (torch.zeros_like(p) if g is None else g).reshape(-1)
        for g, p in zip(parts, like, strict=True)
    ])
