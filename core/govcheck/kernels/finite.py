"""Gram matrices of derivatives of a network of finite width, at given weights.

The network is ``x^(h) = [x^(h-1) +] pi_h phi(W^(h) x^(h-1))`` with output ``a^T x^(H)``: fully
connected with ``pi_h = sqrt(c/m)``, or residual from the second layer on with
``pi_h = alpha_h/(H sqrt m)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from govcheck.kernels.dual import Array

Function = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class FiniteNetwork:
    """Forward and backward pass at given weights.

    Args:
        weights: ``W^(1), ..., W^(H)``.
        readout: a.
        prefactors: ``pi_1, ..., pi_H``.
        features: ``x^(0), ..., x^(H)``, one column for each sample.
        outputs: u, one for each sample.
        backward: ``v^(h) = phi'(z^(h)) p^(h)``, h = 1..H, one column for each sample.
        factors: ``du/d alpha_h`` for h = 2..H, one row each; empty if not residual.
    """

    weights: tuple[Array, ...]
    readout: Array
    prefactors: tuple[float, ...]
    features: tuple[Array, ...]
    outputs: Array
    backward: tuple[Array, ...]
    factors: Array

    @property
    def blocks(self) -> dict[str, Array]:
        """Gram matrix of the derivative in each block: ``W1``, ..., ``WH``, ``a``, ``alpha``."""
        found = {
            f"W{h + 1}": pi * pi * (v.T @ v) * (x.T @ x)
            for h, (pi, v, x) in enumerate(
                zip(self.prefactors, self.backward, self.features[:-1], strict=True)
            )
        }
        found["a"] = self.features[-1].T @ self.features[-1]
        if len(self.factors):
            found["alpha"] = self.factors.T @ self.factors
        return found

    @property
    def last(self) -> Array:
        """``G^(H)``, of the derivative in the last hidden layer's weights."""
        return self.blocks[f"W{len(self.weights)}"]

    def gradient(self, targets: Array) -> tuple[list[Array], Array, Array]:
        """Gradient of ``|u - y|^2/2`` in the weights, a and the alphas."""
        r = self.outputs - targets
        weights = [
            pi * (v * r) @ x.T
            for pi, v, x in zip(self.prefactors, self.backward, self.features[:-1], strict=True)
        ]
        return weights, self.features[-1] @ r, self.factors @ r


def finite_network(
    x: Array,
    weights: Sequence[Array],
    readout: Array,
    value: Function,
    slope: Function,
    *,
    c_sigma: float,
    alphas: Sequence[float] | None = None,
) -> FiniteNetwork:
    """Evaluate a network and what its derivatives need.

    Args:
        x: samples x features.
        weights: ``W^(1), ..., W^(H)``.
        readout: a.
        value, slope: the activation and its derivative.
        c_sigma: of the prefactor ``sqrt(c_sigma/m)``.
        alphas: ``alpha_2, ..., alpha_H`` of a residual network; None for a fully connected one.

    Raises:
        ValueError: if the number of alphas is not H - 1.
    """
    H, m = len(weights), len(readout)
    if alphas is not None and len(alphas) != H - 1:
        raise ValueError(f"{H} hidden layers have {H - 1} residual factors, not {len(alphas)}")
    first = math.sqrt(c_sigma / m)
    rest = [first] * (H - 1) if alphas is None else [a / (H * math.sqrt(m)) for a in alphas]
    prefactors = (first, *rest)
    features, before, after = [x.T], [], []
    for h, (w, pi) in enumerate(zip(weights, prefactors, strict=True)):
        z = w @ features[-1]
        before.append(z)
        after.append(value(z))
        own = pi * after[-1]
        features.append(own if h == 0 or alphas is None else features[-1] + own)
    p = np.repeat(readout[:, None], len(x), axis=1)
    backward: list[Array] = []
    factors: list[Array] = []
    for h in range(H - 1, -1, -1):
        v = slope(before[h]) * p
        backward.insert(0, v)
        residual = alphas is not None and h > 0
        if residual:
            factors.insert(0, (p * after[h]).sum(axis=0) / (H * math.sqrt(m)))
        p = prefactors[h] * weights[h].T @ v + (p if residual else 0)
    return FiniteNetwork(
        tuple(weights),
        readout,
        prefactors,
        tuple(features),
        readout @ features[-1],
        tuple(backward),
        np.array(factors).reshape(-1, len(x)),
    )
