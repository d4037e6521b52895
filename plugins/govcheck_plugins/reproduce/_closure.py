"""The network of Theorem 4.8 with one residual block, d = N = 3, X = I, and its limits at infinity.

``F = P + phi(s A P)`` with ``P = w/sqrt(eps + w^2)`` entrywise and the rows of A being
``v/sqrt(eps + |v|^2)``. P runs through the open cube and A through open balls; the *closure*
lets entries of P be 1 in absolute value and rows of A have norm 1, which is w or v at infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

N: Final = 3
EPS: Final = 0.1
DELTA: Final = 0.1
SCALE: Final = (1 - DELTA) / math.sqrt(N)
PINNED: Final = 1e-9
"""An entry or a norm this close to 1 is at infinity."""

STEP: Final = 0.3


@dataclass(frozen=True)
class Branch:
    """An elementwise map with its derivative, ``|phi'| <= 1``."""

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]


IDENTITY: Final = Branch("identity", lambda z: z, np.ones_like)
TANH: Final = Branch("tanh", np.tanh, lambda z: 1 - np.tanh(z) ** 2)


def loss(P: Array, A: Array, Y: Array, phi: Branch) -> Array:
    """``|F - Y|^2/N`` for a stack of matrices."""
    value: Array = ((P + phi.value(SCALE * (A @ P)) - Y) ** 2).sum(axis=(-1, -2)) / N
    return value


def gradient(P: Array, A: Array, Y: Array, phi: Branch) -> tuple[Array, Array]:
    """Its gradient in P and in A."""
    z = SCALE * (A @ P)
    r = 2 / N * (P + phi.value(z) - Y)
    g = SCALE * r * phi.slope(z)
    return r + np.swapaxes(A, -1, -2) @ g, g @ np.swapaxes(P, -1, -2)


def minimise(P: Array, A: Array, Y: Array, phi: Branch, steps: int) -> tuple[Array, Array]:
    """Projected gradient descent on the closure."""
    for _ in range(steps):
        gP, gA = gradient(P, A, Y, phi)
        P, A = _project(P - STEP * gP, A - STEP * gA)
    return P, A


def _project(P: Array, A: Array) -> tuple[Array, Array]:
    norms = np.linalg.norm(A, axis=-1, keepdims=True)
    return np.clip(P, -1, 1), A / np.maximum(1, norms)


def starts(draw: np.random.Generator, count: int) -> tuple[Array, Array]:
    """Points of the closure, half of them with all entries of P near infinity."""
    P = draw.uniform(-1, 1, (count, N, N))
    P[::2] = np.sign(P[::2]) * 0.999
    return _project(P, draw.standard_normal((count, N, N)))


@dataclass(frozen=True)
class Minimum:
    """A stationary point of the closure and what decides whether it is a strict minimum.

    Args:
        P, A: the point.
        value: the loss.
        stationary: largest derivative along directions that stay at infinity where it is.
        push: smallest derivative towards infinity of what is at infinity; positive if moving
            inwards raises the loss to first order. Infinite if nothing is at infinity.
        curvature: smallest eigenvalue of the Lagrangian's Hessian on the other directions;
            infinite if there are none.
        entries, rows: how many entries of P and rows of A are at infinity.
    """

    P: Array
    A: Array
    value: float
    stationary: float
    push: float
    curvature: float
    entries: int
    rows: int

    @property
    def strict(self) -> bool:
        """Whether the loss is larger at all other points nearby."""
        return self.stationary < 1e-6 and self.push > 1e-4 and self.curvature > 1e-4


def examine(P: Array, A: Array, Y: Array, phi: Branch) -> Minimum:
    """Look at first and second derivatives at a point of the closure."""
    gP, gA = gradient(P, A, Y, phi)
    at = np.abs(P) >= 1 - PINNED
    far = np.linalg.norm(A, axis=1) >= 1 - PINNED
    pushes = list((-gP * np.sign(P))[at])
    multipliers = np.where(far, -(gA * A).sum(axis=1), 0.0)
    pushes += list(multipliers[far])
    free = [np.eye(N * N)[i] for i in np.flatnonzero(~at.ravel())]
    basis = [np.concatenate([e, np.zeros(N * N)]) for e in free]
    for i in range(N):
        rows = np.eye(N)
        if far[i]:
            # directions of the row that keep its norm
            rows = np.linalg.svd(A[i : i + 1])[2][1:]
        for row in rows:
            block = np.zeros((N, N))
            block[i] = row
            basis.append(np.concatenate([np.zeros(N * N), block.ravel()]))
    T = np.array(basis)
    g = np.concatenate([gP.ravel(), gA.ravel()])
    curvature = T @ _hessian(P, A, Y, phi, multipliers) @ T.T
    return Minimum(
        P, A, float(loss(P, A, Y, phi)), float(np.abs(T @ g).max()),
        float(min(pushes, default=math.inf)), float(np.linalg.eigvalsh(curvature)[0]),
        int(at.sum()), int(far.sum()),
    )


def _hessian(P: Array, A: Array, Y: Array, phi: Branch, multipliers: Array) -> Array:
    """Hessian of the loss plus ``sum_i multipliers_i |A_i|^2/2``, by central differences."""
    h, size = 1e-5, N * N
    moves = h * np.eye(2 * size)
    sides = []
    for sign in (1, -1):
        p = P + sign * moves[:, :size].reshape(-1, N, N)
        a = A + sign * moves[:, size:].reshape(-1, N, N)
        gP, gA = gradient(p, a, Y, phi)
        sides.append(np.concatenate([gP.reshape(-1, size), gA.reshape(-1, size)], axis=1))
    H = (sides[0] - sides[1]) / (2 * h)
    H[size:, size:] += np.diag(np.repeat(multipliers, N))
    symmetric: Array = (H + H.T) / 2
    return symmetric


