"""What the square costs share: ``gamma(Z) = w |Z - Y|_F**2`` with a weight w."""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from govcheck.bounds.answer import Unknown, Value, merge_unknown, v_add, v_mul, v_square
from govcheck.bounds.expr import ZERO, Expr, ExprLike, as_expr, sqrt
from govcheck.plugin import Cost, CostAt

if TYPE_CHECKING:
    from torch import Tensor

HALF: Final = Fraction(1, 2)
NO_LOSS: Final = "the loss is 0 on the whole set, so its slope says nothing"


class Quadratic(Cost):
    """``w |Z - Y|_F**2``: the gradient is ``2w (Z - Y)`` and the Hessian ``2w I``."""

    @abstractmethod
    def weight(self, samples: Expr) -> ExprLike:
        """w, for N samples."""

    def gradient(self, at: CostAt) -> Value:
        """``|2w (Z - Y)| = 2 sqrt(w gamma(Z))``; equality on the level set."""
        if unknown := merge_unknown([at.alpha]):
            return unknown
        assert isinstance(at.alpha, Expr)
        return 2 * sqrt(self._w(at) * at.alpha)

    def curvature(self, at: CostAt) -> Value:
        """The Hessian is ``2w`` times the identity."""
        return 2 * self._w(at)

    def pl(self, at: CostAt) -> Value:
        """``|2w (Z - Y)|**2 = 4w gamma(Z)``; equality everywhere."""
        return 4 * self._w(at)

    def slope(self, at: CostAt) -> Value:
        """``2 sqrt(w gamma) >= kappa gamma`` where ``gamma <= alpha``; equality at alpha."""
        if unknown := merge_unknown([at.alpha]):
            return unknown
        assert isinstance(at.alpha, Expr)
        if at.alpha is ZERO:
            return Unknown.because(NO_LOSS)
        return 2 * sqrt(self._w(at) / at.alpha)

    def level(self, at: CostAt, output_norm: Value) -> Value:
        """``w (|Z| + |Y|)**2``; equality for Z along -Y."""
        return v_mul(self._w(at), v_square(v_add(output_norm, at.target_norm)))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        # subtracting labels of shape (N,) would broadcast to a wrong number in silence
        if targets.shape != outputs.shape:
            raise ValueError(
                f"the cost {self.name} needs targets of the shape of the outputs, "
                f"{tuple(outputs.shape)}, not {tuple(targets.shape)}"
            )
        w = as_expr(self.weight(as_expr(outputs.shape[0]))).number
        # divided once by an exact integer where w is a unit fraction
        return (outputs - targets).square().sum() * w.numerator / w.denominator

    def _w(self, at: CostAt) -> Expr:
        return as_expr(self.weight(at.samples))
