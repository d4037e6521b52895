"""Sizes of a convolution as formulas."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import Final, Literal

from govcheck.bounds.expr import ONE, ZERO, Expr, num
from govcheck.certify.conv_geometry import Axis, same_padding
from govcheck.plugin import Shape, ShapeError
from govcheck_plugins.layers._whole import UNDECIDED, divide, is_whole

MAX_TAPS: Final = 2**20


def whole(e: Expr) -> int | None:
    """The integer a formula is; None if it has symbols."""
    return int(e.number) if e.is_number and e.number.denominator == 1 else None


@dataclass(frozen=True)
class Line:
    """A convolution along one spatial dimension of a formula's size."""

    size: Expr
    kernel: Expr
    stride: int
    padding: Expr | Literal["same"]
    dilation: int

    def axis(self) -> Axis | None:
        """The same in integers, if all of them are known.

        Raises:
            ShapeError: if the kernel does not fit.
        """
        n, k = whole(self.size), whole(self.kernel)
        if n is None or k is None:
            return None
        if self.padding == "same":
            ends = same_padding(k, self.dilation)
        else:
            p = whole(self.padding)
            if p is None:
                return None
            ends = (p, p)
        try:
            return Axis(k, self.stride, self.dilation, *ends, size=n)
        except ValueError as error:
            raise ShapeError(str(error)) from None

    def out(self) -> Expr:
        """Number of output pixels, ``floor((n + 2 p - d (k - 1) - 1)/stride) + 1``.

        Raises:
            ShapeError: if there is none, or the number cannot be seen.
        """
        if self.padding == "same":
            return self.size
        known = self.axis()
        if known is not None:
            return num(known.out)
        room = self.size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1
        if self.stride == 1:
            return room + 1
        # floor(a + b) is a + floor(b) for whole a, the part with symbols
        constant = room.payload[0] if room.op == "add" else 0
        symbols = (room - num(constant)) / self.stride
        if not is_whole(symbols):
            raise ShapeError(f"the number of outputs along {self.size!r} {UNDECIDED}")
        return symbols + num(Fraction(constant, self.stride).__floor__() + 1)

    def uses(self) -> Expr:
        """Upper bound of the number of taps that read one pixel."""
        known = self.axis()
        if known is not None:
            return num(known.uses)
        k = whole(self.kernel)
        if k is not None:
            return num(Axis(k, self.stride, self.dilation).uses)
        period = self.stride // gcd(self.dilation, self.stride)
        # at least ceil(k/period), and at most k
        return (self.kernel - 1) / period + 1

    @property
    def disjoint(self) -> bool:
        """Whether outputs read disjoint pixels, as many as there are taps."""
        k = whole(self.kernel)
        if k is None or Axis(k, self.stride, self.dilation).uses > 1:
            return False
        return k == 1 if self.padding == "same" else self.padding is ZERO


def check_numbers(kernel: Expr, stride: int, padding: Expr | Literal["same"], dilation: int,
                  groups: int) -> None:
    """Refuse numbers that describe no convolution; symbols pass.

    Raises:
        ValueError: naming the number.
    """
    for name, count in (("stride", stride), ("dilation", dilation), ("groups", groups)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, not {count}")
    if kernel.is_number and not 1 <= (whole(kernel) or 0) <= MAX_TAPS:
        raise ValueError(f"kernel must be a whole number from 1 to {MAX_TAPS}, not {kernel!r}")
    if padding == "same":
        if stride != 1:
            raise ValueError("padding same needs stride 1")
    elif padding.is_number and (whole(padding) is None or padding.number < 0):
        raise ValueError(f"padding must be a whole number that is at least 0, not {padding!r}")


def channels(shape: Shape, groups: int, out: Expr) -> Expr:
    """Input channels of one group.

    Raises:
        ShapeError: if the groups do not divide inputs and outputs.
    """
    if len(shape) not in (2, 3):
        dims = ", ".join(map(repr, shape))
        raise ShapeError(f"conv takes samples [c, l] or [c, h, w], not [{dims}]")
    if groups == 1:
        return shape[0]
    divide(out, groups, "the number of outputs of a group")
    return divide(shape[0], groups, "the number of inputs of a group")


def count(lines: list[Line]) -> Expr:
    """Product of `Line.uses`."""
    result = ONE
    for line in lines:
        result = result * line.uses()
    return result
