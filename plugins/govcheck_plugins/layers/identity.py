"""identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from govcheck.plugin import TABLE, Activation, At, Scalar, Value, Values, bound, scalar

if TYPE_CHECKING:
    from torch import Tensor

    from govcheck.certify.operations import Operation
    from govcheck.kernels.dual import Dual
    from govcheck.kernels.state import Context, KernelState


@dataclass(frozen=True)
class Identity(Activation):
    """identity: phi(x) = x.

    It also hands on the operator norm and the injectivity modulus of its input.
    """

    name: ClassVar[str] = "identity"
    analytic: ClassVar[bool | None] = True

    def constants(self) -> Scalar:
        return scalar(slope=(1, 1), curvature=0, third=0)

    @bound("out_spec", "upper", TABLE, tight="exact")
    def output_operator_norm(self, at: At) -> Value:
        """The output is the input."""
        return at.spectral

    @bound("out_inj", "lower", TABLE, tight="exact")
    def output_injectivity(self, at: At) -> Value:
        """The output is the input."""
        return at.injective

    def apply(self, x: Tensor, values: Values) -> Tensor:
        return x

    def certificate_operations(
        self, shape: tuple[int, ...], values: Values
    ) -> tuple[Operation, ...]:
        return ()

    def dual(self, values: Values) -> Dual:
        from govcheck.kernels.closed import Linear

        return Linear()

    def kernel_step(self, state: KernelState, ctx: Context) -> KernelState:
        return state
