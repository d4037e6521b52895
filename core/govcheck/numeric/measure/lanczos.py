"""Extreme eigenvalues and spectral densities of symmetric operators, with error bars."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from govcheck.numeric.distributed import agreed

Operator = Callable[[Tensor], Tensor]
Array = NDArray[np.float64]

ENDS = {"largest": -1, "smallest": 0}
NOISE = 50
"""So many units of rounding, relative to the operator, count as nothing."""
SHORT = 1e-2
"""Below this, relative to the operator, a vector is made orthogonal once more."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A Ritz pair.

    Args:
        value: the Rayleigh quotient of `vector`.
        residual: ``|A v - value v|``: an eigenvalue is at most that far away.
        vector: of length 1.
    """

    value: float
    residual: float
    vector: Tensor


@dataclass(frozen=True, eq=False)
class Extremes:
    """The pairs at both ends of the spectrum.

    Args:
        largest, smallest: the pairs; the true extremes are at least as far out.
        steps: number of products.
        converged: whether the residuals came below the tolerance.
    """

    largest: Pair
    smallest: Pair
    steps: int
    converged: bool


def basis_bytes(length: int, dtype: torch.dtype, keep: int = 40) -> int:
    """Memory of the basis that `extremes` keeps."""
    return (keep + 4) * length * torch.finfo(dtype).bits // 8


def extremes(
    apply: Operator,
    like: Tensor,
    *,
    tolerance: float = 1e-6,
    ends: tuple[str, ...] = ("largest", "smallest"),
    max_steps: int = 300,
    max_seconds: float = math.inf,
    keep: int = 40,
    seed: int = 0,
    start: Tensor | None = None,
) -> Extremes:
    """Lanczos with full reorthogonalisation and thick restarts.

    Args:
        apply: a symmetric operator on vectors shaped as `like`.
        like: a flat tensor of the length, dtype and device of the vectors.
        tolerance: of the residuals, relative to the largest Ritz value in absolute value.
        ends: which of the ends must reach the tolerance.
        max_steps: largest number of products.
        max_seconds: stop after that time with the residuals there are.
        keep: number of basis vectors after which the iteration restarts.
        seed: of the start.
        start: begin with this vector instead of a random one.
    """
    n = like.numel()
    generator = torch.Generator().manual_seed(seed)
    keep = min(keep, n)
    basis = like.new_empty(keep + 1, n)
    first = torch.randn(n, generator=generator, dtype=torch.float64) if start is None else start
    first = first.to(like)
    basis[0] = first / torch.linalg.vector_norm(first)
    small = np.zeros((keep, keep))
    tiny = NOISE * torch.finfo(like.dtype).eps
    size, steps, began, restarted = 0, 0, time.monotonic(), False
    while True:
        w = apply(basis[size]).reshape(-1)
        steps += 1
        h = like.new_zeros(size + 1)
        # w couples to the last two vectors, after a restart to all; the rest is rounding
        near = 0 if restarted else max(0, size - 1)
        for first_of in (near, 0):
            against = basis[first_of : size + 1]
            part = against @ w
            w = w - part @ against
            h[first_of:] += part
        small[: size + 1, size] = small[size, : size + 1] = h.double().cpu().numpy()
        size += 1
        beta = float(torch.linalg.vector_norm(w))
        values, vectors = np.linalg.eigh(small[:size, :size])
        scale = float(np.abs(values).max())
        # the space is invariant up to rounding: what is left over has no direction
        exhausted = size == n or beta <= tiny * max(scale, 1e-300)
        residuals = {
            end: beta * abs(float(vectors[-1, place])) for end, place in ENDS.items()
        }
        worst = max(residuals[end] for end in ends)
        converged = exhausted or (size > 2 and worst <= tolerance * scale)
        late = time.monotonic() - began > max_seconds
        if agreed(converged or steps >= max_steps or late):
            pairs = [
                Pair(float(values[place]), residuals[end],
                     torch.as_tensor(vectors[:, place]).to(like) @ basis[:size])
                for end, place in ENDS.items()
            ]
            return Extremes(pairs[0], pairs[1], steps, converged)
        restarted = size == keep
        if restarted:
            size = _restart(basis, small, values, vectors)
        following = w / beta
        if beta < SHORT * scale:
            # it is orthogonal only up to rounding over its length
            following = following - (basis[:size] @ following) @ basis[:size]
            following = following / torch.linalg.vector_norm(following)
        basis[size] = following


def _restart(basis: Tensor, small: Array, values: Array, vectors: Array) -> int:
    """Keep the Ritz vectors at both ends; the next vector couples to each of them.

    Couplings in `small` are filled in by the next step, which orthogonalises against all.
    """
    size = len(values)
    half = max(1, size // 5)
    chosen = np.r_[0:half, size - half : size] if size > 2 * half else np.arange(size // 2)
    kept = torch.as_tensor(vectors[:, chosen].T.copy()).to(basis) @ basis[:size]
    basis[: len(chosen)] = kept
    small[:] = 0.0
    small[range(len(chosen)), range(len(chosen))] = values[chosen]
    return len(chosen)


@dataclass(frozen=True, eq=False)
class Density:
    """A spectral density by stochastic Lanczos quadrature.

    Args:
        nodes: Ritz values, ascending.
        weights: that add up to 1.
        error: standard error over the probes of the cumulative distribution, averaged over the
            resolution, where it is largest.
        resolution: about the width below which features are smeared.
        probes, steps: how many random vectors, and products for each.
    """

    nodes: Array
    weights: Array
    error: float
    resolution: float
    probes: int
    steps: int

    def below(self, t: float) -> float:
        """Share of the eigenvalues that are at most t."""
        return float(self.weights[self.nodes <= t].sum())


def density(
    apply: Operator,
    like: Tensor,
    *,
    probes: int = 4,
    steps: int = 60,
    max_seconds: float = math.inf,
    seed: int = 0,
) -> Density:
    """Distribution of the eigenvalues of a symmetric operator.

    Without reorthogonalisation: copies of converged Ritz values share the weight of one.
    Where time is short there are fewer steps, at least 10, which the resolution shows.

    Args:
        apply: the operator.
        like: a flat tensor of the length, dtype and device of the vectors.
        probes: number of random vectors.
        steps: products for each.
        max_seconds: about what all may take.
        seed: of the probes.
    """
    generator = torch.Generator().manual_seed(seed)
    began = time.monotonic()
    probes, steps = max(2, probes), min(steps, like.numel())
    if max_seconds < math.inf:
        apply(torch.ones_like(like))
        each_seconds = agreed(max(time.monotonic() - began, 1e-9))
        steps = max(min(10, steps), min(steps, int(max_seconds / each_seconds / probes)))
    found = [_quadrature(apply, like, steps, generator) for _ in range(probes)]
    nodes = np.concatenate([n for n, _ in found])
    weights = np.concatenate([w for _, w in found]) / len(found)
    order = np.argsort(nodes)
    nodes, weights = nodes[order], weights[order]
    width = max(float(nodes[-1] - nodes[0]), 1e-300)
    resolution = width / max(1, steps)
    # below the resolution probes need not agree on where an eigenvalue is
    grid = np.linspace(nodes[0] - resolution, nodes[-1] + resolution, 8 * steps + 1)
    each = np.array([_smoothed(n, w, grid, resolution) for n, w in found])
    spread = each.std(axis=0, ddof=1) / math.sqrt(len(found))
    return Density(nodes, weights, float(spread.max()), resolution, len(found), steps)


def _smoothed(nodes: Array, weights: Array, grid: Array, width: float) -> Array:
    """The cumulative distribution at points, averaged over the width on both sides."""
    share = np.clip((grid[:, None] - nodes + width) / (2 * width), 0.0, 1.0)
    smoothed: Array = share @ weights
    return smoothed


def _quadrature(
    apply: Operator, like: Tensor, steps: int, generator: torch.Generator
) -> tuple[Array, Array]:
    v = torch.randn(like.numel(), generator=generator, dtype=torch.float64).to(like)
    v = v / torch.linalg.vector_norm(v)
    before, beta = torch.zeros_like(v), 0.0
    diagonal: list[float] = []
    side: list[float] = []
    for _ in range(steps):
        w = apply(v).reshape(-1) - beta * before
        a = float(w @ v)
        w = w - a * v
        diagonal.append(a)
        beta = float(torch.linalg.vector_norm(w))
        if agreed(beta <= NOISE * torch.finfo(like.dtype).eps * max(map(abs, diagonal))):
            break
        side.append(beta)
        before, v = v, w / beta
    t = np.diag(diagonal)
    k = len(diagonal) - 1
    t += np.diag(side[:k], 1) + np.diag(side[:k], -1)
    values, vectors = np.linalg.eigh(t)
    return values, vectors[0] ** 2
