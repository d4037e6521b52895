"""Max pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import v_mul
from govcheck.bounds.expr import ONE, ZERO, Expr, num, sqrt
from govcheck.plugin import At, Layer, Shape, Unknown, Value, Values, bound
from govcheck_plugins.layers._linear import POOLING
from govcheck_plugins.layers._whole import check_window, spatial, windows

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class MaxPool(Layer):
    """max_pool: maxima over windows of ``kernel`` along each spatial dimension.

    Windows start every ``stride`` (``kernel`` by default); ``padding`` on each side never
    counts as a maximum. Piecewise linear: almost everywhere J has a single 1 in each row.
    """

    name: ClassVar[str] = "max_pool"

    kernel: int
    stride: int | None = None
    padding: int = 0

    def check(self) -> None:
        check_window(self.kernel, self.step)
        if not 0 <= 2 * self.padding <= self.kernel:
            raise ValueError("padding must be from 0 to half of kernel")

    @property
    def step(self) -> int:
        """The stride in force."""
        return self.kernel if self.stride is None else self.stride

    def shape(self, shape: Shape) -> Shape:
        sizes = spatial(shape, self.name)
        counts = (windows(n, self.kernel, self.step, self.padding) for n in sizes)
        return (shape[0], *counts)

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.pooling import Pool

        return Pool(len(shape) - 1, self.kernel, self.step, "max", self.padding)

    def _gain(self, shape: Shape) -> Expr:
        """Root of the largest number of windows that contain one entry."""
        result = ONE
        for n in shape[1:]:
            count = windows(n, self.kernel, self.step, self.padding)
            through = -(-self.kernel // self.step)
            if count.is_number:
                through = min(through, int(count.number))
            result *= sqrt(num(through))
        return result

    @bound("J", "upper", POOLING, tight="one entry is the maximum of all its windows")
    def jacobian(self, at: At) -> Value:
        """``|J|^2`` is the largest number of windows whose maximum is one entry."""
        return self._gain(at.shape)

    @bound("sigma_J", "lower", POOLING, tight="exact: disjoint windows")
    def least_singular_value(self, at: At) -> Value:
        """Disjoint windows have different maxima: J selects, ``J J^T = Id``; else 0."""
        return ONE if self.step >= self.kernel else ZERO

    @bound("out", "upper", POOLING, tight="one entry is the maximum of all its windows")
    def output(self, at: At) -> Value:
        """The Lipschitz constant times ``|X|_F``, as 0 goes to 0."""
        return v_mul(self._gain(at.shape), at.frobenius)

    @bound("out_max", "upper", POOLING, tight="as out", uses=("rows",))
    def output_sample(self, at: At) -> Value:
        """Likewise for a sample."""
        return v_mul(self._gain(at.shape), at.sample)

    @bound("xx", "upper", POOLING)
    def second_derivative(self, at: At) -> Value:
        """There is none where the maximum moves to another entry."""
        if self.kernel == 1:
            return ZERO
        return Unknown.because(
            "the derivative of max_pool jumps where the maximum moves to another entry, "
            "so no smoothness constant exists",
            kind="not smooth",
        )
