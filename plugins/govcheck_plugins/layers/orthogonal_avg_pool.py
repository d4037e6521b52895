"""The skip map of residual networks that keeps all singular values at one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import ONE, ZERO, Expr
from govcheck.plugin import Shape, Values
from govcheck_plugins.layers._linear import SampleLinear
from govcheck_plugins.layers._whole import check_window, more_channels, spatial, windows

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class OrthogonalAvgPool(SampleLinear):
    """orthogonal_avg_pool: scaled means over disjoint windows, then zero channels up to ``out``.

    A row of the pool P has ``kernel^n`` entries (n spatial dimensions) equal to
    ``kernel^(-n/2)``, so that ``P P^T = Id``: the map of [M] 5.2 and 5.3. With zero channels
    E it is ``E P``, whose singular values are all one, but which is not onto.
    """

    name: ClassVar[str] = "orthogonal_avg_pool"

    kernel: int = 2
    out: Expr | None = None

    def check(self) -> None:
        check_window(self.kernel, self.kernel)

    def shape(self, shape: Shape) -> Shape:
        sizes = spatial(shape, self.name)
        channels = shape[0]
        if self.out is not None:
            more_channels(channels, self.out)
            channels = self.out
        return (channels, *(windows(n, self.kernel, self.kernel) for n in sizes))

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from torch import nn

        from govcheck.numeric.pooling import Pool
        from govcheck.numeric.rearrange import ZeroPad

        more = 0 if self.out is None else int(values(self.out)) - shape[0]
        dims = len(shape) - 1
        return nn.Sequential(
            Pool(dims, self.kernel, self.kernel, "orthogonal"), ZeroPad(dims, 0, more)
        )

    def gain(self, shape: Shape) -> Expr:
        return ONE

    def surjectivity(self, shape: Shape) -> Expr:
        """One without zero channels; with them their rows of J are 0."""
        return ONE if self.out is None or self.out is shape[0] else ZERO
