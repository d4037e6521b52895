"""Instance normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.plugin import At, Shape, Values
from govcheck_plugins.layers._normalised import Groups, Normalised, product
from govcheck_plugins.layers._whole import spatial

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class InstanceNorm(Normalised):
    """instance_norm: each channel of each sample normalised over its positions.

    With biased variance, a scale and a bias for each channel; no running statistics.
    """

    name: ClassVar[str] = "instance_norm"

    def shape(self, shape: Shape) -> Shape:
        spatial(shape, self.name)
        return shape

    def scale_shape(self, shape: Shape) -> Shape:
        return shape[:1]

    def layout(self, at: At) -> Groups:
        size = product(*at.shape[1:])
        return Groups(size, at.samples * size, at.samples * size)

    def groups_in_order(self, shape: tuple[int, ...], values: Values) -> int:
        return shape[0]

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.norms import Normalise

        scale = shape[:1] if self.affine else None
        broadcast = (shape[0], *(1 for _ in shape[1:]))
        dims = tuple(range(2, len(shape) + 1))
        return Normalise(dims, values(self.eps), scale=scale, broadcast=broadcast)
