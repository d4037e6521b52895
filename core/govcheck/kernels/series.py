"""Gaussian expectations by Hermite (Mehler) series: any activation, variances of any size.

``E f(u) f(v) = sum_k a_k(q1) a_k(q2) rho^k`` with ``a_k(q) = E f(sqrt(q) Z) h_k(Z)``: one
vector of coefficients for each distinct variance, whatever the number of pairs. What is cut
off is at most ``|rho|^(K+1) sqrt(t(q1) t(q2))`` where Parseval's identity gives
``t = E f^2 - sum_{k <= K} a_k^2``; it is computed, not assumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from govcheck.kernels.dual import EPS, Array, Dual, DualError, Expectation, correlation
from govcheck.kernels.hermite import (
    COARSEST,
    FINEST,
    REACH,
    hermite_functions,
    rule_error,
    table,
)

Function = Callable[[Array], Array]
Order = Literal[0, 1]

DEGREES: Final = (48, 96, 192, 384, 768)
TOLERANCE: Final = 4e-15
BLOCK: Final = 1 << 15
WIDEST: Final = 3.0
FALL_BACK: Final = 1e-13
FEW: Final = 256


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Hermite coefficients for an array of variances.

    Args:
        terms: ``a_k``, index first.
        square: ``E f(sqrt(q) Z)^2``.
        error: DualError of a single coefficient.
    """

    terms: Array
    square: Array
    error: DualError

    @property
    def tail(self) -> Array:
        """``sum_{k > K} a_k^2``, at least the rounding error of its computation."""
        left = self.square - np.einsum("k...,k...->...", self.terms, self.terms)
        floor = 8 * EPS * self.square
        result: Array = np.maximum(left, floor)
        return result


