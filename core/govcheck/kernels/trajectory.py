"""Gradient descent on a network of the width theory at given weights, in float64 and numpy.

What the lemmas about the course of training bound is measured here along one run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from govcheck.kernels.dual import Array
from govcheck.kernels.finite import FiniteNetwork, Function, finite_network

LARGEST: Final = 1e12
"""A residual of this size means that the steps are too large; the run ends."""


@dataclass(frozen=True, eq=False)
class Given:
    """A network at given weights, with its samples.

    Args:
        x: samples x features.
        targets: one for each sample.
        weights: ``W^(1), ..., W^(H)``.
        readout: a.
        value, slope: the activation and its derivative.
        c_sigma: of the prefactor ``sqrt(c_sigma/m)``.
        alphas: ``alpha_2, ..., alpha_H`` of a residual network; None for a fully connected one.
        multiplier: the alphas are trained with this times the common step; 0 for fixed ones.
    """

    x: Array
    targets: Array
    weights: tuple[Array, ...]
    readout: Array
    value: Function
    slope: Function
    c_sigma: float
    alphas: tuple[float, ...] | None = None
    multiplier: float = 0.0

    def at(
        self, weights: Sequence[Array], readout: Array, alphas: Sequence[float] | None
    ) -> FiniteNetwork:
        """The same network at other weights."""
        return finite_network(
            self.x, weights, readout, self.value, self.slope, c_sigma=self.c_sigma, alphas=alphas
        )

    @property
    def start(self) -> FiniteNetwork:
        """The network at the given weights."""
        return self.at(self.weights, self.readout, self.alphas)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What one run of gradient descent did.

    Args:
        residuals: ``|y - u(k)|``, k = 0, 1, ...
        smallest: ``lambda_min(G^(H)(k))``.
        weights: ``max_h |W^(h)(k) - W^(h)(0)|_F``.
        readout: ``|a(k) - a(0)|``.
        factors: ``max_h |alpha_h(k) - alpha_h(0)|``; 0 without alphas.
        weight_steps: ``max_h |W^(h)(k+1) - W^(h)(k)|_F``.
        output_steps: ``|u(k+1) - u(k)|``.
        second: ``|I_2(k)|``, where ``u(k+1) - u(k) = eta G (y - u) + I_2`` with G the Gram
            matrix of all trained blocks, each with its step.
        first: ``(y - u)^T I_1/|y - u|^2``, ``I_1 = eta G (y - u)``.
        last: the network after the last step.
    """

    residuals: Array
    smallest: Array
    weights: Array
    readout: Array
    factors: Array
    weight_steps: Array
    output_steps: Array
    second: Array
    first: Array
    last: FiniteNetwork


def descend(given: Given, eta: float, steps: int, reduction: float = 0.0) -> Trajectory:
    """Run full-batch gradient descent on ``|u - y|^2/2`` for all weights.

    Args:
        given: where it starts.
        eta: the step size, positive.
        steps: how many at most.
        reduction: it ends when ``|y - u|`` has fallen to this fraction.

    Raises:
        ValueError: for no steps or a step size that is not positive.
    """
    if steps < 1 or not eta > 0:
        raise ValueError(f"{steps} steps of size {eta} are no gradient descent")
    weights, readout = list(given.weights), given.readout
    alphas = None if given.alphas is None else np.array(given.alphas, dtype=float)
    net = given.start
    rows: list[tuple[float, ...]] = []
    start = None
    for _ in range(steps):
        r = given.targets - net.outputs
        size = float(np.linalg.norm(r))
        if not size < LARGEST:
            break
        start = size if start is None else start
        gradients = net.gradient(given.targets)
        moved = [w - eta * g for w, g in zip(weights, gradients[0], strict=True)]
        readout_moved = readout - eta * gradients[1]
        factors = 0.0
        alphas_moved = alphas
        if alphas is not None and given.alphas is not None:
            alphas_moved = alphas - eta * given.multiplier * gradients[2]
            factors = _most(a - b for a, b in zip(alphas_moved, given.alphas, strict=True))
        after = given.at(moved, readout_moved, None if alphas_moved is None else list(alphas_moved))
        linear = eta * gram(net, given.multiplier) @ r
        change = after.outputs - net.outputs
        rows.append((
            size,
            float(np.linalg.eigvalsh(net.last)[0]),
            _most(w - v for w, v in zip(moved, given.weights, strict=True)),
            float(np.linalg.norm(readout_moved - given.readout)),
            factors,
            _most(w - v for w, v in zip(moved, weights, strict=True)),
            float(np.linalg.norm(change)),
            float(np.linalg.norm(change - linear)),
            float(r @ linear) / size**2 if size else math.nan,
        ))
        weights, readout, alphas, net = moved, readout_moved, alphas_moved, after
        if size <= reduction * start:
            break
    table = np.array(rows).T
    return Trajectory(*(table[i] for i in range(len(table))), last=net)  # type: ignore[misc]


def gram(net: FiniteNetwork, multiplier: float) -> Array:
    """Gram matrix of all trained blocks, each with its step."""
    blocks = net.blocks
    factors = blocks.pop("alpha", np.zeros_like(net.last))
    total: Array = sum(blocks.values(), multiplier * factors)
    return total


def _most(changes: Iterable[Array]) -> float:
    return max((float(np.linalg.norm(c)) for c in changes), default=0.0)
