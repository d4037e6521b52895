"""Elementwise activations: a layer plugin gives five constants, this class the bounds."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from govcheck.bounds.answer import Ref, Unknown, Value, v_add, v_mul
from govcheck.bounds.expr import ZERO, Expr, ExprLike, absolute, as_expr, maximum, minimum, sqrt
from govcheck.plugin.layer import At, Layer, Values, bound

if TYPE_CHECKING:
    from torch import Tensor, nn

TABLE = Ref("govcheck theory", "layer constants, activation table")


@dataclass(frozen=True)
class Scalar:
    """Facts about a scalar function phi.

    Args:
        at_zero: ``phi(0)``.
        slope_low, slope_high: infimum and supremum of ``phi'`` (its sector).
        curvature: supremum of ``|phi''|``; for phi with Lipschitz derivative the Lipschitz
            constant of ``phi'``; Unknown with the reason where there is none.
        value: supremum of ``|phi|``, Unknown when unbounded.
        third: supremum of ``|phi'''|`` (almost everywhere), Unknown when there is none.
    """

    at_zero: Expr
    slope_low: Expr
    slope_high: Expr
    curvature: Value
    value: Value
    third: Value


def scalar(
    *,
    at_zero: ExprLike = 0,
    slope: tuple[ExprLike, ExprLike],
    curvature: ExprLike | Unknown,
    value: ExprLike | Unknown | None = None,
    third: ExprLike | Unknown | None = None,
) -> Scalar:
    """Collect the constants of an activation; omitted ones are Unknown."""

    def known(x: ExprLike | Unknown | None, why: str) -> Value:
        if x is None:
            return Unknown.because(why)
        return x if isinstance(x, Unknown) else as_expr(x)

    return Scalar(
        as_expr(at_zero),
        as_expr(slope[0]),
        as_expr(slope[1]),
        known(curvature, "no bound of the second derivative is known"),
        known(value, "the activation is unbounded"),
        known(third, "no bound of the third derivative is known"),
    )


NO_SMOOTHNESS = "has a kink: its derivative jumps, so no smoothness constant exists"


class Activation(Layer):
    """An elementwise map ``X -> phi(X)`` without parameters."""

    @abstractmethod
    def constants(self) -> Scalar:
        """The scalar facts the bounds follow from, on the whole line."""

    @abstractmethod
    def apply(self, x: Tensor, values: Values) -> Tensor:
        """``phi`` in torch, elementwise, differentiable twice where phi is."""

    def slope_floor(self, radius: Expr) -> Expr:
        """Infimum of ``|phi'|`` on ``[-radius, radius]``; the global one by default."""
        c = self.constants()
        if c.slope_low.nonneg:
            return c.slope_low
        if (-c.slope_high).nonneg:
            return -c.slope_high
        return ZERO

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.modules import Elementwise

        return Elementwise(lambda x: self.apply(x, values), self.name)

    def _slope(self) -> Expr:
        c = self.constants()
        return maximum(absolute(c.slope_low), absolute(c.slope_high))

    @bound("J", "upper", TABLE, tight="exact: attained where |phi'| is largest")
    def jacobian(self, at: At) -> Value:
        """The Jacobian is diagonal with entries ``phi'``."""
        return self._slope()

    @bound("sigma_J", "lower", TABLE, tight="exact on the set |entry| <= radius")
    def least_slope(self, at: At) -> Value:
        """Smallest ``|phi'|`` on the entries the input can have (operator norm bounds them)."""
        if isinstance(at.spectral, Unknown):
            return Activation.slope_floor(self, ZERO)
        return self.slope_floor(at.spectral)

    @bound("D", "upper", TABLE, tight="exact: no parameters")
    def parameter_derivative(self, at: At) -> Value:
        """There are no parameters."""
        return ZERO

    @bound("xx", "upper", TABLE, tight="exact: attained where |phi''| is largest")
    def second_derivative(self, at: At) -> Value:
        """``|phi''| h**2`` entrywise, largest with h in one coordinate."""
        return self.constants().curvature

    @bound("xt", "upper", TABLE, tight="exact: no parameters")
    def mixed_derivative(self, at: At) -> Value:
        """There are no parameters."""
        return ZERO

    @bound("tt", "upper", TABLE, tight="exact: no parameters")
    def parameter_second_derivative(self, at: At) -> Value:
        """There are no parameters."""
        return ZERO

    @bound("out", "upper", TABLE)
    def output_by_slope(self, at: At) -> Value:
        """``|phi(x)| <= |phi(0)| + sup|phi'| |x|`` in the Frobenius norm."""
        offset = absolute(self.constants().at_zero) * sqrt(at.entries)
        return v_add(v_mul(self._slope(), at.frobenius), offset)

    @bound("out", "upper", TABLE, uses=("boundedness",))
    def output_by_range(self, at: At) -> Value:
        """A bounded activation has bounded output whatever comes in."""
        return v_mul(self.constants().value, sqrt(at.entries))


def symmetric_floor(value_at_radius: Expr, slope_high: ExprLike) -> Expr:
    """`slope_floor` of a phi whose ``phi'`` is even, positive and falls with ``|x|``."""
    return minimum(value_at_radius, slope_high)
