"""Proven numbers about one given parameter of a layer."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from govcheck.certify.columns import longest_column
from govcheck.certify.intervals import Range
from govcheck.certify.matrices import Matrix, frobenius, spectral_facts


def weight_facts(array: NDArray[Any], kind: str) -> arb:
    """Enclosure of one number about a given parameter.

    An array of more than two dimensions counts as the matrix with its first dimension as
    rows, a vector as one column.

    Args:
        array: the parameter, finite.
        kind: ``spectral`` (operator norm), ``frobenius``, ``max`` (largest absolute entry),
            ``sigma_min`` (surjectivity modulus ``min |W^T v|`` over unit v, 0 if W has more
            rows than columns), ``abs_min`` (smallest absolute entry), ``row_max`` and
            ``row_min`` (largest and smallest Euclidean norm of a row) or ``least_norm``
            (operator norm, to bound from below).

    Raises:
        ValueError: for another kind, entries that are not finite, or the smallest entry or
            row of nothing.
    """
    matrix = _as_matrix(array)
    match kind:
        case "spectral" | "least_norm":
            return spectral_facts(matrix, "norm").sigma_max.ball
        case "frobenius":
            return frobenius(matrix)
        case "max":
            return arb(float(np.abs(matrix).max(initial=0.0)))
        case "sigma_min":
            return _surjectivity(matrix).ball
        case "abs_min":
            if not matrix.size:
                raise ValueError("an empty array has no smallest entry")
            return arb(float(np.abs(matrix).min()))
        case "row_max":
            return longest_column(np.ascontiguousarray(matrix.T))
        case "row_min":
            return _shortest_row(matrix)
    raise ValueError(f"no number {kind!r} about weights")


def _as_matrix(array: NDArray[Any]) -> Matrix:
    if array.ndim == 0:
        matrix = array.reshape(1, 1)
    else:
        matrix = array.reshape(array.shape[0], prod(array.shape[1:]))
    if not np.isfinite(matrix).all():
        raise ValueError("the weights have entries that are not finite numbers")
    return matrix


def _shortest_row(matrix: Matrix) -> arb:
    if not len(matrix):
        raise ValueError("an empty array has no smallest row")
    result = frobenius(matrix[:1])
    for i in range(1, len(matrix)):
        result = result.min(frobenius(matrix[i : i + 1]))
    return result


def _surjectivity(matrix: Matrix) -> Range:
    if matrix.shape[0] > matrix.shape[1]:
        return Range.point(0)
    return spectral_facts(matrix, "sigma_min").surjectivity
