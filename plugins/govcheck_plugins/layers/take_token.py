"""One token of a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import ONE, Expr
from govcheck.plugin import Shape, ShapeError, Values
from govcheck_plugins.layers._linear import SampleLinear

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class TakeToken(SampleLinear):
    """take_token: ``[t, d]`` to ``[d]``, the token ``index``, counted from 0; ``A A^T = Id``."""

    name: ClassVar[str] = "take_token"

    index: int = 0

    def check(self) -> None:
        if self.index < 0:
            raise ValueError(f"index must be at least 0, not {self.index}")

    def shape(self, shape: Shape) -> Shape:
        if len(shape) != 2:
            raise ShapeError("take_token takes samples [tokens, features]")
        if shape[0].is_number and shape[0].number <= self.index:
            raise ShapeError(f"there is no token {self.index}, counted from 0")
        return shape[1:]

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.tokens import TakeToken as Module

        return Module(self.index)

    def gain(self, shape: Shape) -> Expr:
        return ONE

    def surjectivity(self, shape: Shape) -> Expr:
        return ONE