@dataclass(frozen=True)
class Found:
    """A target with two strict minima of the closure, or with one that is no global one."""

    Y: Array
    bad: Minimum
    good: Minimum

    @property
    def gap(self) -> float:
        """How much larger the bad limit is."""
        return self.bad.value - self.good.value


def search(
    phi: Branch, draw: np.random.Generator, targets: int, tries: int, steps: int
) -> tuple[list[Found], Array]:
    """Random targets, and minima of the closure from many starts for each.

    Returns:
        Targets with a strict minimum above the lowest that was found, the largest number of
        entries at infinity and then the largest gap first; and for every target the gap
        between the highest and the lowest value reached, strict minimum or not.
    """
    sizes = draw.uniform(0.5, 1.5, (targets, 1, 1, 1))
    Y = sizes * draw.standard_normal((targets, 1, N, N))
    P, A = starts(draw, targets * tries)
    shape = (targets, tries, N, N)
    P, A = minimise(P.reshape(shape), A.reshape(shape), Y, phi, steps)
    values = loss(P, A, Y, phi)
    found = []
    for t in range(targets):
        low = int(values[t].argmin())
        good = examine(P[t, low], A[t, low], Y[t, 0], phi)
        above = [i for i in range(tries) if values[t, i] > values[t, low] + 1e-3]
        seen = [examine(P[t, i], A[t, i], Y[t, 0], phi) for i in above]
        found += [
            Found(Y[t, 0], m, good) for m in _distinct(seen) if m.strict and good.strict
        ]
    found.sort(key=lambda f: (f.bad.entries, f.gap), reverse=True)
    return found, values.max(axis=1) - values.min(axis=1)


def _distinct(minima: list[Minimum]) -> list[Minimum]:
    kept: dict[float, Minimum] = {}
    for m in minima:
        kept.setdefault(round(m.value, 6), m)
    return list(kept.values())


def shift(found: Found, bad: float, good: float, phi: Branch, steps: int) -> Found | None:
    """Move the target until its two limits have given values; None if a minimum is lost.

    The derivative of a minimum's value in Y is ``-2 (F - Y)/N``, so Newton's method needs
    nothing but the two residuals.
    """
    Y, minima = found.Y, [found.bad, found.good]
    for _ in range(60):
        values = np.array([m.value for m in minima])
        wanted = np.array([bad, good]) - values
        if np.abs(wanted).max() < 1e-10:
            break
        residuals = [m.P + phi.value(SCALE * (m.A @ m.P)) - Y for m in minima]
        J = np.array([(-2 / N * r).ravel() for r in residuals])
        move = np.linalg.lstsq(J, wanted, rcond=None)[0]
        move *= min(1.0, 0.1 / float(np.linalg.norm(move)))
        Y = Y + move.reshape(N, N)
        P, A = minimise(np.array([m.P for m in minima]), np.array([m.A for m in minima]), Y, phi,
                        steps)
        minima = [examine(p, a, Y, phi) for p, a in zip(P, A, strict=True)]
    moved = Found(Y, minima[0], minima[1])
    reached = abs(moved.bad.value - bad) + abs(moved.good.value - good) < 1e-8
    return moved if reached and moved.bad.strict and moved.good.strict else None


@dataclass(frozen=True)
class Descent:
    """Gradient descent from several starts.

    Args:
        times: step numbers that are kept.
        losses: at these, times x starts.
        weights: ``max |w|`` at these.
        rises: the largest increase of a loss in one step.
    """

    times: Array
    losses: Array
    weights: Array
    rises: float


def descend(
    w: Array,
    v: Array,
    Y: Array,
    phi: Branch,
    eta: float,
    steps: int,
    tick: Callable[[int], None] = lambda done: None,
) -> Descent:
    """Gradient descent on w and v themselves, for a stack of starts."""
    keep = np.unique(np.geomspace(1, steps, 120).astype(int))
    rows, rises, before = [], -math.inf, np.full(len(w), math.inf)
    for t in range(steps + 1):
        dw, dv = EPS + w * w, EPS + (v * v).sum(axis=-1, keepdims=True)
        P, A = w / np.sqrt(dw), v / np.sqrt(dv)
        z = SCALE * (A @ P)
        residual = P + phi.value(z) - Y
        now = (residual**2).sum(axis=(-1, -2)) / N
        rises = max(rises, float((now - before).max()))
        before = now
        if t == 0 or t in keep:
            rows.append((t, now, np.abs(w).max(axis=(-1, -2))))
        if t % 1000 == 0:
            tick(t)
        r = 2 / N * residual
        g = SCALE * r * phi.slope(z)
        gP, gA = r + np.swapaxes(A, -1, -2) @ g, g @ np.swapaxes(P, -1, -2)
        w = w - eta * gP * EPS / dw**1.5
        inner = (gA * v).sum(axis=-1, keepdims=True)
        v = v - eta * (gA - inner * v / dv) / np.sqrt(dv)
    return Descent(
        np.array([r[0] for r in rows], dtype=float), np.array([r[1] for r in rows]),
        np.array([r[2] for r in rows]), rises,
    )


def weights(m: Minimum, size: float) -> tuple[Array, Array]:
    """Parameters near a point of the closure: what is at infinity gets about this size."""
    reach = size / math.sqrt(EPS + size * size)
    P = np.clip(m.P, -reach, reach)
    norms = np.linalg.norm(m.A, axis=1, keepdims=True)
    A = m.A * np.minimum(1, reach / np.maximum(norms, 1e-300))
    w = P * np.sqrt(EPS / (1 - P * P))
    v = A * np.sqrt(EPS / (1 - (A * A).sum(axis=1, keepdims=True)))
    return w, v
