"""Another shape for the entries of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import ONE, Expr
from govcheck.plugin import Isometry, MatrixForm, Shape, ShapeError, Values
from govcheck_plugins.layers._normalised import product

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Reshape(Isometry):
    """reshape: the entries of a sample in the order they have, in the shape ``to``."""

    name: ClassVar[str] = "reshape"

    to: tuple[Expr, ...]

    def shape(self, shape: Shape) -> Shape:
        if product(*self.to) / product(*shape) is not ONE:
            before, after = product(*shape), product(*self.to)
            raise ShapeError(f"a sample has {before!r} entries, not {after!r}")
        return self.to

    def matrix_form(self, shape: Shape) -> MatrixForm:
        return MatrixForm()

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.rearrange import Reshape

        return Reshape(tuple(int(values(n)) for n in self.to))
