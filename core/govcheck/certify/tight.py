"""The exact rate of gradient descent that an accepted certificate implies."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import Expr, num, sqrt
from govcheck.bounds.rates import tight_factor


def tight_rate(file: Mapping[str, Any]) -> float | None:
    """A factor of the loss in each step, from the claims of an accepted certificate.

    Let the claims be sigma^2, beta, L, R, the residual r and the step eta (on half the squared
    residual). The ball whose diameter is a step of length d lies within the path length after the
    step, so inside ``B(theta, R)``; on it the residual is at most ``r + beta d``,
    ``d <= eta beta r``. So the loss is ``S = beta^2 + L r (1 + eta beta^2)``-smooth there, and PL
    with ``mu = 2 (sigma - L R)^2`` at all iterates, or ``2 (sigma - E)^2`` where the proof rests on
    the readout. `govcheck.bounds.rates` gives the rest.

    Args:
        file: the certificate as JSON values.

    Returns:
        An upper bound, rounded up; None for costs that are not square, and where
        ``S eta >= 2``.
    """
    if file["cost"]["kind"] != "square":
        return None
    claims = {k: Fraction(float.fromhex(v)) for k, v in file["claims"].items()}
    eta = Fraction(float.fromhex(file["step"])) * Fraction(
        int(file["cost"]["numerator"]), int(file["cost"]["denominator"]))
    jacobian, lipschitz = claims["jacobian"], claims["lipschitz"]
    smooth = jacobian**2 + lipschitz * claims["residual"] * (1 + eta * jacobian**2)
    if eta * smooth >= 2:
        return None
    fall = claims.get("drift", lipschitz * claims["radius"])
    sigma: Expr = sqrt(num(claims["eigenvalue"])) - num(fall)
    kappa = sigma**2 / num(smooth)
    value = evaluate(tight_factor(kappa, num(eta * smooth)), {})
    top = value.upper()
    found = float(top)
    while not found >= top:
        found += max(abs(found), 1.0) * 2.0**-52
    return found


__all__ = ["tight_rate"]
