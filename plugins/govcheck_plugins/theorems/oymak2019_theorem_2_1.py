"""Theorem 2.1 of Oymak and Soltanolkotabi (2019): descent within ``4|r|/alpha`` of the start."""

from __future__ import annotations

from typing import ClassVar

from govcheck.bounds.answer import Ref
from govcheck.bounds.expr import ONE, maximum
from govcheck_plugins.theorems._convergence import Condition, Inputs, NearInit


class Theorem21(NearInit):
    """If ``alpha <= sigma(J), |J| <= beta`` within ``4|r|/alpha``: ``1 - eta alpha^2/2``."""

    name: ClassVar[str] = "oymak2019.theorem_2_1"
    title: ClassVar[str] = "Overparameterised nonlinear learning"
    reference: ClassVar[Ref] = Ref(
        "Oymak, Soltanolkotabi 2019",
        "Overparameterized Nonlinear Learning, Thm 2.1",
    )

    def condition(self, at: Inputs) -> Condition:
        alpha = at.sigma_all
        radius = 4 * at.start / alpha
        # 1/min(1, alpha^2/(L|r|)), also where L is 0
        slow = maximum(ONE, at.lipschitz * at.start / alpha**2)
        eta = ONE / (2 * at.beta**2 * slow)
        return Condition(
            radius, at.reach, "S contains the ball of radius 4|r|/alpha",
            radius, eta, ONE - eta * alpha**2 / 2,
        )
