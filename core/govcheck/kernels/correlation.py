"""Inputs of equal norm: every kernel entry is one scalar function of the correlation.

The function is found once, by taking the network's steps at Chebyshev nodes, and evaluated
at the correlations of all pairs. Kernels of activations with a kink go like a root of
``1 - rho`` near 1; in the angle ``arccos rho`` they are smooth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from govcheck.kernels.dual import EPS, SNAP, Array

Curves = Callable[[Array], Mapping[str, Array]]

LOWEST: Final = 8
FIRST: Final = 64
LAST: Final = 512
"""Degrees of interpolants: the lowest, that of the first walk over the network, the highest."""

TESTS: Final = 40
TARGET: Final = 16 * EPS

ANGLE_COST: Final = 4
"""An arc cosine takes about as long as this many degrees of a polynomial."""

CHUNK: Final = 1 << 14


@dataclass(frozen=True, eq=False)
class CorrelationMap:
    """Polynomials in a variable t in [-1, 1], one for each kernel.

    Args:
        names: of the kernels.
        chebyshev: coefficients for ``T_0, T_1, ...``, one row for each kernel.
        low, high: the range of the variable before it is scaled to [-1, 1].
        angle: whether the variable is the angle rather than the correlation.
        at_one: the kernels at correlation 1.
        error: by name, largest difference to direct evaluation at a higher resolution.
        ready: working memory of evaluations.
    """

    names: tuple[str, ...]
    chebyshev: Array
    low: float
    high: float
    angle: bool
    at_one: Mapping[str, float]
    error: Mapping[str, float]
    ready: dict[tuple[str, ...], _Series] = field(default_factory=dict, repr=False)

    @property
    def degree(self) -> int:
        """Degree of the polynomials."""
        return len(self.chebyshev[0]) - 1

    def evaluate(self, rho: Array, names: Sequence[str] | None = None) -> dict[str, Array]:
        """Kernels at an array of correlations, which is overwritten when one name is asked for.

        Correlations outside of the range that the map was made for are moved into it, but
        for 1 itself.
        """
        wanted = self.names if names is None else tuple(names)
        flat = rho.reshape(-1)
        results = {n: flat if len(wanted) == 1 else np.empty_like(flat) for n in wanted}
        series = self._series(wanted)
        for start in range(0, flat.size, CHUNK):
            part = flat[start : start + CHUNK]
            ones = part >= 1 - SNAP if part.max() >= 1 - SNAP else None
            found = series(self._scale(part, series.variable(part.size)))
            for name, values in zip(wanted, found, strict=True):
                out = results[name][start : start + CHUNK]
                out[...] = values
                if ones is not None:
                    out[ones] = self.at_one[name]
        return {n: a.reshape(rho.shape) for n, a in results.items()}

    def _series(self, names: tuple[str, ...]) -> _Series:
        if names not in self.ready:
            self.ready[names] = _Series(self.chebyshev[[self.names.index(n) for n in names]])
        return self.ready[names]

    def _scale(self, rho: Array, t: Array) -> Array:
        middle, half = (self.high + self.low) / 2, (self.high - self.low) / 2
        if half == 0:
            t.fill(0.0)
            return t
        if self.angle:
            np.clip(rho, -1.0, 1.0, out=t)
            np.arccos(t, out=t)
            t -= middle
        else:
            np.subtract(rho, middle, out=t)
        t *= 1 / half
        return np.clip(t, -1.0, 1.0, out=t)


class _Series:
    """Chebyshev series in blocks of m terms, most of the work in one matrix product.

    ``sum_k c_k T_k(t) = sum_j T_j(s) q_j(t)`` with ``s = T_m(t)`` and q_j of degree below m,
    because ``T_j(T_m) = T_jm`` and ``T_{jm+i} = 2 T_jm T_i - T_{jm-i}``. The outer sum is
    Clenshaw's recurrence in s.

    Args:
        chebyshev: coefficients, one row for each series.
    """

    def __init__(self, chebyshev: Array) -> None:
        self.rows, count = chebyshev.shape
        # two passes over the places for each inner term, three for each block
        self.m = m = max(1, min(count, round(math.sqrt(1.5 * self.rows * count))))
        self.blocks = -(-count // m)
        left = np.zeros((self.rows, self.blocks * m))
        left[:, :count] = chebyshev
        inner = np.zeros((self.blocks, self.rows, m))
        for j in range(self.blocks - 1, 0, -1):
            top = left[:, j * m : (j + 1) * m]
            inner[j] = 2 * top
            inner[j, :, 0] = top[:, 0]
            left[:, (j - 1) * m + 1 : j * m] -= top[:, :0:-1]
        inner[0] = left[:, :m]
        self.inner = inner.reshape(-1, m)
        self.terms = np.empty((m + 1, CHUNK))
        self.parts = np.empty((len(self.inner), CHUNK))
        self.spare = np.empty((self.rows, CHUNK))

    def variable(self, size: int) -> Array:
        """Where the places go."""
        return self.terms[1, :size]

    def __call__(self, t: Array) -> Array:
        """One row for each series.

        Args:
            t: in [-1, 1]; what `variable` gave.
        """
        size, m = t.size, self.m
        terms = self.terms[:, :size]
        terms[0] = 1.0
        double = self.spare[0, :size]
        np.add(t, t, out=double)
        for i in range(2, m + 1):
            np.multiply(double, terms[i - 1], out=terms[i])
            terms[i] -= terms[i - 2]
        parts = np.matmul(self.inner, terms[:m], out=self.parts[:, :size])
        parts = parts.reshape(self.blocks, self.rows, size)
        if self.blocks == 1:
            return np.asarray(parts[0])
        spare, s = self.spare[:, :size], terms[m]
        double = np.add(s, s, out=terms[0])
        for j in range(self.blocks - 2, -1, -1):
            parts[j] += np.multiply(double if j else s, parts[j + 1], out=spare)
            if j + 2 < self.blocks:
                parts[j] -= parts[j + 2]
        return np.asarray(parts[0])


def correlation_map(
    curves: Curves, finer: Curves | None, low: float, high: float
) -> CorrelationMap:
    """Find the polynomials for correlations in ``[low, high]``.

    Args:
        curves: kernels by name at an array of correlations.
        finer: the same at a higher resolution, for the error estimate; None if there is none.
        low, high: range of the correlations; pairs of correlation 1 need not be in it.
    """
    low, high = max(-1.0, low), min(1.0, max(low, high))
    # correlation 1, the nodes of both variables and the places of tests in one walk
    one, t, tests = np.ones(1), _nodes(FIRST), _tests()
    parts = [one, *(_correlations(v, low, high, a) for v in (t, tests) for a in (False, True))]
    values = curves(np.concatenate(parts))
    names = tuple(values)
    table = np.split(
        np.array([values[n] for n in names]), np.cumsum([len(p) for p in parts[:-1]]), axis=1
    )
    plain, angle = _fitted(names, table[1], False), _fitted(names, table[2], True)
    degree = 2 * FIRST
    while not (plain.converged or angle.converged) and degree <= LAST:
        plain, angle = (_fit(curves, low, high, a, degree) for a in (False, True))
        degree *= 2
    best = min(plain, angle, key=lambda f: (not f.converged, f.cost))
    ends = (math.acos(high), math.acos(low)) if best.angle else (low, high)
    at_one = dict(zip(names, table[0][:, 0].tolist(), strict=True))
    found = CorrelationMap(names, best.chebyshev, *ends, best.angle, at_one, {})
    truth = np.append(table[4 if best.angle else 3], table[0], axis=1)
    places = np.append(parts[4 if best.angle else 3], one)
    if finer is not None:
        fine = finer(places)
        truth = np.array([fine[n] for n in names])
    own = found.evaluate(places[:-1].copy())
    error = {
        n: float(max(np.abs(own[n] - row[:-1]).max(), abs(at_one[n] - row[-1])))
        for n, row in zip(names, truth, strict=True)
    }
    return CorrelationMap(names, best.chebyshev, *ends, best.angle, at_one, error)


@dataclass(frozen=True, eq=False)
class _Fit:
    names: tuple[str, ...]
    chebyshev: Array
    angle: bool
    converged: bool

    @property
    def degree(self) -> int:
        return len(self.chebyshev[0]) - 1

    @property
    def cost(self) -> int:
        return self.degree + (ANGLE_COST if self.angle else 0)


def _nodes(degree: int) -> Array:
    nodes: Array = np.cos(np.pi * np.arange(degree + 1) / degree)
    return nodes


def _fit(curves: Curves, low: float, high: float, angle: bool, degree: int) -> _Fit:
    values = curves(_correlations(_nodes(degree), low, high, angle))
    return _fitted(tuple(values), np.array(list(values.values())), angle)


def _fitted(names: tuple[str, ...], values: Array, angle: bool) -> _Fit:
    """Interpolate values at the nodes, one row for each name, with as few of them as will do."""
    degree = values.shape[1] - 1
    own = min(degree, LOWEST)
    while True:
        c = _chebyshev(values[:, :: degree // own])
        scale = np.abs(c).max(axis=1, keepdims=True)
        last = np.abs(c[:, -max(2, own // 8) :]).max(axis=1, keepdims=True)
        if (last <= TARGET * scale).all():
            kept = (np.abs(c) > TARGET / 8 * scale).any(axis=0)
            top = int(np.flatnonzero(kept).max(initial=0))
            return _Fit(names, c[:, : top + 1], angle, True)
        if own == degree:
            return _Fit(names, c, angle, False)
        own *= 2


def _correlations(t: Array, low: float, high: float, angle: bool) -> Array:
    if angle:
        a, b = math.acos(high), math.acos(low)
        return np.clip(np.cos((a + b) / 2 + (b - a) / 2 * t), low, high)
    return np.clip((low + high) / 2 + (high - low) / 2 * t, low, high)


def _chebyshev(values: Array) -> Array:
    """Coefficients of the interpolants at the extrema of ``T_n``, rows by rows."""
    from scipy.fft import dct

    n = values.shape[1] - 1
    c: Array = dct(values, type=1, axis=1) / n
    c[:, 0] /= 2
    c[:, n] /= 2
    return c


def _tests() -> Array:
    """Irregular places, so that none is a node."""
    k = np.arange(TESTS)
    places: Array = np.cos(np.pi * (k + 0.5 + 0.3 * np.sin(k)) / TESTS)
    return places
