"""Second moments for pairs of inputs, as arrays that broadcast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from govcheck.kernels.dual import Array

Moment = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Second moments of one unit for rows of samples against columns of samples.

    Args:
        left: of row samples with themselves, such as (I, 1); (1,) if all are equal.
        cross: of row samples with column samples, such as (I, J), or the nodes of an
            interpolation.
        right: of column samples with themselves, such as (1, J).
        pixels: 0 for vectors. 1 if a last axis runs over pixels and only equal pixels are
            paired. 2 if the last two axes run over all pairs of pixels, in `left` and `right`
            as well.
    """

    left: Array
    cross: Array
    right: Array
    pixels: int = 0

    @property
    def variances(self) -> tuple[Array, Array]:
        """Of row samples and of column samples; the axes of pixels as `cross` has them."""
        if self.pixels < 2:
            return self.left, self.right
        left = self.left.diagonal(axis1=-2, axis2=-1)[..., :, None]
        return left, self.right.diagonal(axis1=-2, axis2=-1)[..., None, :]

    @property
    def triple(self) -> tuple[Array, Array, Array]:
        """Variances, covariances, variances of all pairs of a row and a column."""
        q1, q2 = self.variances
        return q1, self.cross, q2

    def mapped(self, f: Moment) -> Pairs:
        """Moments of a function of each unit, given as a function of Gaussian moments."""
        if self.pixels < 2:
            left = f(self.left, self.left, self.left)
            right = f(self.right, self.right, self.right)
        else:
            q1, q2 = self.variances
            left = f(q1, self.left, _swapped(q1))
            right = f(_swapped(q2), self.right, q2)
        return Pairs(left, f(*self.triple), right, self.pixels)

    def scaled(self, factor: float) -> Pairs:
        """All moments multiplied by a number."""
        if factor == 1:
            return self
        return Pairs(self.left * factor, self.cross * factor, self.right * factor, self.pixels)

    def plus(self, other: Pairs) -> Pairs:
        """Moments of a sum of two units that are uncorrelated."""
        return Pairs(
            self.left + other.left, self.cross + other.cross, self.right + other.right, self.pixels
        )

    def plus_product(self, mean: tuple[Array, Array], factor: float) -> Pairs:
        """Add `factor` times products of means, those of rows and those of columns."""
        a, b = mean
        if self.pixels < 2:
            left, right = a * a, b * b
        else:
            left, right = a * _swapped(a), _swapped(b) * b
        return Pairs(
            self.left + factor * left,
            self.cross + factor * (a * b),
            self.right + factor * right,
            self.pixels,
        )

    def summed(self) -> Pairs:
        """Moments of the sum over equal pixels, which weights of their own make of it."""
        return Pairs(
            self.summed_array(self.left),
            self.summed_array(self.cross),
            self.summed_array(self.right),
        )

    def summed_array(self, a: Array) -> Array:
        """Sum of one array over equal pixels."""
        if self.pixels == 0:
            return a
        equal = a if self.pixels == 1 else a.diagonal(axis1=-2, axis2=-1)
        total: Array = equal.sum(axis=-1)
        return total

    def each(self, f: Callable[[Array], Array], pixels: int | None = None) -> Pairs:
        """The same linear map of pixels applied to all three arrays."""
        kept = self.pixels if pixels is None else pixels
        return Pairs(f(self.left), f(self.cross), f(self.right), kept)


def _swapped(a: Array) -> Array:
    swapped: Array = a.swapaxes(-1, -2)
    return swapped
