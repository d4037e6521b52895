"""Exact counts of singular values of the derivative of a part of a network.

With train-mode batch norm the derivative of the whole batch is ``J = A + P Q^T``: A with the
statistics held constant, one block for each sample, and k = 2 sum(channels) columns for what
goes through them. Then ``J^T J = B + W M W^T`` with ``B = A^T A``, ``W = [Q, A^T P]`` and
``M^-1 = [[0, 1], [1, -P^T P]]``, and Sylvester's law of inertia gives

    #{sigma < s} = n_(B - s^2) + n_(-M^-1 - W^T (B - s^2)^-1 W) - k,

where n_ counts negative eigenvalues: exact, without a matrix of the size of the batch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from govcheck.numeric.measure.record import Cost, speed
from govcheck.numeric.measure.spectra_cdf import Distribution
from govcheck.numeric.measure.spectra_exact import (
    EPS,
    PAIR_FLOPS,
    Derivative,
    floor_of,
    sample_blocks,
)
from govcheck.numeric.measure.spectra_ops import Norm

HEAVY = 0.005
"""A larger share of equal singular values is an atom."""
MOST_THRESHOLDS = 2000


def _through(d: Derivative) -> tuple[Tensor, Tensor]:
    """P (rows x k) and Q (columns x k)."""
    p, q = [], []
    nothing_in = torch.zeros(d.input, dtype=torch.float64)
    nothing_out = torch.zeros(d.output, dtype=torch.float64)
    for norm in d.norms:
        for push in _units(norm):
            d.freeze(True)
            norm.push = push
            p.append(d.op.jv(nothing_in).reshape(-1))
            norm.push = None
            d.freeze(False)
            norm.pull = push
            q.append(d.op.jtu(nothing_out).reshape(-1))
            norm.pull = None
    if not p:
        return torch.zeros(d.rows, 0, dtype=torch.float64), torch.zeros(
            d.columns, 0, dtype=torch.float64)
    return torch.stack(p, 1), torch.stack(q, 1)


def _units(norm: Norm) -> Iterator[tuple[Tensor, Tensor]]:
    """Each statistic alone: means, then the others."""
    shape = norm.statistics
    zero = torch.zeros(shape, dtype=torch.float64)
    for which in (0, 1) if norm.centre else (1,):
        for i in range(shape.numel()):
            one = zero.clone()
            one.view(-1)[i] = 1.0
            yield (one, zero) if which == 0 else (zero, one)


def inertia_cost(d: Derivative, thresholds: int = 200) -> Cost:
    """Of `Inertia` with so many counts."""
    small, large = sorted((d.inputs, d.outputs))
    k, rate = 2 * d.rank, speed(torch.float64)
    work = d.samples * PAIR_FLOPS * small**2 * large
    work += d.samples * small * k * (2 * large + thresholds * 2 * k)
    passes = small + 2 * d.rank
    return Cost(passes * d.seconds + work / rate,
                8 * (d.samples * small * large + 4 * small**2 + 3 * k * d.samples * large))


class Inertia:
    """Exact numbers of singular values below thresholds.

    Args:
        d: a derivative whose samples are apart but for batch norms in train mode.
    """

    def __init__(self, d: Derivative) -> None:
        self.size = d.count
        blocks = sample_blocks(d)
        p, q = _through(d)
        self.k = p.shape[1]
        if d.outputs < d.inputs:
            # the transpose has the same singular values
            blocks, p, q = blocks.mT, q, p
        n, side = d.samples, blocks.shape[2]
        p3, q3 = p.reshape(n, blocks.shape[1], self.k), q.reshape(n, side, self.k)
        values, projected = [], []
        for i in range(n):
            # squares of the matrix would lose half of the digits of small singular values
            left, sigma, right = torch.linalg.svd(blocks[i], full_matrices=False)
            values.append(sigma)
            projected.append(torch.cat([right @ q3[i], sigma[:, None] * (left.mT @ p3[i])], 1))
        self.values = torch.cat(values)
        self._order = torch.sort(self.values).values.numpy()
        self._w = torch.cat(projected)
        self._squares = self._w * self._w
        t = p.mT @ p
        one, zero = torch.eye(self.k, dtype=torch.float64), torch.zeros_like(t)
        self._core = torch.cat([torch.cat([zero, -one], 1), torch.cat([-one, t], 1)])
        norm = float(self.values.max()) if len(self.values) else 0.0
        through = float(torch.linalg.matrix_norm(p)) * float(torch.linalg.matrix_norm(q))
        self.ceiling = norm + through
        self.counted = 0
        self.floor = floor_of(max(norm, 1e-300), side)
        if self.k:
            self.floor = max(self.floor, 16 * self.floor)
            while self.below(self.floor) is None:
                self.floor *= 2

    def below(self, s: float) -> int | None:
        """``#{sigma < s}``; None where rounding could change it."""
        self.counted += 1
        first = int(np.searchsorted(self._order, s))
        if not self.k:
            return first
        gaps = (self.values - s) * (self.values + s)
        if not bool(gaps.all()):
            return None
        core = self._core - self._w.mT @ (self._w / gaps[:, None])
        # scaled to entries of size 1, which leaves the signs, rounding matters least
        scale = torch.rsqrt(self._core.abs().diagonal() + self._squares.mT @ (1 / gaps.abs()))
        core = scale[:, None] * core * scale
        found = torch.linalg.eigvalsh((core + core.mT) / 2)
        if float(found.abs().min()) <= 16 * EPS * len(found):
            return None
        return first + int((found < 0).sum()) - self.k

    def near(self, s: float, reach: float) -> tuple[float, int] | None:
        """A threshold within `reach` of s that is far from other values, and the count."""
        low, high = max(s - reach, self.floor), s + reach
        i, j = np.searchsorted(self._order, [low, high])
        ends = np.concatenate([[low], self._order[i:j], [high]])
        order = np.argsort(np.diff(ends))[::-1]
        for k in order[:4]:
            at = float((ends[k] + ends[k + 1]) / 2)
            found = self.below(at)
            if found is not None:
                return at, found
        return None


