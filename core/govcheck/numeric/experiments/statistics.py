"""Paired comparisons over trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LEVEL: Final = 0.05
RESAMPLES: Final = 2**16


@dataclass(frozen=True)
class Comparison:
    """One quantity of two models with the same seeds, trial by trial.

    Args:
        low, high: names; the claim is that the quantity of `high` is larger.
        differences: of each trial, ``high - low``.
        wins: trials in which it is larger.
        p_larger, p_smaller: one-sided p-values of the sign-flip permutation test of the mean
            difference; exact up to 16 trials.
    """

    low: str
    high: str
    differences: tuple[float, ...]
    wins: int
    p_larger: float
    p_smaller: float

    @property
    def mean(self) -> float:
        """Of the differences."""
        return float(np.mean(self.differences))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "mean": self.mean}


def compare(low: str, high: str, values_low: Array, values_high: Array, seed: int) -> Comparison:
    """Test whether a quantity is larger in paired trials.

    Args:
        low, high: names.
        values_low, values_high: of each trial, same order of seeds.
        seed: of the resampling where there are more than 16 trials.
    """
    from scipy.stats import permutation_test

    d = np.asarray(values_high, dtype=float) - np.asarray(values_low, dtype=float)
    p = {}
    for side in ("greater", "less"):
        if len(d) < 2 or not d.any():
            p[side] = 1.0
            continue
        p[side] = float(permutation_test(
            (d,), lambda v, axis: np.mean(v, axis=axis), permutation_type="samples",
            vectorized=True, alternative=side, n_resamples=RESAMPLES,
            rng=np.random.default_rng(seed)).pvalue)
    return Comparison(low, high, tuple(d.tolist()), int((d > 0).sum()), p["greater"], p["less"])


def ordering(
    names: Sequence[str], values: Sequence[Array], seed: int
) -> tuple[Comparison, ...]:
    """Compare neighbours of a claimed ascending order."""
    return tuple(compare(names[k], names[k + 1], values[k], values[k + 1], seed)
                 for k in range(len(names) - 1))


def decide(comparisons: Sequence[Comparison]) -> Literal["holds", "reversed", "undecided"]:
    """Decide a claim that every comparison goes up, at level 5 %.

    It holds if each one is significant (an intersection-union test needs no correction); it is
    reversed if one goes down significantly after Bonferroni's correction for their number.
    """
    if all(c.p_larger < LEVEL for c in comparisons):
        return "holds"
    if any(c.p_smaller < LEVEL / len(comparisons) for c in comparisons):
        return "reversed"
    return "undecided"


def band(curves: Array) -> tuple[Array, Array]:
    """Mean over trials and its standard error.

    Args:
        curves: shape ``(trials, steps)``.
    """
    curves = np.asarray(curves, dtype=float)
    spread = curves.std(0, ddof=1) if len(curves) > 1 else np.zeros(curves.shape[1])
    return curves.mean(0), spread / np.sqrt(len(curves))


def kolmogorov(a: Array, b: Array) -> tuple[float, float]:
    """Largest ``F_a - F_b`` and ``F_b - F_a`` of two samples' distribution functions."""
    a, b = np.sort(a), np.sort(b)
    grid = np.concatenate([a, b])
    gap = (np.searchsorted(a, grid, side="right") / len(a)
           - np.searchsorted(b, grid, side="right") / len(b))
    return max(float(gap.max()), 0.0), max(float(-gap.min()), 0.0)
