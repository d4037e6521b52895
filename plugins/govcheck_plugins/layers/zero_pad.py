"""Zeros around images, and further channels of zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import ONE, ZERO, Expr
from govcheck.plugin import At, Isometry, Ref, Shape, Value, Values, bound
from govcheck_plugins.layers._whole import more_channels, spatial

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ZeroPad(Isometry):
    """zero_pad: ``padding`` zeros on each side of each spatial dimension, channels up to ``out``.

    An isometric embedding: it keeps every norm, and is onto only if nothing is added.
    """

    name: ClassVar[str] = "zero_pad"

    padding: int = 0
    out: Expr | None = None

    def check(self) -> None:
        if self.padding < 0:
            raise ValueError(f"padding must be at least 0, not {self.padding}")

    def shape(self, shape: Shape) -> Shape:
        sizes = spatial(shape, self.name) if self.padding or not shape else shape[1:]
        channels = shape[0]
        if self.out is not None:
            more_channels(channels, self.out)
            channels = self.out
        return (channels, *(n + 2 * self.padding for n in sizes))

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.rearrange import ZeroPad

        more = 0 if self.out is None else int(values(self.out)) - shape[0]
        return ZeroPad(len(shape) - 1, self.padding, more)

    @bound("sigma_J", "lower", Ref("elementary", "a zero row"), tight="exact")
    def least_singular_value(self, at: At) -> Value:
        """The rows of J at added zeros are 0."""
        whole = self.out is None or self.out is at.shape[0]
        return ONE if whole and self.padding == 0 else ZERO
