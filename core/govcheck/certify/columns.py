"""The longest column of a matrix."""

from __future__ import annotations

from typing import Final

import numpy as np
from flint import arb

from govcheck.certify.matrices import Matrix, frobenius

_CANDIDATES: Final = 64


def longest_column(columns: Matrix) -> arb:
    """Enclosure of the largest Euclidean norm of a column; 0 where there is none.

    Only the columns that can be the longest are summed exactly.
    """
    scale = float(np.max(np.abs(columns), initial=0.0))
    if not scale:
        return arb(0)
    rough = np.sum((columns / scale) ** 2, axis=0)
    # each rounding, underflow included, changes a sum of squares of numbers up to 1 by less
    slack = 4 * (columns.shape[0] + 4) * float(np.finfo(np.float64).eps) * float(rough.max())
    candidates = np.flatnonzero(rough >= rough.max() - slack)
    best = arb(0)
    for i in candidates[:_CANDIDATES]:
        best = best.max(frobenius(columns[:, [i]]))
    if len(candidates) > _CANDIDATES:
        best = best.union((arb(float(rough.max())) + arb(slack)).sqrt() * arb(scale))
    return best
