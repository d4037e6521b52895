"""Group normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import Expr
from govcheck.plugin import At, Shape, ShapeError, Values
from govcheck_plugins.layers._normalised import Groups, Normalised, product
from govcheck_plugins.layers._whole import divide

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class GroupNorm(Normalised):
    """group_norm: each sample's channels in ``groups`` equal parts, each part normalised.

    With biased variance, a scale and a bias for each channel. Samples are ``[c, ...]``.
    """

    name: ClassVar[str] = "group_norm"

    groups: Expr

    def shape(self, shape: Shape) -> Shape:
        if not shape:
            raise ShapeError("there are no channels to normalise")
        divide(shape[0], self.groups, "the number of channels of a group")
        return shape

    def scale_shape(self, shape: Shape) -> Shape:
        return shape[:1]

    def layout(self, at: At) -> Groups:
        size = at.features / self.groups
        return Groups(size, at.samples * size, product(at.samples, *at.shape[1:]))

    def groups_in_order(self, shape: tuple[int, ...], values: Values) -> int:
        return int(values(self.groups))

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.norms import Normalise

        scale = shape[:1] if self.affine else None
        return Normalise(
            (-1,),
            values(self.eps),
            scale=scale,
            broadcast=(shape[0], *(1 for _ in shape[1:])),
            groups=int(values(self.groups)),
        )
