"""Tokens and features exchanged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.plugin import Isometry, Shape, ShapeError, Values

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Transpose(Isometry):
    """transpose: ``[t, d]`` to ``[d, t]``."""

    name: ClassVar[str] = "transpose"

    def shape(self, shape: Shape) -> Shape:
        if len(shape) != 2:
            raise ShapeError("transpose takes samples with two dimensions")
        return shape[::-1]

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.rearrange import Transpose

        return Transpose()
