"""Search for the quantities that only a layer by itself declares."""

from __future__ import annotations

import torch
from torch import Tensor

from govcheck.numeric.attack import Found, Search
from govcheck.numeric.derivatives import bilinear, gradients, jacobians, surjectivity, unit


def local_first_order(jacobian: Tensor) -> dict[str, float]:
    """``J_inf``, and ``sigma_skip`` of a square Jacobian."""
    found = {"J_inf": float(jacobian.abs().sum(1).max())}
    if jacobian.shape[0] == jacobian.shape[1]:
        eye = torch.eye(len(jacobian), dtype=jacobian.dtype)
        found["sigma_skip"] = float(surjectivity(jacobian + eye))
    return found


class LocalSearch(Search):
    """One ascent for ``J_inf`` or ``xx_inf``, or descent for ``sigma_skip``."""

    signs: Tensor

    def _value(self) -> Tensor:
        out = self.f(self.theta, self.x)
        value: Tensor
        if self.quantity == "J_inf":
            (g,) = gradients(out.reshape(-1)[self.row], (self.x,), create_graph=True)
            value = g.abs().sum()
            return value
        v = unit(self.directions[0])
        (g,) = gradients((out * v).sum(), (self.x,), create_graph=True)
        if self.quantity == "sigma_skip":
            value = torch.linalg.vector_norm(g + v)
            return value
        (gg,) = gradients((g * self.signs).sum(), (self.x,), create_graph=True)
        value = torch.linalg.vector_norm(gg)
        return value

    def _refresh(self) -> None:
        theta, x = self.theta.detach(), self.x.detach()
        if self.quantity == "xx_inf":
            self._climb(theta, x)
            return
        j, _ = jacobians(self.f, theta, x)
        if not bool(torch.isfinite(j).all()):
            return
        if self.quantity == "J_inf":
            self.row = int(j.abs().sum(1).argmax())
        else:
            u = torch.linalg.svd(j + torch.eye(len(j), dtype=j.dtype)).U[:, -1]
            self._set_directions(u.reshape(self.directions[0].shape))

    def _climb(self, theta: Tensor, x: Tensor) -> None:
        """Each of the sign vector and the two unit vectors in turn the best for the others."""
        t, b = theta.requires_grad_(), x.requires_grad_()
        v, h = (d.detach() for d in self.directions)
        signs = _signs(h)
        for _ in range(2):
            (g,) = gradients((self.f(t, b) * v).sum(), (b,), create_graph=True)
            (gg,) = gradients((g * signs).sum(), (b,))
            k = unit(gg)
            v = unit(bilinear(self.f, "xx", theta, x, signs, k))
            (g,) = gradients((self.f(t, b) * v).sum(), (b,), create_graph=True)
            (gg,) = gradients((g * k).sum(), (b,))
            signs = _signs(gg)
        self.signs = signs
        if bool(torch.isfinite(v).all()) and bool(v.any()):
            self._set_directions(v)

    def _final(self) -> Found:
        theta, x = self.where
        if self.quantity == "xx_inf":
            return Found(max(self.best, 0.0), theta, x)
        j, _ = jacobians(self.f, theta, x)
        return Found(local_first_order(j)[self.quantity], theta, x)


def _signs(a: Tensor) -> Tensor:
    return torch.where(a < 0, -1.0, 1.0).to(a.dtype)
