"""Closed intervals with exact rational ends."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from flint import arb

from govcheck.bounds.evaluate import ball
from govcheck.certify.rounding import exact, precision


@dataclass(frozen=True)
class Range:
    """A real number known to lie in ``[low, high]``.

    Raises:
        ValueError: if ``low > high``.
    """

    low: Fraction
    high: Fraction

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"empty interval [{self.low}, {self.high}]")

    @classmethod
    def point(cls, value: Fraction | int) -> Range:
        """One number."""
        return cls(Fraction(value), Fraction(value))

    @classmethod
    def of(cls, value: arb) -> Range:
        """The ends of a finite ball."""
        with precision():
            return cls(exact(value.lower()), exact(value.upper()))

    @classmethod
    def nonnegative(cls, low: arb, high: arb) -> Range:
        """Between a lower and an upper bound of a number that cannot be negative."""
        with precision():
            least = max(Fraction(0), exact(low.lower()))
            return cls(least, max(least, exact(high.upper())))

    @property
    def is_point(self) -> bool:
        """Whether the number is known exactly."""
        return self.low == self.high

    @property
    def ball(self) -> arb:
        """A ball around the interval.

        The ball has the same lower end (rounded down to 128 bits), so that a positive number
        stays positive; the radius of a ball has 30 bits only, and a ball around the
        middle would reach below 0 when the ends are of different magnitude.
        """
        with precision():
            if self.is_point:
                return ball(self.low)
            low = ball(self.low).lower()
            radius = ((ball(self.high) - low) / 2).upper()
            zero = arb(0, radius)
        with precision(4500):
            # the radius of `arb(x, radius)` is rounded up; the centre moves with it
            return arb(low + zero.rad(), radius)
