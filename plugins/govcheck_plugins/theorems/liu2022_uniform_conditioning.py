"""Theorem of Liu, Zhu and Belkin (2022): the PL condition on a ball of radius ``2 L_F|r|/mu``."""

from __future__ import annotations

from typing import ClassVar

from govcheck.bounds.answer import Ref
from govcheck.bounds.expr import ONE
from govcheck_plugins.theorems._convergence import Condition, Inputs, NearInit


class UniformlyConditioned(NearInit):
    """If ``lambda_min(J J^T) >= mu`` within ``2 L_F|r|/mu``: a factor of ``1 - eta mu``."""

    name: ClassVar[str] = "liu2022.uniformly_conditioned"
    title: ClassVar[str] = "Uniform conditioning (PL*)"
    reference: ClassVar[Ref] = Ref(
        "Liu, Zhu, Belkin 2022",
        "Loss landscapes and optimization in over-parameterized systems",
    )

    def condition(self, at: Inputs) -> Condition:
        mu = at.sigma_all**2
        radius = 2 * at.beta * at.start / mu
        eta = ONE / (at.beta**2 + at.lipschitz * at.start)
        return Condition(
            radius, at.reach, "S contains the ball of radius 2 L_F|r|/mu",
            radius, eta, ONE - eta * mu,
        )
