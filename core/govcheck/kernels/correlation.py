"""Inputs of equal norm: every kernel entry is one scalar function of the correlation.

The function is found once, by taking the network's steps at Chebyshev nodes, and evaluated
at the correlations of all pairs. Kernels of activations with a kink go like a root of
``1 - rho`` near 1; in the angle ``arccos rho`` they are smooth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from govcheck.kernels.dual import EPS, SNAP, Array

Curves = Callable[[Array], Mapping[str, Array]]

DEGREES: Final = (8, 16, 32, 64, 128, 256, 512)
TARGET: Final = 16 * EPS
ENOUGH: Final = 48
"""Up to this degree a polynomial in the correlation is taken without trying the angle."""

ANGLE_COST: Final = 12
"""An arc cosine takes about as long as this many degrees of a polynomial."""

STEEPEST: Final = 64.0
"""How much larger than the values monomial coefficients may be."""

CHUNK: Final = 1 << 13


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
    """

    names: tuple[str, ...]
    chebyshev: Array
    low: float
    high: float
    angle: bool
    at_one: Mapping[str, float]
    error: Mapping[str, float]

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
        plans = [self._plan(n) for n in wanted]
        spare = np.empty((3, min(CHUNK, flat.size)))
        for start in range(0, flat.size, CHUNK):
            part = flat[start : start + CHUNK]
            ones = part >= 1 - SNAP
            repeated = ones if ones.any() else None
            t = self._scaled(part, spare[0, : part.size])
            for name, (coefficients, monomial) in zip(wanted, plans, strict=True):
                out = results[name][start : start + CHUNK]
                work = spare[1:, : part.size]
                if monomial:
                    _horner(coefficients, t, out)
                else:
                    _clenshaw(coefficients, t, out, work)
                if repeated is not None:
                    out[repeated] = self.at_one[name]
        return {n: a.reshape(rho.shape) for n, a in results.items()}

    def _scaled(self, rho: Array, t: Array) -> Array:
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

    def _plan(self, name: str) -> tuple[list[float], bool]:
        """Coefficients with trailing zeros cut off, and whether they are of powers."""
        own = self.chebyshev[self.names.index(name)]
        monomial = np.polynomial.chebyshev.cheb2poly(own)
        if np.abs(monomial).sum() <= STEEPEST * np.abs(own).max():
            return monomial.tolist(), True
        return own.tolist(), False


def _horner(coefficients: list[float], t: Array, out: Array) -> None:
    out.fill(coefficients[-1])
    for c in coefficients[-2::-1]:
        out *= t
        out += c


def _clenshaw(coefficients: list[float], t: Array, out: Array, work: Array) -> None:
    now, before = work
    now.fill(0.0)
    before.fill(0.0)
    twice = t * 2
    for c in coefficients[:0:-1]:
        np.multiply(twice, now, out=out)
        out -= before
        out += c
        before[...] = now
        now[...] = out
    np.multiply(t, now, out=out)
    out -= before
    out += coefficients[0]


def correlation_map(curves: Curves, finer: Curves, low: float, high: float) -> CorrelationMap:
    """Find the polynomials for correlations in ``[low, high]``.

    Args:
        curves: kernels by name at an array of correlations.
        finer: the same at a higher resolution, for the error estimate.
        low, high: range of the correlations; pairs of correlation 1 need not be in it.
    """
    low, high = max(-1.0, low), min(1.0, max(low, high))
    one = {n: float(v[0]) for n, v in curves(np.ones(1)).items()}
    plain = _fit(curves, low, high, False, ENOUGH)
    if plain.degree > ENOUGH or not plain.converged:
        angle = _fit(curves, low, high, True, DEGREES[-1])
        if not plain.converged and not angle.converged:
            plain = _fit(curves, low, high, False, DEGREES[-1])
        best = min(plain, angle, key=lambda f: (not f.converged, f.cost))
    else:
        best = plain
    ends = (math.acos(high), math.acos(low)) if best.angle else (low, high)
    found = CorrelationMap(best.names, best.chebyshev, *ends, best.angle, one, {})
    return CorrelationMap(
        best.names, best.chebyshev, *ends, best.angle, one, _differences(found, finer)
    )


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


def _fit(curves: Curves, low: float, high: float, angle: bool, largest: int) -> _Fit:
    for degree in DEGREES:
        t = np.cos(np.pi * np.arange(degree + 1) / degree)
        values = curves(_correlations(t, low, high, angle))
        names = tuple(values)
        c = _chebyshev(np.array([values[n] for n in names]))
        scale = np.abs(c).max(axis=1, keepdims=True)
        last = np.abs(c[:, -max(2, degree // 8) :]).max(axis=1, keepdims=True)
        if (last <= TARGET * scale).all():
            kept = (np.abs(c) > TARGET / 8 * scale).any(axis=0)
            top = int(np.flatnonzero(kept).max(initial=0))
            return _Fit(names, c[:, : top + 1], angle, True)
        if degree >= largest:
            break
    return _Fit(names, c, angle, False)


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


def _differences(found: CorrelationMap, finer: Curves) -> dict[str, float]:
    # irregular places, so that none is a node
    t = np.cos(np.pi * (np.arange(40) + 0.5 + 0.3 * np.sin(np.arange(40))) / 40)
    if found.angle:
        rho = np.cos((found.low + found.high) / 2 + (found.high - found.low) / 2 * t)
    else:
        rho = (found.low + found.high) / 2 + (found.high - found.low) / 2 * t
    truth = finer(np.append(rho, 1.0))
    own = found.evaluate(rho.copy()) if len(found.names) > 1 else {
        found.names[0]: found.evaluate(rho.copy())[found.names[0]]
    }
    return {
        n: float(max(np.abs(own[n] - truth[n][:-1]).max(), abs(found.at_one[n] - truth[n][-1])))
        for n in found.names
    }
