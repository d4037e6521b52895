"""Factors by which gradient descent reduces the loss under smoothness and the PL inequality."""

from __future__ import annotations

from typing import Final

from govcheck.bounds.answer import Ref
from govcheck.bounds.expr import ONE, ZERO, Expr, function, maximum, sqrt

TIGHT: Final = Ref(
    "Abbaszadehpeivasti, de Klerk, Zamani 2023",
    "Conditions for linear convergence of the gradient method for non-convex optimization",
)


def ratio(mu: Expr, beta: Expr) -> Expr:
    """``kappa = mu/(2 beta)``; at most 1, for no smooth function has a larger ratio."""
    return mu / (2 * beta)


def tight_factor(kappa: Expr) -> Expr:
    """The exact worst factor at step ``1/beta``: ``2 (1 - kappa)/(2 + kappa)``, at least 0.

    It is both ``((kappa(1-x) + sqrt(4 - 2(1+kappa)(2-x) kappa x))/(2+kappa))^2`` and
    ``1 - kappa x (4-x^2)/(2 + kappa x)`` at ``x = beta step = 1``.
    """
    return maximum(ZERO, 2 * (ONE - kappa) / (2 + kappa))


def best_scaled_step(kappa: Expr) -> Expr:
    """The x in [1, 2/sqrt 3] with ``kappa x^3 + 3 x^2 - 4 = 0``, for kappa in [0, 1].

    With ``x = 1/u`` the equation is ``4 u^3 - 3 u = kappa``, hence ``u = cos(arccos(kappa)/3)``;
    and ``arccos(kappa) = 2 arctan sqrt((1-kappa)/(1+kappa))``.
    """
    return 1 / function("cos", _third_angle(kappa))


def best_tight_factor(kappa: Expr) -> Expr:
    """The exact worst factor at the best step, ``3 (x^2 - 1) = 3 tan(arccos(kappa)/3)^2``.

    Inserting ``kappa = (4 - 3x^2)/x^3`` into ``1 - kappa x (4-x^2)/(2 + kappa x)`` gives it.
    """
    angle = _third_angle(kappa)
    return 3 * function("sin", angle) ** 2 / function("cos", angle) ** 2


def _third_angle(kappa: Expr) -> Expr:
    root = sqrt(maximum(ZERO, ONE - kappa) / (ONE + kappa))
    return 2 * function("atan", root) / 3
