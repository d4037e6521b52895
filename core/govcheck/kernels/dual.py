"""Gaussian expectations of a scalar function: what a limiting kernel needs of an activation.

For ``(u, v) ~ N(0, [[q1, c], [c, q2]])`` a `Dual` gives ``E phi(u) phi(v)``,
``E phi'(u) phi'(v)`` and ``E phi(u)``. Arrays broadcast against each other, so that one call
serves all pairs of a tile, or all nodes of an interpolation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EPS: Final = 2.0**-52
SNAP: Final = 16 * EPS
"""A correlation this close to 1 is 1: the covariances themselves are rounded."""

Kind = Literal["closed form", "bound", "estimate"]
_RANK: Final[dict[Kind, int]] = {"closed form": 0, "bound": 1, "estimate": 2}


@dataclass(frozen=True)
class DualError:
    """How far expectations may be from the truth, the rounding of float64 apart.

    Args:
        kind: ``closed form`` (nothing but rounding), ``bound`` (a proven bound of truncation
            and discretisation) or ``estimate`` (the difference of two resolutions).
        size: the largest absolute error.
    """

    kind: Kind
    size: float

    def worst(self, other: DualError) -> DualError:
        """The larger error, with the weaker kind of the two."""
        kind = self.kind if _RANK[self.kind] >= _RANK[other.kind] else other.kind
        return DualError(kind, max(self.size, other.size))


EXACT: Final = DualError("closed form", 0.0)


@dataclass(frozen=True, eq=False)
class Expectation:
    """Values of an expectation, and their error."""

    values: Array
    error: DualError = EXACT


class Dual(ABC):
    """Gaussian expectations of one scalar function phi and of its derivative."""

    @abstractmethod
    def expect(self, order: Literal[0, 1], q1: Array, c: Array, q2: Array) -> Expectation:
        """``E f(u) f(v)`` with f the derivative of phi of this order.

        Args:
            order: 0 for phi, 1 for its derivative.
            q1, q2: variances, at least 0.
            c: covariances; clipped to ``sqrt(q1 q2)`` in absolute value.
        """

    @abstractmethod
    def mean(self, q: Array) -> Array:
        """``E phi(u)`` for u of variance q."""

    def product(self, q1: Array, c: Array, q2: Array) -> Array:
        """``E phi(u) phi(v)``."""
        return self.expect(0, q1, c, q2).values

    def slopes(self, q1: Array, c: Array, q2: Array) -> Array:
        """``E phi'(u) phi'(v)``."""
        return self.expect(1, q1, c, q2).values

    def refined(self) -> Dual:
        """The same expectations at a higher resolution; closed forms have none."""
        return self


def normalisation(dual: Dual) -> float:
    """``c_sigma = 1/E phi(Z)^2`` for a standard normal Z.

    Raises:
        ValueError: if phi vanishes almost everywhere.
    """
    one = np.ones(1)
    square = float(dual.product(one, one, one)[0])
    if not square > 0:
        raise ValueError("E phi(Z)^2 is 0, so there is no constant that makes it 1")
    return 1 / square


def correlation(q1: Array, c: Array, q2: Array) -> Array:
    """``c/sqrt(q1 q2)`` in [-1, 1], exactly ±1 where rounding cannot tell; 0 where q1 q2 = 0."""
    size = np.sqrt(q1) * np.sqrt(q2)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.asarray(c / size)
    rho = np.where(size > 0, rho, 0.0)
    near = np.abs(rho) >= 1 - SNAP
    return np.where(near, np.sign(rho), rho)