def bisect(count: Callable[[float], bool | None], low: float, high: float
           ) -> tuple[float, float]:
    """Narrow ``low < high`` down, where count is false at low and true at high; up to nine
    digits, or where rounding ends it."""
    while high - low > 1e-9 * high:
        # far apart, the geometric mean is quicker
        middle = math.sqrt(low * high) if high > 4 * low > 0 else (low + high) / 2
        above = count(middle)
        if above is None:
            break
        low, high = (low, middle) if above else (middle, high)
    return low, high


@dataclass(frozen=True, eq=False)
class Counted:
    """What exact counts give.

    Args:
        distribution: of all singular values.
        largest, smallest: intervals that hold them.
        thresholds: number of counts.
        floor: below it singular values are not told from 0.
    """

    distribution: Distribution
    largest: tuple[float, float]
    smallest: tuple[float, float]
    thresholds: int
    floor: float


def counted(d: Derivative, tolerance: float, late: Callable[[], bool]) -> Counted:
    """The distribution by counts at thresholds that are added where there is most between.

    Args:
        d: the derivative.
        tolerance: of the distribution.
        late: whether to stop adding thresholds.
    """
    c = Inertia(d)
    size, at = c.size, {c.floor: c.below(c.floor) or 0}
    top = c.ceiling * (1 + 1e-9) + c.floor
    at[top] = size
    width = max(1e-6 * top, 4 * c.floor)
    # statistics held constant gives a good first guess
    wanted = [(float(s), 1e-3 * top)
              for s in np.quantile(c.values.numpy(), np.arange(0, 1, tolerance))]
    while wanted and not late():
        before = len(at)
        for s, reach in wanted:
            found = c.near(s, reach)
            if found is not None and c.floor < found[0] < top:
                at[found[0]] = found[1]
        places = sorted(at)
        wanted = [((a + b) / 2, (b - a) / 8) for a, b in itertools.pairwise(places)
                  if b - a > width and at[b] - at[a] > tolerance * size]
        if not before < len(at) < MOST_THRESHOLDS:
            break
    places = sorted(at)
    below_all = max((s for s in places if at[s] < size), default=c.floor)
    above_all = min(s for s in places if at[s] >= size)
    largest = (0.0, c.floor) if at[c.floor] >= size else bisect(
        lambda s: _compare(c.below(s), size), below_all, above_all)
    smallest = (0.0, c.floor)
    if at[c.floor] == 0:
        some = min(s for s in places if at[s] > 0)
        none = max(s for s in places if at[s] == 0)
        smallest = bisect(lambda s: _compare(c.below(s), 1), none, some)
    known = {s: n for s, n in at.items() if s < largest[1]}
    for s in (*largest, *smallest):
        number = c.below(s) if s >= c.floor else None
        if number is not None:
            known[s] = number
    return Counted(_curve(known, size, c.floor, width), largest, smallest, c.counted, c.floor)


def _compare(count: int | None, least: int) -> bool | None:
    return None if count is None else count >= least


def _curve(at: dict[float, int], size: int, floor: float, width: float) -> Distribution:
    """Linear between thresholds; a jump where many lie between two that are very close."""
    s = np.array(sorted(at))
    n = np.maximum.accumulate(np.array([at[x] for x in s])) / size
    narrow = (np.diff(s) <= width) & (np.diff(n) > 2 / size)
    # what is below the first threshold, the floor, counts as 0
    places, left, right = [0.0], [0.0], [n[0]]
    jumps = [(0.0, n[0])]
    for k in range(1, len(s)):
        if narrow[k - 1]:
            middle = (s[k - 1] + s[k]) / 2
            places.append(middle)
            left.append(n[k - 1])
            right.append(n[k])
            jumps.append((middle, n[k] - n[k - 1]))
        places.append(s[k])
        left.append(n[k])
        right.append(n[k])
    atoms = [place for place, share in jumps if share > HEAVY]
    unknown = [*np.diff(n)[~narrow], *(share for _, share in jumps if share <= HEAVY)]
    return Distribution(np.array(places), np.array(left), np.array(right), size,
                        float(max(unknown, default=0.0)), max(width, floor), np.array(atoms),
                        "exact counts at thresholds; the largest share between two of them",
                        "exact")
