"""Global average pooling."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from govcheck.bounds.expr import Expr, mul, sqrt
from govcheck.plugin import MatrixForm, Shape, Values
from govcheck_plugins.layers._linear import SampleLinear
from govcheck_plugins.layers._whole import spatial

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from govcheck.certify.operations import Operation
    from govcheck.kernels.state import Context, KernelState


@dataclass(frozen=True)
class GlobalAvgPool(SampleLinear):
    """global_avg_pool: the mean of each channel over its positions, ``A A^T = Id/positions``."""

    name: ClassVar[str] = "global_avg_pool"
    kernel_pixels: ClassVar[int] = 2

    def shape(self, shape: Shape) -> Shape:
        spatial(shape, self.name)
        return shape[:1]

    def matrix_form(self, shape: Shape) -> MatrixForm:
        places = mul(*shape[1:])
        size = (shape[0], mul(*shape))
        return MatrixForm(1 / places, size, fixed_norm=sqrt(places))

    def matrix(
        self, array: NDArray[Any] | None, shape: tuple[int, ...], values: Values
    ) -> NDArray[Any]:
        """Sums over positions."""
        import numpy as np

        return np.kron(np.eye(shape[0]), np.ones((1, prod(shape[1:]))))

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.pooling import GlobalMean

        return GlobalMean()

    def certificate_operations(
        self, shape: tuple[int, ...], values: Values
    ) -> tuple[Operation, ...]:
        from govcheck.certify.operations import average, flatten

        return (average(shape[1:], shape[1:]), flatten())

    def gain(self, shape: Shape) -> Expr:
        return 1 / sqrt(mul(*shape[1:]))

    def surjectivity(self, shape: Shape) -> Expr:
        return self.gain(shape)

    def kernel_step(self, state: KernelState, ctx: Context) -> KernelState:
        return state.pooled()
