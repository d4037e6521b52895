"""Gradient descent on networks of the width theory, watching G^(H) and the residual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from govcheck.kernels.finite import FiniteNetwork
from govcheck_plugins.reproduce._common import network

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One run.

    Args:
        residuals: ``|y - u(k)|^2``, k = 0, 1, ...
        smallest: ``lambda_min(G^(H)(k))``.
        moved: ``max_h |W^(h)(k) - W^(h)(0)|_F/sqrt(m)`` at the end.
        alphas: ``alpha_h(k)``, one row each k; empty without them.
        first, last: the network at both ends.
    """

    residuals: Array
    smallest: Array
    moved: float
    alphas: Array
    first: FiniteNetwork
    last: FiniteNetwork

    @property
    def change(self) -> float:
        """Relative change of ``G^(H)`` from both ends, Frobenius norm."""
        start = self.first.last
        return float(np.linalg.norm(self.last.last - start) / np.linalg.norm(start))


def descend(
    x: Array,
    y: Array,
    name: str,
    weights: list[Array],
    readout: Array,
    eta: float,
    steps: int,
    *,
    alphas: list[float] | None = None,
    speed: float = 0.0,
    until: float = 0.0,
    every: int = 1,
    tick: Callable[[], None] = lambda: None,
) -> Run:
    """Full-batch gradient descent on ``|u - y|^2/2`` for all weights and the readout.

    Args:
        x, y: samples and targets.
        name: of the activation.
        weights, readout: where it starts.
        eta: step size.
        steps: how many at most.
        alphas: of a residual network.
        speed: the alphas' step as a multiple of eta; 0 keeps them fixed.
        until: it ends where ``|y - u|^2`` has fallen to this fraction.
        every: eigenvalues of ``G^(H)`` are computed in every so many steps.
        tick: called now and then.
    """
    start = list(weights)
    net = first = network(x, name, weights, readout, alphas)
    residuals, smallest, path = [], [], []
    for k in range(steps + 1):
        residual = y - net.outputs
        size = float(residual @ residual)
        residuals.append(size)
        path.append(list(alphas or ()))
        if k % every == 0:
            smallest.append(float(np.linalg.eigvalsh(net.last)[0]))
            tick()
        if k == steps or size <= until * residuals[0] or not size < 1e12:
            break
        gradients, last, factors = net.gradient(y)
        weights = [w - eta * g for w, g in zip(weights, gradients, strict=True)]
        readout = readout - eta * last
        if alphas is not None and speed:
            alphas = [float(a) for a in np.array(alphas) - eta * speed * factors]
        net = network(x, name, weights, readout, alphas)
    moved = max(float(np.linalg.norm(w - v)) for w, v in zip(weights, start, strict=True))
    return Run(np.array(residuals), np.array(smallest), moved / len(readout) ** 0.5,
               np.array(path), first, net)


def whole(net: FiniteNetwork, speed: float = 0.0) -> Array:
    """The Gram matrix of all trained blocks, the alphas with their step."""
    blocks = net.blocks
    factors = blocks.pop("alpha", np.zeros_like(net.last))
    total: Array = sum(blocks.values(), speed * factors)
    return total


def defect(
    x: Array, y: Array, name: str, weights: list[Array], readout: Array,
    alphas: list[float] | None, eta: float, *, counted: bool = True,
) -> float:
    """``|u(1) - u(0) - eta G (y - u(0))|``, alphas trained at the common step.

    Args:
        x, y: samples and targets.
        name: of the activation.
        weights, readout, alphas: where it starts.
        eta: step size.
        counted: whether G includes the alphas' block.
    """
    run = descend(x, y, name, weights, readout, eta, 1, alphas=alphas, speed=1.0)
    G = whole(run.first, 1.0 if counted else 0.0)
    moved = run.last.outputs - run.first.outputs - eta * G @ (y - run.first.outputs)
    return float(np.linalg.norm(moved))
