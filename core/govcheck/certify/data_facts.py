"""What is proved about the inputs of a data set as a matrix, one column for each sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from flint import arb
from numpy.typing import NDArray

from govcheck.bounds.evaluate import ball, lower
from govcheck.certify.columns import longest_column
from govcheck.certify.intervals import Range
from govcheck.certify.matrices import Matrix, SpectralFacts, frobenius, spectral_facts


@dataclass(frozen=True)
class DataFacts:
    """Proven numbers about ``X``, features x samples.

    Args:
        frobenius: enclosure of ``|X|_F``.
        spectral: enclosure of the operator norm.
        largest: enclosure of the largest Euclidean norm of a sample.
        sigma: enclosure of ``min |X v|`` over unit vectors v, positive exactly when the
            samples are linearly independent.
        sigma_with_ones: the same for X with a row of ones below, as a bias sees the data.
        rank: the rank, or a proven lower bound where `rank_exact` is false.
        rank_exact: whether `rank` is the rank.
        floor: values of `sigma` below this cannot be told from 0 in float64.
        samples, features: N and the number of entries of one sample.
        independent: whether the samples are linearly independent.
        explanation: the evidence for `independent`, one sentence.
        matrix: all facts about X.
    """

    frobenius: arb
    spectral: arb
    largest: arb
    sigma: arb
    sigma_with_ones: arb
    rank: int
    rank_exact: bool
    floor: float
    samples: int
    features: int
    independent: Literal["proved", "refuted", "unknown"]
    explanation: str
    matrix: SpectralFacts


def data_facts(x: NDArray[Any]) -> DataFacts:
    """Compute the facts for samples of shape ``(N, *sample shape)``.

    Raises:
        ValueError: if there is no sample or an entry is not a finite number.
    """
    samples = np.asarray(x)
    if samples.ndim == 0 or not samples.shape[0]:
        raise ValueError("there are no samples")
    n = samples.shape[0]
    columns = samples.reshape(n, -1).T
    facts = spectral_facts(columns)
    independent, explanation = _decide(facts)
    return DataFacts(
        frobenius=frobenius(columns),
        spectral=facts.sigma_max.ball,
        largest=longest_column(columns),
        sigma=facts.injectivity.ball,
        sigma_with_ones=_with_ones(columns, facts.injectivity).ball,
        rank=facts.rank or 0,
        rank_exact=facts.rank_exact,
        floor=facts.floor,
        samples=n,
        features=columns.shape[0],
        independent=independent,
        explanation=explanation,
        matrix=facts,
    )


def _with_ones(columns: Matrix, without: Range) -> Range:
    d, n = columns.shape
    if n > d + 1:
        return Range.point(0)
    found = spectral_facts(np.vstack([columns, np.ones((1, n))]), "sigma_min").injectivity
    # one more row only makes |X v| larger
    low = max(found.low, without.low)
    return Range(low, max(low, found.high))


def _decide(facts: SpectralFacts) -> tuple[Literal["proved", "refuted", "unknown"], str]:
    n, d = facts.columns, facts.rows
    sigma, rank = facts.injectivity, facts.rank or 0
    if n > d:
        return "refuted", f"{n} samples of {d} features cannot be linearly independent"
    if facts.rank_exact and rank < n:
        return "refuted", f"the rank is exactly {rank}, less than the {n} samples"
    if sigma.low > 0:
        return "proved", (
            f"the smallest singular value is at least {_down(sigma)} "
            f"(numerical floor {facts.floor:.1e})"
        )
    if rank == n:
        return "proved", (
            f"the rank is exactly {n}, although the smallest singular value is below the "
            f"numerical floor {facts.floor:.1e} and has no positive proven bound"
        )
    return "unknown", (
        f"the rank is at least {rank} of {n}, and the smallest singular value is below the "
        f"numerical floor {facts.floor:.1e}"
    )


def _down(x: Range) -> str:
    """The lower end with four digits, not above it."""
    return f"{lower(ball(x.low), 4):.4g}"
