"""Integers behind a convolution: output sizes, how often a pixel is used, grid sizes.

Along one axis a convolution with kernel size k, stride s, dilation d and p zeros in front
is ``y[o] = sum_t K[t] x[s o + d t - p]`` with x = 0 outside ``0 <= i < n``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Literal

PerAxis = int | Sequence[int]
Padding = int | Sequence[int] | Literal["same"]


@dataclass(frozen=True)
class Axis:
    """A convolution along one axis.

    Args:
        kernel: number of taps.
        stride, dilation: at least 1.
        before, after: zeros put at the two ends.
        size: number of pixels; None where nothing may depend on it.

    Raises:
        ValueError: if a number is too small, or the kernel does not fit into the padded
            pixels.
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0
    size: int | None = None

    def __post_init__(self) -> None:
        if min(self.kernel, self.stride, self.dilation) < 1:
            raise ValueError("kernel size, stride and dilation are at least 1")
        if min(self.before, self.after) < 0:
            raise ValueError("padding is at least 0")
        if self.size is not None and self.room < 0:
            padded = self.room + self.extent
            raise ValueError(f"a kernel of extent {self.extent} does not fit {padded} pixels")

    @property
    def extent(self) -> int:
        """Pixels from the first to the last tap."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def room(self) -> int:
        """Shifts of the kernel between its first place and its last."""
        assert self.size is not None
        return self.size + self.before + self.after - self.extent

    @property
    def out(self) -> int:
        """Number of output pixels."""
        return self.room // self.stride + 1

    @property
    def uses(self) -> int:
        """Largest number of taps that read one pixel.

        Tap t reads pixel i for one output at most, and only if ``d t = i + p`` modulo s:
        every ``s/gcd(d, s)``-th tap.
        """
        period = self.stride // gcd(self.dilation, self.stride)
        count = -(-self.kernel // period)
        return count if self.size is None else min(count, self.out)

    @property
    def reach(self) -> int:
        """Largest number of pixels that one output reads."""
        return self.kernel if self.size is None else min(self.kernel, self.size)

    @property
    def alias_free(self) -> int:
        """Length of a ring in which the convolution is a part of the circular one.

        Output o and pixel i meet in tap ``(i + p - s o)/d``. On a ring of m pixels they
        meet in taps at ``i + p - s o + m Z`` as well. None of these exists if
        ``m >= n + p`` and ``m >= s (n_out - 1) + extent - p``. Pixels and outputs are
        different places of the ring if ``m >= n`` and ``m > s (n_out - 1)``. The ring has
        a multiple of s pixels, so that outputs keep their distance around it.
        """
        assert self.size is not None
        last = self.stride * (self.out - 1)
        least = max(self.size + self.before, last + self.extent - self.before, last + 1)
        return -(-least // self.stride) * self.stride


def same_padding(kernel: int, dilation: int = 1) -> tuple[int, int]:
    """Zeros in front and behind that keep the size at stride 1; the odd one is behind."""
    total = dilation * (kernel - 1)
    return total // 2, total - total // 2


def axes(
    kernel: Sequence[int],
    sizes: Sequence[int] | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
) -> tuple[Axis, ...]:
    """One `Axis` for each entry of `kernel`; a number stands for all axes.

    Raises:
        ValueError: if the numbers do not fit together.
    """
    count = len(kernel)
    s, d = _each(stride, count), _each(dilation, count)
    n = [None] * count if sizes is None else _each(sizes, count)
    if padding == "same":
        if any(x != 1 for x in s):
            raise ValueError("padding `same` needs stride 1")
        ends = [same_padding(k, e) for k, e in zip(kernel, d, strict=True)]
    else:
        ends = [(p, p) for p in _each(padding, count)]
    return tuple(
        Axis(k, s[i], d[i], ends[i][0], ends[i][1], n[i]) for i, k in enumerate(kernel)
    )


def _each(value: int | Sequence[int] | str, count: int) -> list[int]:
    if isinstance(value, str):
        raise ValueError(f"padding is a number or `same`, not {value!r}")
    found = [value] * count if isinstance(value, int) else [int(v) for v in value]
    if len(found) != count:
        raise ValueError(f"{len(found)} numbers for {count} axes")
    return found
