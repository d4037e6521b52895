"""The distribution of singular values, with what is known of its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Certainty = Literal["exact", "proven", "estimate"]


@dataclass(frozen=True, eq=False)
class Distribution:
    """The share of singular values up to t, as a function of t.

    It is linear between the places and jumps at them. With F the true one and G this one:

        |F(t) - G(t)| <= error       for t farther than `width` from the jumps of G, and
        G(t - width) - error <= F(t) <= G(t + width) + error    for all t >= 0.

    Args:
        places: ascending, not negative.
        left, right: limits at the places from both sides.
        count: number of singular values, the smaller side of the matrix.
        error: see above.
        width: see above.
        atoms: places of jumps that stand for many equal singular values.
        basis: how the error is known.
        certainty: ``estimate`` where it holds with a probability only.
    """

    places: Array
    left: Array
    right: Array
    count: int
    error: float
    width: float
    atoms: Array
    basis: str
    certainty: Certainty

    def at(self, t: Array | float) -> Array:
        """G(t)."""
        x, p = np.asarray(t, dtype=float), self.places
        after = np.searchsorted(p, x, side="right")
        known = np.clip(after - 1, 0, None)
        following = np.clip(after, None, len(p) - 1)
        gap = p[following] - p[known]
        share = np.where(gap > 0, (x - p[known]) / np.where(gap > 0, gap, 1.0), 0.0)
        inside = self.right[known] + share * (self.left[following] - self.right[known])
        found: Array = np.where(after == 0, 0.0, np.where(after == len(p), self.right[-1], inside))
        return found

    def quantile(self, q: float) -> float:
        """The least t with ``G(t) >= q``."""
        k = int(np.searchsorted(self.right, q - 1e-15))
        k = min(k, len(self.places) - 1)
        if k == 0 or q > self.left[k]:
            return float(self.places[k])
        low, high = self.right[k - 1], self.left[k]
        share = 1.0 if high <= low else (q - low) / (high - low)
        return float(self.places[k - 1] + share * (self.places[k] - self.places[k - 1]))

    def violation(self, values: Array, slack: float = 0.0) -> float:
        """By how much the true singular values contradict the two statements above; 0 if not.

        Args:
            values: all singular values.
            slack: added to the width, for rounding; values up to it are 0.
        """
        v = np.sort(np.where(values <= slack, 0.0, values))
        w = self.width + slack
        grid = np.unique(np.concatenate([
            v, np.nextafter(v, np.inf), np.nextafter(v, 0), self.places, self.places - w,
            self.places + w, np.linspace(0, 1.2 * max(v[-1], self.places[-1]), 2001)]))
        grid = grid[grid >= 0]
        true = np.searchsorted(v, grid, side="right") / len(v)
        over = np.maximum(true - self.at(grid + w), self.at(grid - w) - true)
        worst = float(over.max()) - self.error
        jumps = self.places[self.right > self.left]
        free = np.ones(len(grid), dtype=bool)
        if len(jumps):
            k = np.searchsorted(jumps, grid)
            after = jumps[np.minimum(k, len(jumps) - 1)]
            before = jumps[np.maximum(k - 1, 0)]
            free = np.minimum(np.abs(grid - before), np.abs(grid - after)) > w
        if free.any():
            away = float(np.abs(true - self.at(grid))[free].max()) - self.error
            worst = max(worst, away)
        return max(worst, 0.0)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "count": self.count, "error": self.error, "width": self.width, "basis": self.basis,
            "certainty": self.certainty, "atoms": self.atoms.tolist(),
            "places": self.places.tolist(), "left": self.left.tolist(),
            "right": self.right.tolist(),
        }


def of_values(values: Array, count: int, *, floor: float, error: float, basis: str,
              certainty: Certainty) -> Distribution:
    """The distribution of given singular values.

    Args:
        values: all of them, or those that a rule stands for.
        count: their number in the matrix; each value stands for an equal share.
        floor: values closer than this are taken as equal, and those below as 0.
        error, basis, certainty: see `Distribution`.
    """
    v = np.sort(np.asarray(values, dtype=float))
    v = np.where(v <= floor, 0.0, v)
    starts = np.concatenate([[0], 1 + np.flatnonzero(np.diff(v) > floor)])
    ends = np.concatenate([starts[1:], [len(v)]])
    places = (v[starts] + v[ends - 1]) / 2
    spread = float((v[ends - 1] - v[starts]).max()) / 2
    left, right = starts / len(v), ends / len(v)
    # as many copies as chance would not bring together
    heavy = (ends - starts) > max(1, 0.005 * len(v))
    return Distribution(places, left, right, count, error, max(floor, spread), places[heavy],
                        basis, certainty)

