"""The distribution of singular values from products alone, with brackets that moments prove.

Golub-Kahan bidiagonalisation from a random vector gives the first moments of the spectral
measure that the vector sees. All measures with these moments lie between the staircases of the
inequalities of Chebyshev, Markov and Stieltjes, which are sharp; one family of Jacobi matrices,
which differ in their last entry, gives them at as many points as one likes. The measure that a
random vector sees differs from the distribution by a Dirichlet fluctuation of known size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from govcheck.numeric.measure.spectra_cdf import Array, Distribution
from govcheck.numeric.measure.spectra_ops import in_blocks

Map = Callable[[Tensor], Tensor]

CONFIDENCE: Final = 0.99
PHASES: Final = 8
HEAVY: Final = 4.0
"""A weight so many times those around it is an atom."""
CLOSE: Final = 1e-6
"""Of places, relative to the largest."""


@dataclass(eq=False)
class Bidiagonal:
    """A Golub-Kahan run that can go on: ``A v_k = beta_{k-1} u_{k-1} + alpha_k u_k``.

    Nothing is orthogonalised again: copies of converged values share the weight of one.

    Args:
        forward, backward: products with A and its transpose.
        start: the first v, shaped as A takes it.
    """

    forward: Map
    backward: Map
    start: Tensor

    def __post_init__(self) -> None:
        self.alpha: list[float] = []
        self.beta: list[float] = []
        self._v = self.start / _length(self.start)
        self._u: Tensor | None = None
        self.exhausted = False

    def run(self, steps: int) -> None:
        """Go on up to so many steps in total."""
        tiny = 50 * torch.finfo(self.start.dtype).eps
        while len(self.alpha) < steps and not self.exhausted:
            u = self.forward(self._v)
            if self._u is not None:
                u = u.sub_(self._u, alpha=self.beta[-1])
            a = _length(u)
            top = max([a, *self.alpha])
            self.alpha.append(a)
            if a <= tiny * top:
                self.alpha[-1] = 0.0
                self.exhausted = True
                return
            self._u = u.div_(a)
            v = self.backward(self._u).sub_(self._v, alpha=a)
            b = _length(v)
            self.beta.append(b)
            if b <= tiny * top:
                self.exhausted = True
                return
            self._v = v.div_(b)

    @property
    def jacobi(self) -> tuple[Array, Array]:
        """Diagonal and side of ``B^T B``."""
        a, b = np.array(self.alpha), np.array(self.beta[: len(self.alpha) - 1])
        diagonal = a * a
        diagonal[1:] += b * b
        return diagonal, a[:-1] * b

    def top(self) -> tuple[float, float]:
        """The largest Ritz value of A, and how far a singular value may be from it."""
        d, e = self.jacobi
        values, vectors = np.linalg.eigh(_tridiagonal(d, e))
        residual = 0.0
        if len(self.beta) == len(self.alpha):
            residual = self.alpha[-1] * self.beta[-1] * abs(float(vectors[-1, -1]))
        sigma = math.sqrt(max(float(values[-1]), 0.0))
        return sigma, residual / max(sigma, 1e-300)

    def bottom(self) -> float:
        """The least Ritz value, as ``|A v|`` of a unit vector v in the space."""
        d, e = self.jacobi
        return math.sqrt(max(float(np.linalg.eigvalsh(_tridiagonal(d, e))[0]), 0.0))


def _length(x: Tensor) -> float:
    # sums of squares in float32 would be off by more than the products are
    if x.dim() < 2:
        return float(torch.linalg.vector_norm(x, dtype=torch.float64))
    lengths = [torch.linalg.vector_norm(x[b], dtype=torch.float64) for b in in_blocks(x)]
    return float(torch.linalg.vector_norm(torch.stack(lengths)))


def _tridiagonal(diagonal: Array, side: Array) -> Array:
    matrix: Array = np.diag(diagonal) + np.diag(side, 1) + np.diag(side, -1)
    return matrix


@dataclass(frozen=True, eq=False)
class Bracket:
    """Two staircases around the cumulative distribution of singular values that a vector sees.

    Args:
        places: ascending.
        low: lower bounds at the places and after.
        high: upper bounds at the places and before.
        atoms: places of heavy weights.
    """

    places: Array
    low: Array
    high: Array
    atoms: Array

    def below(self, t: Array) -> Array:
        """Lower bounds at t."""
        k = np.searchsorted(self.places, t, side="right")
        found: Array = np.concatenate([[0.0], self.low])[k]
        return found

    def above(self, t: Array) -> Array:
        """Upper bounds at t."""
        k = np.searchsorted(self.places, t, side="left")
        found: Array = np.concatenate([self.high, [1.0]])[k]
        return found


def bracket(run: Bidiagonal) -> Bracket:
    """What the moments of a run prove."""
    diagonal, side = run.jacobi
    m = len(diagonal)
    if run.exhausted:
        # the measure is known altogether, up to rounding of its places
        values, weights = _rule(diagonal, side)
        total = np.cumsum(weights)
        before = np.concatenate([[0.0], total[:-1]])
        near = np.maximum(values - CLOSE * values[-1], 0.0)
        places = np.concatenate([near, values])
        order = np.argsort(places, kind="stable")
        low = np.maximum.accumulate(np.concatenate([before, total])[order])
        return Bracket(places[order], low, np.minimum.accumulate(
            np.concatenate([before, total])[order][::-1])[::-1], _atoms(values, weights, 0))
    found = []
    # the last entry is free: any value gives a rule with all moments but the last one
    scale = side[-1] if m > 1 else diagonal[0]
    shifts = [scale * math.tan(math.pi * k / PHASES) for k in range(1 - PHASES // 2, PHASES // 2)]
    # and this one has a node at 0
    shifts.append(-run.alpha[-1] ** 2)
    for shift in shifts:
        changed = diagonal.copy()
        changed[-1] += shift
        found.append(_rule(changed, side))
    places = np.concatenate([v for v, _ in found])
    high = np.concatenate([np.cumsum(w) for _, w in found])
    low = high - np.concatenate([w for _, w in found])
    order = np.argsort(places, kind="stable")
    places, low, high = places[order], low[order], high[order]
    return Bracket(places, np.maximum.accumulate(low),
                   np.minimum.accumulate(high[::-1])[::-1],
                   _atoms(*_rule(diagonal, side), run.start.numel()))


def _rule(diagonal: Array, side: Array) -> tuple[Array, Array]:
    """Nodes as singular values, those of negative eigenvalues at 0, and weights."""
    values, vectors = np.linalg.eigh(_tridiagonal(diagonal, side))
    weights: Array = vectors[0] ** 2
    return np.sqrt(np.maximum(values, 0.0)), weights


def _atoms(nodes: Array, weights: Array, length: int) -> Array:
    """Nodes with far more weight than those around them, copies taken together.

    Args:
        nodes: of a rule.
        weights: of the nodes.
        length: of the random vector, which gives single values some weight by chance;
            0 if all nodes are atoms.
    """
    close = 1e-4 * max(float(nodes[-1]), 1e-300)
    starts = np.concatenate([[0], 1 + np.flatnonzero(np.diff(nodes) > close)])
    total = np.add.reduceat(weights, starts)
    centre = np.add.reduceat(weights * nodes, starts) / np.maximum(total, 1e-300)
    if not length:
        return centre
    kept = []
    for i, w in enumerate(total):
        around = np.concatenate([total[max(0, i - 4) : i], total[i + 1 : i + 5]])
        usual = float(np.median(around)) if len(around) else 0.0
        if w > max(0.01, 20 / length) and w > HEAVY * usual:
            kept.append(centre[i])
    return np.array(kept)


def probe_error(side: int, probes: int) -> float:
    """What the fluctuation of a mean over random vectors stays below with `CONFIDENCE`.

    The share of a Gaussian vector in a subspace of dimension p D is a Beta variable of
    variance ``2 p (1 - p)/(D + 2)``; the whole curve is, as D grows, a Brownian bridge.

    Args:
        side: length D of the vectors.
        probes: their number.
    """
    return math.sqrt(math.log(2 / (1 - CONFIDENCE)) / ((side + 2) * probes))


def combine(
    brackets: list[Bracket], side: int, count: int, zeros: int, *, tolerance: float,
    rounding: float, steps: int, probes: int,
) -> Distribution:
    """The distribution in the middle of the brackets' mean, widened by the probes' error.

    Args:
        brackets: of each probe.
        side: length of the vectors that the probes were drawn from.
        count: number of singular values; the ``count - side`` others are 0.
        zeros: so many are 0 in any case.
        tolerance: of the error, that the width is chosen for.
        rounding: about how far rounding moves singular values.
        steps: of each run.
        probes: that the fluctuation is counted for.
    """
    share, known = side / count, zeros / count
    chance = probe_error(side, probes) * share
    grid = np.unique(np.concatenate([[0.0], *(b.places for b in brackets)]))
    rest = 1 - share

    def total(parts: list[Array]) -> Array:
        mean: Array = rest + share * np.mean(parts, axis=0)
        return mean

    low = np.maximum(total([b.below(grid) for b in brackets]) - chance, known)
    high = np.minimum(total([b.above(grid) for b in brackets]) + chance, 1.0)
    low[-1] = max(low[-1], 1 - chance)
    high[-1] = 1.0
    middle = np.maximum.accumulate((low + high) / 2)
    atoms = _together([b.atoms for b in brackets], grid[-1] / steps)
    # what is so close to 0 is not told from it
    atoms = np.where(atoms < 0.5 * grid[-1] / steps, 0.0, atoms)
    best: tuple[float, float, Distribution] | None = None
    for factor in (0.0, 0.25, 0.5, 1.0, 2.0, 3.0):
        width = factor * grid[-1] / steps + rounding
        if factor == 0.0 and len(atoms):
            continue
        made = _curve(grid, low, high, middle, atoms, width, count)
        if best is None or made.error < best[0] - 0.1 * tolerance:
            best = made.error, width, made
        if made.error <= tolerance or not len(atoms):
            break
    assert best is not None
    return best[2]


def _together(atoms: list[Array], width: float) -> Array:
    """Means of atoms closer than a width that most probes see."""
    a = np.sort(np.concatenate(atoms))
    if not len(a):
        return a
    starts = np.concatenate([[0], 1 + np.flatnonzero(np.diff(a) > width)])
    sizes = np.diff(np.concatenate([starts, [len(a)]]))
    means: Array = np.add.reduceat(a, starts) / sizes
    return means[2 * sizes > len(atoms)]


def _curve(
    grid: Array, low: Array, high: Array, middle: Array, atoms: Array, width: float, count: int
) -> Distribution:
    """The middle with jumps at the atoms, and the error that the brackets leave."""
    left, right, places = middle.copy(), middle.copy(), grid.copy()
    left[0] = 0.0
    for a in atoms:
        # inside the width only the jump counts; sides are what is known just outside
        i = int(np.searchsorted(grid, a - width, side="right")) - 1
        j = min(int(np.searchsorted(grid, a + width, side="left")), len(grid) - 1)
        before, after = (middle[i] if i >= 0 else 0.0), middle[j]
        inside = (places >= a - width) & (places <= a + width)
        at = places < a
        left[inside & at] = right[inside & at] = before
        left[inside & ~at] = right[inside & ~at] = after
        k = int(np.searchsorted(places, a))
        places = np.insert(places, k, a)
        left, right = np.insert(left, k, before), np.insert(right, k, after)
    made = Distribution(places, left, right, count, 0.0, width, atoms, "", "estimate")
    free = np.ones(len(grid), dtype=bool)
    for a in atoms:
        free &= np.abs(grid - a) > width
    pair = free[1:] & free[:-1]
    # between two places F is between the lower bound at the first and the upper at the second
    gaps = np.maximum(high[1:] - made.at(grid[:-1]), made.at(grid[1:]) - low[:-1])[pair]
    error = float(gaps.max()) if len(gaps) else 0.0
    if len(atoms):
        over = np.maximum(high - made.at(grid + width), made.at(grid - width) - low)
        between = np.maximum(high[1:] - made.at(grid[:-1] + width),
                             made.at(grid[1:] - width) - low[:-1])
        error = max(error, float(over.max()), float(between.max()))
    return Distribution(places, left, right, count, error, width, atoms,
                        "brackets that the moments prove, and the probes' fluctuation at 99 %",
                        "estimate")
