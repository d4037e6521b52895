"""Checks of the scalar constants of an activation over the whole line."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Final

from govcheck.bounds.answer import Unknown, Value
from govcheck.bounds.expr import Expr, as_expr, num
from govcheck.plugin.activation import Activation
from govcheck.plugin.testing.case import Case
from govcheck.plugin.testing.records import CheckFailed

if TYPE_CHECKING:
    from torch import Tensor

ORDERS: Final = {
    # constant: order of the derivative, and which of its values is meant
    "value": (0, "absolute"),
    "slope_high": (1, "largest"),
    "slope_low": (1, "least"),
    "steepest": (1, "absolute"),
    "flattest": (1, "least absolute"),
    "curvature": (2, "absolute"),
    "third": (3, "absolute"),
}
SIGN: Final = {"absolute": 1, "largest": 1, "least": -1, "least absolute": -1}
RADII: Final = (Fraction(1, 10), Fraction(1), Fraction(3), Fraction(8), Fraction(30))
SLACK: Final = 1e-10


def check_constants_on_the_line(case: Case) -> str:
    """phi and its derivatives stay within `constants()` on a dense grid, far out as well."""
    from govcheck.numeric.scalars import derivatives, largest

    phi = _phi(case)
    constants = _activation(case).constants()
    shown = []
    for name, (order, kind) in ORDERS.items():
        value: Value = getattr(constants, name)
        if isinstance(value, Unknown):
            continue
        claim = _number(case, value)
        sign = SIGN[kind]

        def pick(x: Tensor, order: int = order, kind: str = kind, sign: int = sign) -> Tensor:
            y = derivatives(phi, x, order)[order]
            return sign * (y.abs() if "absolute" in kind else y)

        found, place = largest(pick)
        if found > sign * claim + SLACK * max(1.0, abs(claim)):
            raise CheckFailed(
                f"{name} is declared to be {claim:.10g}, and the {kind} value of "
                f"{'phi' + chr(39) * order} is {sign * found:.10g} at x = {place:.10g}"
            )
        shown.append(f"{name} {sign * found:.4g} of {claim:.4g}")
    _at_zero(case, phi)
    _growth(case, phi)
    return ", ".join(shown)


def _at_zero(case: Case, phi: Callable[[Tensor], Tensor]) -> None:
    import torch

    claim = _number(case, _activation(case).constants().at_zero)
    found = float(phi(torch.zeros(1, dtype=torch.float64)))
    if abs(found - claim) > 1e-12 * max(1.0, abs(claim)):
        raise CheckFailed(f"at_zero is declared to be {claim:.10g}, and phi(0) = {found:.10g}")


def _growth(case: Case, phi: Callable[[Tensor], Tensor]) -> None:
    import torch

    from govcheck.numeric.scalars import largest, line

    claim = _activation(case).constants().growth
    if isinstance(claim, Unknown):
        return
    start = float(phi(torch.zeros(1, dtype=torch.float64)))
    points = line()
    for side in (points[points > 1e-3], points[points < -1e-3]):
        found, place = largest(lambda x: (phi(x) - start).abs() / x.abs(), side)
        if found > _number(case, claim) * (1 + SLACK) + SLACK:
            raise CheckFailed(
                f"growth is declared to be {_number(case, claim):.10g}, and "
                f"|phi(x) - phi(0)| / |x| is {found:.10g} at x = {place:.10g}"
            )


def check_slopes_on_intervals(case: Case) -> str:
    """`slope_floor`, `slope_ceiling` and `growth` hold on intervals around 0."""
    import torch

    from govcheck.numeric.scalars import largest

    activation, phi = _activation(case), _phi(case)
    start = float(phi(torch.zeros(1, dtype=torch.float64)))
    for radius in RADII:
        x = torch.linspace(-1, 1, 4001, dtype=torch.float64) * float(radius)
        at = num(radius)
        for name, claim, sign in (
            ("slope_floor", activation.slope_floor(at), -1),
            ("slope_ceiling", activation.slope_ceiling(at), 1),
        ):
            if isinstance(claim, Unknown):
                continue
            limit = _number(case, claim)
            found, place = largest(partial(_signed_slope, phi, sign), x)
            if found > sign * limit + SLACK * max(limit, 1e-3):
                raise CheckFailed(
                    f"{name}({float(radius):g}) is {limit:.10g}, and |phi'| is "
                    f"{sign * found:.10g} at x = {place:.10g}"
                )
        growth = activation.growth(at)
        if isinstance(growth, Unknown):
            continue
        rise = (phi(x) - start).abs() - _number(case, growth) * x.abs()
        if float(rise.max()) > 1e-11:
            place = float(x[rise.argmax()])
            raise CheckFailed(f"growth({float(radius):g}) is crossed at x = {place:.10g}")
    return f"intervals up to {float(RADII[-1]):g}"


def _signed_slope(phi: Callable[[Tensor], Tensor], sign: int, x: Tensor) -> Tensor:
    from govcheck.numeric.scalars import derivatives

    return sign * derivatives(phi, x, 1)[1].abs()


def _activation(case: Case) -> Activation:
    assert isinstance(case.layer, Activation)
    return case.layer


def _phi(case: Case) -> Callable[[Tensor], Tensor]:
    activation, values = _activation(case), case.values
    return lambda x: activation.apply(x, values)


def _number(case: Case, formula: Expr | int) -> float:
    return case.values(as_expr(formula))
