"""Average pooling."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from govcheck.bounds.expr import ONE, ZERO, Expr, mul, num, sqrt
from govcheck.plugin import MatrixForm, Shape, Values
from govcheck_plugins.layers._linear import SampleLinear
from govcheck_plugins.layers._whole import check_window, spatial, windows

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from govcheck.certify.operations import Operation
    from govcheck.kernels.state import Context, KernelState


@dataclass(frozen=True)
class AvgPool(SampleLinear):
    """avg_pool: means over windows of ``kernel`` along each spatial dimension, no padding.

    Windows start every ``stride`` (``kernel`` by default); a rest that fills no window is
    dropped. A is a tensor product over dimensions. Along one, ``k^2 A A^T`` has entries
    ``max(0, k - s|i-j|)``: its norm is at most the largest row sum (and A A^T = Id/k for
    s >= k), its least eigenvalue at least the diagonal minus the rest of a row (Gershgorin).
    """

    name: ClassVar[str] = "avg_pool"
    kernel_pixels: ClassVar[int] = 2

    kernel: int
    stride: int | None = None

    def check(self) -> None:
        check_window(self.kernel, self.step)

    @property
    def step(self) -> int:
        """The stride in force."""
        return self.kernel if self.stride is None else self.stride

    def shape(self, shape: Shape) -> Shape:
        sizes = spatial(shape, self.name)
        return (shape[0], *(windows(n, self.kernel, self.step) for n in sizes))

    def matrix_form(self, shape: Shape) -> MatrixForm:
        area = num(self.kernel ** (len(shape) - 1))
        size = (mul(*self.shape(shape)), mul(*shape))
        return MatrixForm(1 / area, size, fixed_norm=area * self.gain(shape))

    def matrix(
        self, array: NDArray[Any] | None, shape: tuple[int, ...], values: Values
    ) -> NDArray[Any]:
        """Sums over windows."""
        import numpy as np

        from govcheck.certify.conv_matrix import conv_matrix

        channels = shape[0]
        taps = np.ones((channels, 1, *[self.kernel for _ in shape[1:]]))
        return conv_matrix(taps, shape[1:], self.step, groups=channels)

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.pooling import Pool

        return Pool(len(shape) - 1, self.kernel, self.step, "mean")

    def certificate_operations(
        self, shape: tuple[int, ...], values: Values
    ) -> tuple[Operation, ...]:
        from govcheck.certify.operations import average

        return (average([self.kernel] * (len(shape) - 1), [self.step] * (len(shape) - 1)),)

    def _overlaps(self, size: Expr) -> int:
        """Largest sum of off-diagonal entries of ``k^2 A A^T`` in a row."""
        reach = (self.kernel - 1) // self.step
        overlap = [self.kernel - self.step * i for i in range(1, reach + 1)]
        count = windows(size, self.kernel, self.step)
        if not count.is_number:
            return 2 * sum(overlap)
        # the row in the middle
        left = (int(count.number) - 1) // 2
        return sum(overlap[:left]) + sum(overlap[: int(count.number) - 1 - left])

    def gain(self, shape: Shape) -> Expr:
        result = ONE
        for n in shape[1:]:
            result *= sqrt(Fraction(self.kernel + self._overlaps(n), self.kernel**2))
        return result

    def surjectivity(self, shape: Shape) -> Expr:
        result = ONE
        for n in shape[1:]:
            least = self.kernel - self._overlaps(n)
            if least <= 0:
                return ZERO
            result *= sqrt(num(Fraction(least, self.kernel**2)))
        return result

    def kernel_step(self, state: KernelState, ctx: Context) -> KernelState:
        import numpy as np

        from govcheck.kernels.conv import Patches

        grid = tuple(int(ctx.values(n)) for n in ctx.shape[1:])
        places = Patches(grid, (self.kernel,) * len(grid), self.step)
        sums = places.summed(np.eye(math.prod(grid)), 1)
        return state.mixed(sums.T / self.kernel ** len(grid))
