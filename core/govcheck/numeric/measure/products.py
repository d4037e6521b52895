"""Products with the derivatives of a network, without forming them.

Everything is reverse mode: a product with the Jacobian is the derivative of a
vector-Jacobian product in its vector, and the graph of either is built once and run again
for each vector. Forward mode would go wrong without an error in some compositions (batch
norm in torch, decompositions under ``no_grad``), and is no faster here.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from govcheck.numeric.measure.subject import Subject

In = Literal["parameters", "input"]


class Products:
    """``J v``, ``J^T u`` and ``H v`` at the subject's point.

    J is the derivative of all outputs, a vector of length n c, in the parameters or in the
    batch; H is the Hessian of the loss in the parameters.

    Args:
        subject: the network, its parameters and its batch.
        to: what J is the derivative in.
    """

    def __init__(self, subject: Subject, to: In = "parameters") -> None:
        self.subject, self.to = subject, to
        at = subject.theta if to == "parameters" else subject.x
        self.at = at.detach().clone().requires_grad_()
        self.columns = self.at.numel()

    @cached_property
    def _outputs(self) -> Tensor:
        s = self.subject
        out = s(self.at) if self.to == "parameters" else s(s.theta, self.at)
        return out.reshape(-1)

    @cached_property
    def _back(self) -> tuple[Tensor, Tensor]:
        """``J^T u`` as a function of u in the graph, at u = 0, which it is linear in."""
        u = torch.zeros_like(self._outputs).requires_grad_()
        if not self._outputs.requires_grad:
            return u, torch.zeros_like(self.at)
        (g,) = torch.autograd.grad(
            self._outputs, self.at, u, create_graph=True, allow_unused=True,
            materialize_grads=True,
        )
        return u, g

    def jtu(self, u: Tensor) -> Tensor:
        """``J^T u`` for u of length n c, flat."""
        if not self._outputs.requires_grad:
            return self.at.new_zeros(self.columns)
        (g,) = torch.autograd.grad(
            self._outputs, self.at, u, retain_graph=True, allow_unused=True,
            materialize_grads=True,
        )
        return g.reshape(-1).detach()

    def jv(self, v: Tensor) -> Tensor:
        """``J v`` for v of the length of the parameters (or entries of the batch)."""
        u, g = self._back
        if not g.requires_grad:
            return torch.zeros_like(u)
        (out,) = torch.autograd.grad(
            g, u, v.reshape(self.at.shape), retain_graph=True, allow_unused=True,
            materialize_grads=True,
        )
        return out.detach()

    def gram(self, u: Tensor) -> Tensor:
        """``J J^T u``."""
        return self.jv(self.jtu(u))

    @cached_property
    def _gradient(self) -> Tensor:
        value = self.subject.cost(self._outputs.reshape(self.subject.outputs.shape))
        if not value.requires_grad:
            return torch.zeros_like(self.at)
        (g,) = torch.autograd.grad(
            value, self.at, create_graph=True, allow_unused=True, materialize_grads=True
        )
        return g

    @property
    def gradient(self) -> Tensor:
        """Gradient of the loss, flat."""
        return self._gradient.detach().reshape(-1)

    def hv(self, v: Tensor) -> Tensor:
        """``H v``, H the Hessian of the loss.

        Raises:
            InputError: if there is no loss.
        """
        g = self._gradient
        if not g.requires_grad:
            return torch.zeros_like(v)
        (out,) = torch.autograd.grad(
            g, self.at, v.reshape(self.at.shape), retain_graph=True, allow_unused=True,
            materialize_grads=True,
        )
        return out.reshape(-1).detach()
