"""Images as sequences of patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import mul
from govcheck.plugin import Isometry, Shape, Values
from govcheck_plugins.layers._whole import check_window, divide, spatial

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PatchEmbed(Isometry):
    """patch_embed: ``[c, size, ...]`` to ``[patches, c * patch^n]``, cut into disjoint patches.

    Each entry has one place, in the order channel, row, column within a patch. Compose with
    `token_affine` for the trained part of an embedding.
    """

    name: ClassVar[str] = "patch_embed"

    patch: int

    def check(self) -> None:
        check_window(self.patch, self.patch)

    def shape(self, shape: Shape) -> Shape:
        sizes = spatial(shape, self.name)
        counts = [divide(n, self.patch, "the number of patches") for n in sizes]
        return (mul(*counts), shape[0] * self.patch ** len(sizes))

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.rearrange import Patches

        return Patches(len(shape) - 1, self.patch)
