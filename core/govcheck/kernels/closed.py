"""Activations whose Gaussian expectations have closed forms."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from typing import Literal

import numpy as np

from govcheck.kernels.dual import Array, Dual, Expectation, correlation

Order = Literal[0, 1]


class Linear(Dual):
    """phi(x) = x."""

    def expect(self, order: Order, q1: Array, c: Array, q2: Array) -> Expectation:
        c = np.asarray(correlation(q1, c, q2) * np.sqrt(q1) * np.sqrt(q2))
        return Expectation(np.ones_like(c) if order else c)

    def mean(self, q: Array) -> Array:
        return np.zeros_like(q)


def _angles(q1: Array, c: Array, q2: Array) -> tuple[Array, Array, Array]:
    """Correlation, angle and sine of the angle between two Gaussian variables."""
    rho = correlation(q1, c, q2)
    sine = np.sqrt((1 - rho) * (1 + rho))
    return rho, np.arctan2(sine, rho), sine


def _half_lines(q1: Array, c: Array, q2: Array) -> tuple[Array, Array]:
    """``E relu(u) relu(v)`` and ``P(u > 0, v > 0)`` (Cho and Saul, arc-cosine kernels)."""
    rho, angle, sine = _angles(q1, c, q2)
    rest = pi - angle
    return np.sqrt(q1) * np.sqrt(q2) * (sine + rest * rho) / (2 * pi), rest / (2 * pi)


@dataclass(frozen=True)
class PiecewiseLinear(Dual):
    """phi(x) = x for x > 0 and ``left x`` otherwise: relu, leaky relu, absolute value."""

    left: float = 0.0

    def expect(self, order: Order, q1: Array, c: Array, q2: Array) -> Expectation:
        # phi(x) = left x + jump relu(x), and E u relu(v) = c/2, E 1[v > 0] = 1/2
        jump = 1 - self.left
        products, both = _half_lines(q1, c, q2)
        mixed = self.left**2 + self.left * jump
        if order:
            return Expectation(mixed + jump**2 * both)
        c = correlation(q1, c, q2) * np.sqrt(q1) * np.sqrt(q2)
        return Expectation(mixed * c + jump**2 * products)

    def mean(self, q: Array) -> Array:
        return (1 - self.left) * np.sqrt(q / (2 * pi))


class ReluSquared(Dual):
    """phi(x) = max(x, 0)^2; the arc-cosine kernel of order 2."""

    def expect(self, order: Order, q1: Array, c: Array, q2: Array) -> Expectation:
        if order:
            return Expectation(4 * _half_lines(q1, c, q2)[0])
        rho, angle, sine = _angles(q1, c, q2)
        shape = 3 * sine * rho + (pi - angle) * (1 + 2 * rho**2)
        return Expectation(q1 * q2 * shape / (2 * pi))

    def mean(self, q: Array) -> Array:
        return q / 2


class Erf(Dual):
    """phi(x) = erf x (Williams 1997)."""

    def expect(self, order: Order, q1: Array, c: Array, q2: Array) -> Expectation:
        left, right = 2 / np.sqrt(1 + 2 * q1), 1 / np.sqrt(1 + 2 * q2)
        # the sine of an angle, below 1 where |c| <= sqrt(q1 q2), which rounding may miss
        s = np.asarray(c * (left * right) if left.size * right.size < c.size
                       else (c * left) * right)
        largest = np.max(left * np.sqrt(q1)) * np.max(right * np.sqrt(q2))
        np.clip(s, -largest, largest, out=s)
        if order:
            scale = 2 / pi * left
            np.multiply(s, s, out=s)
            np.sqrt(np.subtract(1, s, out=s), out=s)
            return Expectation(scale * right / s)
        return Expectation(np.multiply(np.arcsin(s, out=s), 2 / pi, out=s))

    def mean(self, q: Array) -> Array:
        return np.zeros_like(q)


def _clipped(q1: Array, c: Array, q2: Array) -> Array:
    largest = np.sqrt(q1) * np.sqrt(q2)
    clipped: Array = np.minimum(np.maximum(c, -largest), largest)
    return clipped


@dataclass(frozen=True)
class Sine(Dual):
    """phi(x) = sin(w x): ``2 sin sin`` and ``2 cos cos`` are sums of characteristic functions."""

    frequency: float = 1.0

    def expect(self, order: Order, q1: Array, c: Array, q2: Array) -> Expectation:
        w2 = self.frequency**2
        c = _clipped(q1, c, q2)
        total = (q1 + q2) / 2
        # exp(-w2 (total -+ c)): both exponents are at most 0, nothing overflows
        near, far = np.exp(-w2 * (total - c)), np.exp(-w2 * (total + c))
        return Expectation(w2 * (near + far) / 2 if order else (near - far) / 2)

    def mean(self, q: Array) -> Array:
        return np.zeros_like(q)


class Gaussian(Dual):
    """phi(x) = exp(-x^2): Gaussian integrals."""

    def expect(self, order: Order, q1: Array, c: Array, q2: Array) -> Expectation:
        c = _clipped(q1, c, q2)
        det = (1 + 2 * q1) * (1 + 2 * q2) - 4 * c * c
        return Expectation(4 * c / (det * np.sqrt(det)) if order else 1 / np.sqrt(det))

    def mean(self, q: Array) -> Array:
        return 1 / np.sqrt(1 + 2 * q)


class Gelu(Dual):
    """phi(x) = x Phi(x): integration by parts; the second is the derivative of the first in c."""

    def expect(self, order: Order, q1: Array, c: Array, q2: Array) -> Expectation:
        c = _clipped(q1, c, q2)
        size = (1 + q1) * (1 + q2)
        det = size - c * c
        density = 1 / (2 * pi * np.sqrt(det))
        both = 0.25 + np.arcsin(c / np.sqrt(size)) / (2 * pi)
        shrink = 1 - q1 / (1 + q1) - q2 / (1 + q2)
        bend = q1 * q2 + shrink * c * c
        if order:
            return Expectation(both + density * (c + 2 * c * shrink + bend * c / det))
        return Expectation(c * both + bend * density)

    def mean(self, q: Array) -> Array:
        return q / np.sqrt(2 * pi * (1 + q))


@dataclass(frozen=True)
class Polynomial(Dual):
    """phi(x) = sum of ``coefficients[j] x^j``: a finite Hermite expansion, without truncation."""

    coefficients: tuple[float, ...]

    def expect(self, order: Order, q1: Array, c: Array, q2: Array) -> Expectation:
        rho = correlation(q1, c, q2)
        own = self.coefficients
        if order:
            own = tuple(j * a for j, a in enumerate(own))[1:] or (0.0,)
        left, right = _hermite(own, np.asarray(q1)), _hermite(own, np.asarray(q2))
        total = np.zeros(np.broadcast_shapes(rho.shape, left.shape[1:], right.shape[1:]))
        for a, b in zip(left[::-1], right[::-1], strict=True):
            total = total * rho + a * b
        return Expectation(total)

    def mean(self, q: Array) -> Array:
        return np.asarray(_hermite(self.coefficients, np.asarray(q))[0])


def _hermite(coefficients: tuple[float, ...], q: Array) -> Array:
    """Coefficients of ``phi(sqrt(q) z)`` in orthonormal Hermite polynomials, index first."""
    from math import comb, factorial

    degree = len(coefficients) - 1
    result = np.zeros((degree + 1, *q.shape))
    for j, a in enumerate(coefficients):
        # z^j = sum over i of j!/(2^i i! (j - 2i)!) He_{j - 2i}(z)
        for i in range(j // 2 + 1):
            k = j - 2 * i
            count = comb(j, 2 * i) * factorial(2 * i) // (2**i * factorial(i))
            result[k] += a * count * sqrt(factorial(k)) * q ** (j / 2)
    return result
