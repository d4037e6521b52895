"""A proven lower bound of the singular values of ``I + s W``."""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from govcheck.certify.matrices import frobenius
from govcheck.certify.rounding import UNDERFLOW, UNIT, exact_matrix, precision
from govcheck.certify.singular import extremes


def sigma_min_of_residual(weight: NDArray[Any], s: arb) -> arb:
    """Lower bound of the smallest singular value of ``I + s W``.

    Args:
        weight: square, finite.
        s: a ball that contains the factor.

    Raises:
        ValueError: if the matrix is not square or its entries are not finite.
    """
    w = exact_matrix(weight)
    if w.shape[0] != w.shape[1]:
        raise ValueError(f"a residual map keeps shape; a matrix of shape {w.shape} does not")
    middle = float(s.mid())
    if not np.isfinite(middle):
        return arb(0)
    with np.errstate(over="ignore"):
        computed = middle * w
    computed[np.diag_indices(len(w))] += 1.0
    if not np.isfinite(computed).all():
        return arb(0)
    with precision():
        size = frobenius(w)
        # s to float64, one product and, on the diagonal, one sum
        error = abs(s - middle) * size + UNIT * abs(middle) * size
        error += UNIT / (1 - UNIT) * frobenius(computed) + w.size * UNDERFLOW
        low = extremes(computed).smallest.ball.lower() - error
        return low.lower().max(arb(0))
