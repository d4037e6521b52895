"""Whether the network that is built computes what the torch module computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from govcheck.errors import InputError, Problem

SMALL = 1e-3
"""A gradient below this part of the whole is compared with that part: it can be 0."""
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Check:
    """Largest relative differences, in float64.

    Args:
        output: of outputs, on a batch of random inputs.
        gradient: of the gradient of a random linear function of the outputs in a parameter.
        worst: the parameter.
        parameters: how many were compared.
    """

    output: float
    gradient: float
    worst: str
    parameters: int

    @property
    def passed(self) -> bool:
        """Whether both are at most `TOLERANCE`."""
        return self.output <= TOLERANCE and self.gradient <= TOLERANCE

    def __str__(self) -> str:
        return (f"largest relative difference {self.output:.1e} of outputs, "
                f"{self.gradient:.1e} of the gradients in {self.parameters} parameters")


def compare(
    module: nn.Module, network: nn.Module, state: Mapping[str, Tensor], x: Tensor, seed: int
) -> Check:
    """Compare a module with the network built from its architecture.

    Args:
        module: in float64, in the mode it is imported in.
        network: in float64.
        state: parameters and buffers of the network, made of parameters of the module.
        x: a batch.
        seed: of the function of the outputs.

    Raises:
        InputError: if torch cannot differentiate the module.
    """
    parameters = dict(module.named_parameters())
    wanted = module(x)
    found = functional_call(network, dict(state), (x,))
    generator = torch.Generator().manual_seed(seed)
    along = torch.randn(wanted.shape, generator=generator, dtype=torch.float64)
    try:
        own = _gradients((wanted * along).sum(), parameters)
    except RuntimeError as error:
        raise InputError(Problem(
            "no-gradient", f"torch cannot differentiate the module: {str(error)[:200]}")) from None
    built = _gradients((found * along).sum(), parameters)
    whole = torch.stack([torch.linalg.vector_norm(g) for g in own.values()] or [
        torch.ones((), dtype=torch.float64)]).norm()
    floor = max(float(whole) * SMALL, torch.finfo(torch.float64).tiny)
    worst, largest = "", 0.0
    for name, g in own.items():
        size = max(float(torch.linalg.vector_norm(g)), floor)
        difference = float(torch.linalg.vector_norm(built[name] - g)) / size
        if not difference <= largest:
            worst, largest = name, difference
    size = max(float(wanted.detach().abs().max()), torch.finfo(torch.float64).tiny)
    if wanted.shape != found.shape:
        return Check(float("inf"), float("inf"), worst, len(own))
    output = float((found - wanted).detach().abs().max()) / size
    return Check(output, largest, worst, len(own))


def _gradients(value: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    names = list(parameters)
    if not names or not value.requires_grad:
        return {n: torch.zeros_like(parameters[n]) for n in names}
    found = torch.autograd.grad(
        value, [parameters[n] for n in names], allow_unused=True, materialize_grads=True,
        retain_graph=True)
    return dict(zip(names, found, strict=True))