@dataclass(frozen=True)
class Series(Dual):
    """An activation given by numpy functions of itself and its derivative.

    Args:
        value, slope: phi and phi' on arrays; phi' is 0-1-valued or whatever it is at kinks.
        strip: ``(d, B)`` if phi is analytic on ``|Im z| <= d`` with ``|phi'| <= B`` there. It
            gives a proven error bound; without it the error is estimated.
        kinks: places where phi or one of its derivatives jumps.
        level: added to the resolution that the bound asks for.
    """

    value: Function
    slope: Function
    strip: tuple[float, float] | None = None
    kinks: tuple[float, ...] = ()
    level: int = 0

    def refined(self) -> Series:
        return replace(self, level=self.level + 1)

    def mean(self, q: Array) -> Array:
        q = np.asarray(q, dtype=float)
        found: Array = _spread(lambda u: self.coefficients(0, u, 0).terms, q)[0]
        return found

    def expect(self, order: Order, q1: Array, c: Array, q2: Array) -> Expectation:
        q1, c, q2 = (np.atleast_1d(np.asarray(a, dtype=float)) for a in (q1, c, q2))
        rho = np.array(np.broadcast_to(correlation(q1, c, q2), np.broadcast_shapes(
            q1.shape, c.shape, q2.shape)))
        whole = np.abs(rho) == 1
        rest = float(np.abs(rho[~whole]).max(initial=0.0))
        for degree in DEGREES:
            a, b = self._pair(order, q1, q2, degree)
            cut = rest ** (degree + 1) * math.sqrt(float(a.tail.max() * b.tail.max()))
            size = math.sqrt(float(a.square.max() * b.square.max()))
            if cut <= TOLERANCE * size:
                break
        hard = self._hard(rho, degree, cut, size) & ~whole
        if hard.any():
            rest = float(np.abs(rho[~whole & ~hard]).max(initial=0.0))
            cut = rest ** (degree + 1) * math.sqrt(float(a.tail.max() * b.tail.max()))
        kept = _significant(a.terms, b.terms, rest, size)
        values = mehler(a.terms[:kept], b.terms[:kept], rho)
        if whole.any():
            self._on_diagonal(order, q1, q2, rho, whole, a.square, values)
        if hard.any():
            self._in_two_dimensions(order, q1, q2, rho, hard, values)
        wrong = math.sqrt(degree + 1) * max(a.error.size, b.error.size)
        total = cut + 2 * math.sqrt(size) * wrong + wrong**2
        return Expectation(values, DualError(a.error.worst(b.error).kind, total))

    def _pair(
        self, order: Order, q1: Array, q2: Array, degree: int
    ) -> tuple[Coefficients, Coefficients]:
        left = self._for(order, q1, degree)
        same = q1.shape == q2.shape and np.array_equal(q1, q2)
        return left, left if same else self._for(order, q2, degree)

    def _for(self, order: Order, q: Array, degree: int) -> Coefficients:
        distinct, where = np.unique(q, return_inverse=True)
        found = self.coefficients(order, distinct, degree)
        where = where.reshape(q.shape)
        return Coefficients(found.terms[:, where], found.square[where], found.error)

    def coefficients(self, order: Order, q: Array, degree: int) -> Coefficients:
        """Hermite coefficients up to `degree` for distinct variances, a one-dimensional array."""
        return _coefficients(self, order, q.tobytes(), degree)

    def compute(self, order: Order, q: Array, degree: int) -> Coefficients:
        """As `coefficients`, without looking into the store of those found before."""
        f = self.slope if order else self.value
        if self.kinks:
            return _piecewise(f, self.kinks, q, degree, self.level)
        if self.strip is None:
            return _two_levels(f, q, degree, self.level)
        level, error = self._level(order, float(q.max()), degree)
        terms, square = _trapezoid(f, q, level, degree)
        return Coefficients(terms, square, DualError("bound", error))

    def _level(self, order: Order, variance: float, degree: int) -> tuple[int, float]:
        """Resolution at which the rule's error is below rounding, and that error."""
        assert self.strip is not None
        d, slope = self.strip
        largest = math.sqrt(variance)
        y = min(d / largest, WIDEST) if largest else WIDEST
        zero = float(np.abs(self.value(np.zeros(1)))[0])
        size, growth = (slope, 0.0) if order else (zero + slope * y * largest, slope * largest)
        level = COARSEST
        while True:
            error = rule_error(level, REACH, degree, size, growth, y)
            if error <= EPS / 64 * (size + growth) or level == FINEST:
                return level + self.level, error
            level += 1

    def _on_diagonal(
        self,
        order: Order,
        q1: Array,
        q2: Array,
        rho: Array,
        whole: NDArray[np.bool_],
        square: Array,
        values: Array,
    ) -> None:
        """Where u and v are multiples of each other the expectation has one dimension."""
        f = self.slope if order else self.value
        same = whole & (rho > 0) & (q1 == q2)
        if same.any():
            values[same] = np.broadcast_to(square, rho.shape)[same]
            whole = whole & ~same
            if not whole.any():
                return
        chosen = (np.broadcast_to(q1, rho.shape)[whole], rho[whole],
                  np.broadcast_to(q2, rho.shape)[whole])
        triples, back = np.unique(np.stack(chosen), axis=1, return_inverse=True)
        a, sign, b = triples
        found = np.empty(triples.shape[1])
        for start in range(0, len(found), 256):
            rows = slice(start, start + 256)
            left, right = np.sqrt(a[rows, None]), sign[rows, None] * np.sqrt(b[rows, None])
            largest = np.maximum(a[rows], b[rows])
            z, weights = self._line(order, largest, np.minimum(a[rows], b[rows]))
            first = f(left * z)
            second = first if np.array_equal(left, right) else f(right * z)
            found[rows] = (first * second) @ weights
        values[whole] = found[back.reshape(-1)]

    def _hard(self, rho: Array, degree: int, cut: float, size: float) -> NDArray[np.bool_]:
        """Pairs that need more terms than there are, if two-dimensional quadrature may help."""
        none = np.zeros(rho.shape, dtype=bool)
        if cut <= FALL_BACK * size or self.kinks:
            return none
        found: NDArray[np.bool_] = np.abs(rho) ** (degree + 1) * cut > FALL_BACK * size * float(
            np.abs(rho[np.abs(rho) < 1]).max()
        ) ** (degree + 1)
        return found if np.count_nonzero(found) <= FEW else none

    def _in_two_dimensions(
        self,
        order: Order,
        q1: Array,
        q2: Array,
        rho: Array,
        chosen: NDArray[np.bool_],
        values: Array,
    ) -> None:
        """``u = sqrt(q1) z1`` and ``v = sqrt(q2) (rho z1 + sqrt(1 - rho^2) z2)``."""
        f = self.slope if order else self.value
        first = np.broadcast_to(q1, rho.shape)[chosen]
        second = np.broadcast_to(q2, rho.shape)[chosen]
        found = np.empty(len(first))
        for i, (a, b, r) in enumerate(zip(first, second, rho[chosen], strict=True)):
            z, w = self._line(order, np.array([max(a, b)]), np.array([min(a, b)]))
            across = b * (1 - r) * (1 + r)
            y, w2 = self._line(order, np.array([across]), np.array([across]))
            inner = f(math.sqrt(b) * r * z[:, None] + math.sqrt(across) * y) @ w2
            found[i] = (f(math.sqrt(a) * z) * inner) @ w
        values[chosen] = found

    def _line(self, order: Order, larger: Array, smaller: Array) -> tuple[Array, Array]:
        """Nodes and weights of the standard normal distribution for products of two f."""
        if self.kinks:
            variances = np.concatenate([larger, smaller])
            places = np.array(self.kinks)[:, None] / np.sqrt(variances[variances > 0])
            return _panels(np.concatenate([places.ravel(), -places.ravel()]), self.level)
        if self.strip is None:
            level = min(FINEST, COARSEST + 3 + self.level)
        else:
            # one step finer than a single factor of the integrand needs
            level = self._level(order, float(larger.max()), 0)[0] + 1
        rule = table(level, REACH, 0)
        return rule.nodes, rule.weights


