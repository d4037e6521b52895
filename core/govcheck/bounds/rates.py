"""Factors by which gradient descent reduces a smooth loss that obeys the PL inequality.

With ``|grad l|^2 >= mu (l - inf)``, a beta-Lipschitz gradient and step ``eta``, everything depends
on ``kappa = mu/(2 beta)`` in (0, 1] and ``x = beta eta`` in (0, 2). The exact worst factors are of
Abbaszadehpeivasti, de Klerk and Zamani. Their proof takes the PL inequality at two iterates and
the gradient's Lipschitz constant on the ball whose diameter is the segment between them, and
nothing else; a set that is left by such balls must be inflated by half a step.
"""

from __future__ import annotations

from typing import Final

from govcheck.bounds.answer import Ref
from govcheck.bounds.expr import ONE, ZERO, Expr, ExprLike, as_expr, function, maximum, sqrt

TIGHT: Final = Ref(
    "Abbaszadehpeivasti, de Klerk, Zamani 2023",
    "Conditions for linear convergence of the gradient method for non-convex optimization",
)
INFLATED: Final = "S must also contain the balls whose diameters are the steps"


def ratio(mu: Expr, beta: Expr) -> Expr:
    """``kappa = mu/(2 beta)``; at most 1 for every function that is not constant."""
    return mu / (2 * beta)


def textbook_factor(kappa: Expr, x: ExprLike = ONE) -> Expr:
    """``1 - kappa x (2-x)``, [M] Thm 2.1 eq (4) at step ``x/beta``."""
    x = as_expr(x)
    return ONE - kappa * x * (2 - x)


def tight_factor(kappa: Expr, x: ExprLike = ONE) -> Expr:
    """The exact worst factor at step ``x/beta``, for kappa in [0, 1] and x in (0, 2).

    It is `short_step` for x <= 1, `middle_step` up to sqrt 3 and `long_step` from there. Each of
    the three is the largest of all on its own interval, so that no case need be decided.
    """
    if as_expr(x) is ONE:
        # both formulas that meet there
        return maximum(ZERO, 2 * (ONE - kappa) / (2 + kappa))
    return maximum(ZERO, short_step(kappa, x), middle_step(kappa, x), long_step(kappa, x))


def short_step(kappa: Expr, x: ExprLike) -> Expr:
    """``((kappa(1-x) + sqrt(4 - 2(1+kappa)(2-x) kappa x))/(2+kappa))^2``, exact for x <= 1."""
    x = as_expr(x)
    # at least 4(1-x)^2 for kappa <= 1
    root = sqrt(maximum(ZERO, 4 - 2 * (ONE + kappa) * (2 - x) * kappa * x))
    return ((kappa * (ONE - x) + root) / (2 + kappa)) ** 2


def middle_step(kappa: Expr, x: ExprLike) -> Expr:
    """``1 - kappa x (4-x^2)/(2 + kappa x)``, exact for 1 <= x <= sqrt 3."""
    x = as_expr(x)
    return ONE - kappa * x * (4 - x**2) / (2 + kappa * x)


def long_step(kappa: Expr, x: ExprLike) -> Expr:
    """``(x-1)^2/((x-1)^2 + kappa x (2-x))``, exact for sqrt 3 <= x < 2."""
    x = as_expr(x)
    # (x-1)^2 = 1 - x(2-x); 1 - a/(b+a) is sharper in ball arithmetic than b/(b+a)
    fall = x * (2 - x)
    return ONE - kappa * fall / (ONE - (ONE - kappa) * fall)


def best_scaled_step(kappa: Expr) -> Expr:
    """The x in [1, 2/sqrt 3] with ``kappa x^3 + 3 x^2 - 4 = 0``, for kappa in [0, 1].

    With ``x = 1/u`` the equation is ``4 u^3 - 3 u = kappa``, hence ``u = cos(arccos(kappa)/3)``;
    and ``arccos(kappa) = 2 arctan sqrt((1-kappa)/(1+kappa))``.
    """
    return 1 / function("cos", _third_angle(kappa))


def best_tight_factor(kappa: Expr) -> Expr:
    """The exact worst factor at the best step, ``3 (x^2 - 1) = 3 tan(arccos(kappa)/3)^2``.

    Inserting ``kappa = (4 - 3x^2)/x^3`` into `middle_step` gives it.
    """
    angle = _third_angle(kappa)
    return 3 * function("sin", angle) ** 2 / function("cos", angle) ** 2


def _third_angle(kappa: Expr) -> Expr:
    root = sqrt(maximum(ZERO, ONE - kappa) / (ONE + kappa))
    return 2 * function("atan", root) / 3
