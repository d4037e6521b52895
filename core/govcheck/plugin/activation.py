"""Elementwise activations: a layer plugin gives scalar constants, this class the bounds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, ClassVar

from govcheck.bounds.answer import Ref, Unknown, Value, merge_unknown, v_add, v_mul
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import ZERO, Expr, ExprLike, absolute, as_expr, maximum, sqrt
from govcheck.bounds.walk import symbols_of
from govcheck.plugin.layer import At, Layer, Values, bound

if TYPE_CHECKING:
    from torch import Tensor, nn

    from govcheck.certify.operations import Operation
    from govcheck.kernels.dual import Dual
    from govcheck.kernels.state import Context, KernelState

TABLE = Ref("govcheck theory", "layer constants, activation table")


@dataclass(frozen=True)
class Scalar:
    """Facts about a scalar function phi on the whole line; `scalar` fills in defaults.

    Args:
        at_zero: ``phi(0)``.
        slope_low, slope_high: infimum and supremum of ``phi'`` (its sector).
        steepest: supremum of ``|phi'|``.
        flattest: infimum of ``|phi'|``, or a lower bound of it.
        growth: a bound of ``|phi(x) - phi(0)| / |x|``, at most `steepest`.
        curvature: Lipschitz constant of ``phi'``, which is ``sup|phi''|`` where phi'' exists
            everywhere; Unknown with the reason where there is none.
        value: supremum of ``|phi|``, Unknown when unbounded.
        third: Lipschitz constant of ``phi''``, Unknown where phi'' jumps or is unbounded.
    """

    at_zero: Expr
    slope_low: Value
    slope_high: Value
    steepest: Value
    flattest: Expr
    growth: Value
    curvature: Value
    value: Value
    third: Value


def scalar(
    *,
    at_zero: ExprLike = 0,
    slope: tuple[ExprLike | Unknown, ExprLike | Unknown],
    curvature: ExprLike | Unknown,
    value: ExprLike | Unknown | None = None,
    third: ExprLike | Unknown | None = None,
    steepest: ExprLike | Unknown | None = None,
    flattest: ExprLike | None = None,
    growth: ExprLike | Unknown | None = None,
) -> Scalar:
    """Collect the constants of an activation.

    An omitted `value` or `third` is Unknown; `steepest`, `flattest` and `growth` follow
    from the sector when they are omitted.
    """
    low, high = (_known(s) for s in slope)
    steep = _steepest(low, high) if steepest is None else _known(steepest)
    return Scalar(
        at_zero=as_expr(at_zero),
        slope_low=low,
        slope_high=high,
        steepest=steep,
        flattest=_flattest(low, high) if flattest is None else as_expr(flattest),
        growth=steep if growth is None else _known(growth),
        curvature=_known(curvature),
        value=_known(value, "the activation is unbounded"),
        third=_known(third, "no Lipschitz constant of the second derivative is known"),
    )


def _known(x: ExprLike | Unknown | None, why: str = "") -> Value:
    if x is None:
        return Unknown.because(why)
    return x if isinstance(x, Unknown) else as_expr(x)


def _steepest(low: Value, high: Value) -> Value:
    unknown = merge_unknown((low, high))
    if unknown:
        return unknown
    assert isinstance(low, Expr) and isinstance(high, Expr)
    a, b = absolute(low), absolute(high)
    if not symbols_of(a, b):
        # one of two long closed forms reads better than their maximum
        x, y = evaluate(a, {}), evaluate(b, {})
        if x < y:
            return b
        if y < x:
            return a
    return maximum(a, b)


def _flattest(low: Value, high: Value) -> Expr:
    if isinstance(low, Expr) and low.nonneg:
        return low
    if isinstance(high, Expr) and (-high).nonneg:
        return -high
    return ZERO


def kink(name: str, where: str = "0") -> Unknown:
    """The curvature of an activation whose derivative jumps: there is none, and why."""
    return Unknown.because(
        f"{name} has a kink at {where}: its derivative jumps there, "
        "so no smoothness constant exists",
        kind="not smooth",
    )


def require_positive(layer: str, **parameters: Expr) -> None:
    """Refuse parameters that are known not to be positive; symbols pass.

    Raises:
        ValueError: naming the layer, the parameter and its value.
    """
    for key, value in parameters.items():
        if not symbols_of(value) and not evaluate(value, {}) > 0:
            raise ValueError(f"{key} of {layer} must be positive, not {value!r}")


class Activation(Layer):
    """An elementwise map ``X -> phi(X)`` without parameters."""

    analytic: ClassVar[bool | None] = None
    """Whether phi is real analytic on the whole line, for every setting; None if not declared."""

    certificate_function: ClassVar[str] = ""
    """Which of `govcheck.certify.operations.FUNCTIONS` phi is, if any."""

    @abstractmethod
    def constants(self) -> Scalar:
        """The scalar facts the bounds follow from, on the whole line."""

    @abstractmethod
    def apply(self, x: Tensor, values: Values) -> Tensor:
        """``phi`` in torch, elementwise, differentiable twice where phi is."""

    def slope_floor(self, radius: Expr) -> Expr:
        """Lower bound of ``|phi'|`` on ``[-radius, radius]``, falling with the radius >= 0."""
        return _constants(self).flattest

    def slope_ceiling(self, radius: Expr) -> Value:
        """Upper bound of ``|phi'|`` on ``[-radius, radius]``."""
        return _constants(self).steepest

    def growth(self, radius: Expr) -> Value:
        """Upper bound of ``|phi(x) - phi(0)| / |x|`` on ``[-radius, radius]``."""
        return _constants(self).growth

    def dual(self, values: Values) -> Dual | Unknown:
        """Gaussian expectations of phi, for limiting kernels; see `govcheck.kernels`.

        Args:
            values: turns the activation's formulas into floats.
        """
        return Unknown.because(f"{self.name} declares no Gaussian expectations", kind="undeclared")

    def kernel_step(self, state: KernelState, ctx: Context) -> KernelState | Unknown:
        dual = ctx.remember(self, lambda: self.dual(ctx.values))
        return dual if isinstance(dual, Unknown) else state.activated(ctx, dual)

    def certificate_operations(
        self, shape: tuple[int, ...], values: Values
    ) -> tuple[Operation, ...] | Unknown:
        if not self.certificate_function:
            return super().certificate_operations(shape, values)
        from govcheck.certify.operations import activation

        return (activation(self.certificate_function),)

    def module(self, shape: tuple[int, ...], values: Values) -> nn.Module:
        from govcheck.numeric.modules import Elementwise

        return Elementwise(partial(self.apply, values=values), self.name)

    @bound("J", "upper", TABLE, tight="attained or approached where |phi'| is largest")
    def jacobian(self, at: At) -> Value:
        """The Jacobian is diagonal with entries ``phi'``."""
        return _on_entries(at, self.slope_ceiling, _constants(self).steepest)

    @bound("sigma_J", "lower", TABLE)
    def least_slope(self, at: At) -> Value:
        """Smallest ``|phi'|`` on the entries the input can have (operator norm bounds them)."""
        return _on_entries(at, self.slope_floor, _constants(self).flattest)

    @bound("xx", "upper", TABLE, tight="attained or approached where |phi''| is largest")
    def second_derivative(self, at: At) -> Value:
        """``phi'' h k`` entrywise, largest with h and k in one coordinate."""
        return _constants(self).curvature

    @bound("J_inf", "upper", TABLE, tight="as J", uses=("rows",))
    def jacobian_max_norm(self, at: At) -> Value:
        """A diagonal matrix has the same norm in the max norm."""
        return self.jacobian(at)

    @bound("xx_inf", "upper", TABLE, tight="as xx", uses=("rows",))
    def second_derivative_max_norm(self, at: At) -> Value:
        """``|phi'' h k|_2 <= sup|phi''| |h|_max |k|_2``."""
        return self.second_derivative(at)

    @bound("out_max", "upper", TABLE, uses=("rows",))
    def sample_by_growth(self, at: At) -> Value:
        """As `output_by_growth`, for one sample."""
        growth = _on_entries(at, self.growth, _constants(self).growth)
        offset = v_mul(absolute(_constants(self).at_zero), sqrt(at.features))
        return v_add(v_mul(growth, at.sample), offset)

    @bound("out_max", "upper", TABLE, uses=("rows", "boundedness"))
    def sample_by_range(self, at: At) -> Value:
        """As `output_by_range`, for one sample."""
        return v_mul(_constants(self).value, sqrt(at.features))

    @bound("out", "upper", TABLE)
    def output_by_growth(self, at: At) -> Value:
        """``|phi(X)| <= |phi(0)| sqrt(entries) + growth |X|`` in the Frobenius norm."""
        growth = _on_entries(at, self.growth, _constants(self).growth)
        offset = v_mul(absolute(_constants(self).at_zero), sqrt(at.entries))
        return v_add(v_mul(growth, at.frobenius), offset)

    @bound("out", "upper", TABLE, uses=("boundedness",))
    def output_by_range(self, at: At) -> Value:
        """A bounded activation has bounded output whatever comes in."""
        return v_mul(_constants(self).value, sqrt(at.entries))


@lru_cache(maxsize=1024)
def _constants(activation: Activation) -> Scalar:
    # a deep network asks equal layers the same thing many thousand times
    return activation.constants()


def _on_entries(at: At, local: Callable[[Expr], Value], whole_line: Value) -> Value:
    """A bound on the entries the input can have; where they are unbounded, on the line."""
    known = (r for r in (at.sample, at.spectral) if isinstance(r, Expr))
    radius = next(known, at.frobenius)
    if isinstance(radius, Expr):
        return local(radius)
    if isinstance(whole_line, Expr):
        return whole_line
    # why the input is unbounded is part of the reason
    return merge_unknown((whole_line, radius)) or whole_line
