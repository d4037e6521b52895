"""Damped Gauss-Newton steps: quickly to where a certificate closes, in networks of any width.

A certificate speaks of gradient descent from the parameters in its file, however they were found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import linalg

from govcheck.certify.floats import Parameters
from govcheck.certify.prover import Aim, Measured, Plan, Prover


def gauss_newton(
    prover: Prover, theta: Parameters, steps: int, aim: Aim, step: float | None
) -> Iterator[tuple[int, Parameters, Measured, Plan | None]]:
    """As `Prover.train`, with steps ``J^T (J J^T + mu)^-1 r`` on the square cost.

    mu falls by 3 after a step that lowers the residual and rises by 4 where one would not, which
    is not taken. It ends early where no mu does.
    """
    theta = {name: w.copy() for name, w in theta.items()}
    run = prover.net.forward(theta)
    loss, damping = prover.loss(run), math.nan
    for t in range(steps + 1):
        at = prover.measure(theta, run)
        yield t, {n: w.copy() for n, w in theta.items()}, at, prover.plan(theta, at, aim, step)
        damping = 1e-2 * at.top if math.isnan(damping) else damping
        kernel, r = prover.net.gram(theta, run), prover.residual(run)
        while True:
            damped = kernel + max(damping, 1e-13 * at.top) * np.eye(len(kernel))
            seeds = linalg.lstsq(damped, r.ravel())[0]
            g = prover.net.gradient(theta, run, np.asarray(seeds.reshape(r.shape)))
            other = {name: w - g[name] for name, w in theta.items()}
            ahead = prover.net.forward(other)
            if prover.loss(ahead) < loss:
                break
            damping *= 4
            if not damping < 1e12 * at.top:
                return
        theta, run, loss, damping = other, ahead, prover.loss(ahead), damping / 3
