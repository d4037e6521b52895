"""Flatten a sample to a vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.expr import mul
from govcheck.plugin import Isometry, MatrixForm, Shape, Values

if TYPE_CHECKING:
    from torch import nn

    from govcheck.certify.operations import Operation
    from govcheck.kernels.state import Context, KernelState


@dataclass(frozen=True)
class Flatten(Isometry):
    """flatten: all entries of a sample as one vector, in torch's order."""

    name: ClassVar[str] = "flatten"

    def shape(self, shape: Shape) -> Shape:
        return (mul(*shape),)

    def matrix_form(self, shape: Shape) -> MatrixForm:
        return MatrixForm()

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from torch import nn

        return nn.Flatten()

    def certificate_operations(
        self, shape: tuple[int, ...], values: Values
    ) -> tuple[Operation, ...]:
        from govcheck.certify.operations import flatten

        return (flatten(),)

    def kernel_step(self, state: KernelState, ctx: Context) -> KernelState:
        return state.flattened()
