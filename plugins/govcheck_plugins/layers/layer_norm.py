"""Layer normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import Unknown
from govcheck.plugin import At, Shape, ShapeError, Values
from govcheck_plugins.layers._normalised import Groups, Normalised, product

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LayerNorm(Normalised):
    """layer_norm: each sample (or token) normalised over its last ``axes`` dimensions.

    With biased variance, a scale and a bias for each of the m normalised entries. As no two
    entries of a group share a scale, J and xt can be ``sqrt(1 - 1/m)`` of their bounds.
    """

    name: ClassVar[str] = "layer_norm"

    axes: int = 1

    def check(self) -> None:
        super().check()
        if self.axes < 1:
            raise ValueError(f"axes must be at least 1, not {self.axes}")

    def shape(self, shape: Shape) -> Shape:
        if len(shape) < self.axes:
            raise ShapeError(f"there are no {self.axes} dimensions to normalise over")
        return shape

    def scale_shape(self, shape: Shape) -> Shape:
        return shape[-self.axes :]

    def layout(self, at: At) -> Groups:
        size = product(*at.shape[-self.axes :])
        return Groups(size, at.entries, product(at.samples, *at.shape[: -self.axes]))

    def groups_in_order(self, shape: tuple[int, ...], values: Values) -> int | Unknown:
        if self.affine and self.axes != len(shape):
            return Unknown.because(
                f"certificates know layer_norm with a trained scale over all {len(shape)} "
                f"dimensions of a sample, not over the last {self.axes}"
            )
        return prod(shape[: len(shape) - self.axes])

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.norms import Normalise

        scale = shape[-self.axes :] if self.affine else None
        dims = tuple(range(-self.axes, 0))
        return Normalise(dims, values(self.eps), scale=scale, broadcast=scale)
