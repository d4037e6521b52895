"""The path-length theorem on derived bounds: the sharpest condition in sigma, L and residual."""

from __future__ import annotations

from typing import ClassVar

from govcheck.bounds.answer import Ref
from govcheck.bounds.expr import ONE, ZERO, maximum, minimum, num
from govcheck_plugins.theorems._convergence import Condition, Inputs, NearInit


class PathLength(NearInit):
    """If ``|r| < (sigma R - L R^2/2)/2`` the path of gradient descent is shorter than R.

    With ``delta = 1/2``: the step is ``1/(beta^2 + L|r|)``, and each multiplies the loss by at
    most ``1 - eta (sigma - L R)^2``. R is the radius of S, or ``sigma/L`` where S is larger: the
    integral is largest there.
    """

    name: ClassVar[str] = "govcheck.path_length"
    title: ClassVar[str] = "Path-length theorem"
    reference: ClassVar[Ref] = Ref("govcheck theory", "certificates, section 1")

    def condition(self, at: Inputs) -> Condition:
        # the smallest radius that will do: sigma R - L R^2/2 = 2|r| has this root at most,
        # since L R <= sigma/2 there wherever h <= 3/16; else all of S is used
        sigma, L, rest = at.sigma, at.lipschitz, at.start
        enough = num("8/3") * rest / sigma
        radius = minimum(at.reach, enough)
        need = 2 * rest + L * radius**2 / 2
        eta = ONE / (at.beta**2 + L * rest)
        left = maximum(ZERO, sigma - L * radius)
        return Condition(
            maximum(need / (sigma * radius), L * radius / sigma), ONE,
            "2|r| + L R^2/2 < sigma R and L R < sigma for a radius R within S",
            radius, eta, ONE - eta * left**2,
        )
