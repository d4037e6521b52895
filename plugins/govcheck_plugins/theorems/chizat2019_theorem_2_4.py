"""Theorem 2.4 of Chizat, Oyallon and Bach (2019): lazy training where h is very small."""

from __future__ import annotations

from typing import ClassVar

from govcheck.bounds.answer import Ref
from govcheck.bounds.expr import ONE, maximum, num
from govcheck_plugins.theorems._convergence import Condition, Inputs, NearInit


class Theorem24(NearInit):
    """If ``h <= sigma/(32 beta)`` and S reaches ``8|r|/(3 sigma)``, training is lazy.

    The paper speaks of gradient flow and small steps; as its condition implies that of the
    path-length theorem (``h <= 1/32``), step and factor are taken from there.
    """

    name: ClassVar[str] = "chizat2019.theorem_2_4"
    title: ClassVar[str] = "Lazy training"
    reference: ClassVar[Ref] = Ref(
        "Chizat, Oyallon, Bach 2019",
        "On lazy training in differentiable programming, Thm 2.4",
    )

    def condition(self, at: Inputs) -> Condition:
        sigma, L, rest = at.sigma, at.lipschitz, at.start
        radius = num("8/3") * rest / sigma
        eta = ONE / (at.beta**2 + L * rest)
        left = sigma - L * radius
        return Condition(
            maximum(32 * at.h * at.beta / sigma, radius / at.reach), ONE,
            "h <= sigma/(32 beta), and S contains the ball of radius 8|r|/(3 sigma)",
            radius, eta, ONE - eta * left**2,
        )