@lru_cache(maxsize=256)
def _coefficients(series: Series, order: Order, variances: bytes, degree: int) -> Coefficients:
    return series.compute(order, np.frombuffer(variances), degree)


def _spread(f: Callable[[Array], Array], q: Array) -> Array:
    distinct, where = np.unique(q, return_inverse=True)
    return f(distinct)[:, where.reshape(q.shape)]


def _trapezoid(f: Function, q: Array, level: int, degree: int) -> tuple[Array, Array]:
    rule = table(level, REACH, degree)
    terms, square = np.empty((degree + 1, len(q))), np.empty(len(q))
    for start in range(0, len(q), 512):
        rows = slice(start, start + 512)
        values = f(np.sqrt(q[rows, None]) * rule.nodes)
        terms[:, rows] = (values @ rule.hermite).T
        square[rows] = (values * values) @ rule.weights
    return terms, square


def _two_levels(f: Function, q: Array, degree: int, extra: int) -> Coefficients:
    level = COARSEST + 1 + extra
    coarse = _trapezoid(f, q, level, degree)
    while True:
        fine = _trapezoid(f, q, level + 1, degree)
        change = float(np.abs(fine[0] - coarse[0]).max())
        if change <= 16 * EPS * math.sqrt(float(fine[1].max())) or level + 1 >= FINEST - 1:
            return Coefficients(*fine, DualError("estimate", change))
        coarse, level = fine, level + 1


def _panels(kinks: Array, extra: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes on [-REACH, REACH], panels split at the kinks; weights times n."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    inner = kinks[np.abs(kinks) < REACH]
    ends = np.unique(np.concatenate([np.linspace(-REACH, REACH, (56 << extra) + 1), inner]))
    low, high = ends[:-1, None], ends[1:, None]
    z = ((high + low) / 2 + (high - low) / 2 * nodes).ravel()
    w = ((high - low) / 2 * weights).ravel()
    return z, w * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def _piecewise(
    f: Function, kinks: tuple[float, ...], q: Array, degree: int, extra: int
) -> Coefficients:
    terms, square = np.empty((degree + 1, len(q))), np.empty(len(q))
    change = 0.0
    for i, variance in enumerate(q):
        places = np.array(kinks) / math.sqrt(variance) if variance > 0 else np.zeros(0)
        for level in (extra, extra + 1):
            z, w = _panels(places, level)
            values = f(math.sqrt(variance) * z)
            before = terms[:, i].copy()
            terms[:, i] = (values * w) @ hermite_functions(z, degree)
            square[i] = (values * values) @ w
        change = max(change, float(np.abs(terms[:, i] - before).max()))
    return Coefficients(terms, square, DualError("estimate", change))


def _significant(a: Array, b: Array, rest: float, size: float) -> int:
    """How many terms there are before all that follow are below rounding together."""
    axes = tuple(range(1, a.ndim))
    biggest = np.abs(a).max(axis=axes) * np.abs(b).max(axis=tuple(range(1, b.ndim)))
    with np.errstate(under="ignore"):
        weighted = biggest * rest ** np.arange(len(biggest))
    after = np.cumsum(weighted[::-1])[::-1]
    return max(1, int(np.count_nonzero(after > EPS / 16 * size)))


def mehler(a: Array, b: Array, rho: Array) -> Array:
    """``sum_k a_k b_k rho^k``; the index comes first in a and b, the rest broadcasts to rho."""
    out = np.empty_like(rho)
    if a[0].size == 1 and b[0].size == 1:
        numbers = (a.reshape(len(a)) * b.reshape(len(b))).tolist()
        flat, result = rho.reshape(-1), out.reshape(-1)
        for start in range(0, flat.size, BLOCK):
            part = slice(start, start + BLOCK)
            acc = np.full(flat[part].shape, numbers[-1])
            for x in numbers[-2::-1]:
                acc *= flat[part]
                acc += x
            result[part] = acc
        return out
    shape = (len(a), *rho.shape)
    left, right = np.broadcast_to(a, shape), np.broadcast_to(b, shape)
    step = max(1, BLOCK // max(1, rho[0].size))
    for start in range(0, len(rho), step):
        rows = slice(start, start + step)
        acc = left[-1, rows] * right[-1, rows]
        term = np.empty_like(acc)
        for k in range(len(a) - 2, -1, -1):
            acc *= rho[rows]
            np.multiply(left[k, rows], right[k, rows], out=term)
            acc += term
        out[rows] = acc
    return out
