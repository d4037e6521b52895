"""The loss of a small network on its data: extremes of its derivatives, and gradient descent."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from govcheck.analysis import Analysis
from govcheck.numeric.build import build
from govcheck.numeric.derivatives import Function, gradients, unit
from govcheck.numeric.network import weights_of
from govcheck.plugin.data import targets

LOWER: Final = ("mu", "slope")


class Loss:
    """The loss as a function of all parameters in one vector; its infimum counts as 0.

    Args:
        analysis: of a network with data and a cost.
        entries: largest absolute entry of the parameters of a layer, by its name; the
            parameter set is that part of the analysis's.

    Raises:
        ValueError: without data or cost, or on a set that `weights_of` cannot search.
    """

    def __init__(self, analysis: Analysis, entries: dict[str, float] | None = None) -> None:
        arch = analysis.architecture
        if analysis.data is None or arch.cost is None:
            raise ValueError("the network has no data or no cost")
        self.f = Function(build(arch))
        self.x = torch.as_tensor(analysis.data.dataset.x)
        self.cost = arch.cost
        with torch.no_grad():
            outputs = self.f(self.f.theta, self.x)[0].numel()
        y, _ = targets(analysis.data.dataset, outputs, arch.cost.classification)
        self.y = torch.as_tensor(y)
        self.weights = weights_of(analysis, self.f, entries)

    def __call__(self, theta: Tensor) -> Tensor:
        """The loss."""
        out = self.f(theta, self.x)
        return self.cost.loss(out.reshape(out.shape[0], -1), self.y)

    def measure(self, name: str, theta: Tensor) -> Tensor:
        """A quantity at a point, differentiable.

        Args:
            name: ``alpha`` (the loss), ``lipschitz`` (norm of its gradient), ``beta`` (norm
                of its Hessian), ``mu`` (squared gradient over the loss) or
                ``slope`` (gradient over the loss).
            theta: the point.
        """
        t = theta if theta.requires_grad else theta.detach().requires_grad_()
        loss = self(t)
        if name == "alpha":
            return loss
        (g,) = gradients(loss, (t,), create_graph=True)
        size = torch.linalg.vector_norm(g)
        if name == "beta":
            values, vectors = torch.linalg.eigh(torch.stack([gradients(e, (t,))[0] for e in g]))
            v = vectors[:, values.abs().argmax()]
            (hv,) = gradients((g * v).sum(), (t,), create_graph=True)
            top: Tensor = (hv * v).sum().abs()
            return top
        found: dict[str, Tensor] = {"lipschitz": size, "mu": size**2 / loss, "slope": size / loss}
        return found[name]

    def extreme(self, name: str, *, starts: int = 6, steps: int = 30, seed: int = 0) -> float:
        """The value of a quantity that is farthest out, found by steps along its gradient.

        Args:
            name: see `measure`.
            starts: number of searches.
            steps: of each.
            seed: of the starts.
        """
        sign = -1.0 if name in LOWER else 1.0
        generator = torch.Generator().manual_seed(seed)
        best = -math.inf
        for _ in range(starts):
            theta, step = self.weights.draw(self.f, generator), 0.3
            value = self._finite(sign * self.measure(name, theta))
            for _ in range(steps):
                t = theta.detach().requires_grad_()
                (g,) = gradients(sign * self.measure(name, t), (t,))
                moved = self.weights.project(self.f, theta + step * unit(g))
                after = self._finite(sign * self.measure(name, moved))
                if after > value:
                    theta, value, step = moved, after, 1.5 * step
                else:
                    step /= 3
            best = max(best, value)
        return sign * best

    @staticmethod
    def _finite(value: Tensor) -> float:
        number = float(value.detach())
        return number if math.isfinite(number) else -math.inf

    def descend(
        self, step: float, *, steps: int = 40, seed: int = 0, floor: float = 1e-18
    ) -> tuple[list[float], list[Tensor]]:
        """Losses and parameters along gradient descent from a random point of the set.

        Args:
            step: its size.
            steps: at most so many; it ends where the loss is below `floor`.
            seed: of the start.
            floor: below it rounding decides.
        """
        theta = self.weights.draw(self.f, torch.Generator().manual_seed(seed))
        losses, points = [], []
        for _ in range(steps):
            t = theta.detach().requires_grad_()
            loss = self(t)
            losses.append(float(loss.detach()))
            points.append(theta)
            if losses[-1] < floor:
                break
            theta = theta - step * gradients(loss, (t,))[0]
        return losses, points


