"""Extreme eigenvalues and spectral density of the Hessian of the full-batch loss."""

from __future__ import annotations

import math

import torch

from govcheck.numeric.measure.lanczos import Density, basis_bytes, density, extremes
from govcheck.numeric.measure.products import Products
from govcheck.numeric.measure.record import Budget, Cost, Measurement, stopwatch
from govcheck.numeric.measure.subject import Subject

PRODUCT = 2.5
"""A product with the Hessian takes about this many gradients."""


LEAST_KEPT, MOST_KEPT = 8, 40
"""Basis vectors between restarts: fewer take less memory and more products."""


def extremes_cost(s: Subject, steps: int, kept: int = MOST_KEPT) -> Cost:
    """What `hessian_extremes` takes at most, with so many basis vectors."""
    return Cost(
        s.gradient_seconds * (2 + PRODUCT * steps), basis_bytes(s.parameters, s.dtype, kept)
    )


def kept_within(s: Subject, budget: Budget) -> int:
    """How many basis vectors fit into memory, within reason."""
    one = max(1, s.parameters * torch.finfo(s.dtype).bits // 8)
    return max(LEAST_KEPT, min(MOST_KEPT, budget.max_bytes // one - 4))


def hessian_extremes(
    s: Subject,
    *,
    tolerance: float = 1e-5,
    ends: tuple[str, ...] = ("largest", "smallest"),
    max_steps: int = 300,
    budget: Budget = Budget(),  # noqa: B008
    seed: int = 0,
) -> list[Measurement]:
    """``lambda_max``, ``lambda_min`` and ``|H|`` of the Hessian in the parameters.

    The Ritz values are Rayleigh quotients, so that the true extremes are at least as far
    out, and an eigenvalue lies within the residual, which is the error.

    Args:
        s: the subject.
        tolerance: of the residual, relative to ``|H|``.
        ends: which ends must reach it.
        max_steps: largest number of products.
        budget: time and memory.
        seed: of the start.

    Raises:
        InputError: if there is no loss, or the basis does not fit into memory.
    """
    kept = kept_within(s, budget)
    cost = extremes_cost(s, min(max_steps, 40), kept)
    budget.check("the Lanczos basis for the Hessian", cost, "use --dtype float32")
    products = Products(s)
    with stopwatch(s.device) as clock:
        found = extremes(
            products.hv, s.theta, tolerance=tolerance, ends=ends, max_steps=max_steps,
            max_seconds=budget.max_seconds, keep=kept, seed=seed,
        )
    top = max(abs(found.largest.value), abs(found.smallest.value))
    floor = s.unit * math.sqrt(max(s.parameters, 1)) * top
    stop = "" if found.converged else "; stopped early"
    method = f"Lanczos, {found.steps} Hessian products{stop}"
    basis = "residual of the Ritz pair, plus floor"
    outer = found.largest if found.largest.value >= -found.smallest.value else found.smallest
    rows = [
        ("lambda_max", found.largest.value, found.largest.residual, "at least"),
        ("lambda_min", found.smallest.value, found.smallest.residual, "at most"),
        ("beta", abs(outer.value), outer.residual, "at least"),
    ]
    return [
        Measurement(
            quantity, "network", value, "largest eigenvalue in absolute value"
            if quantity == "beta" else "eigenvalue", method, error + floor, basis,
            side=side,  # type: ignore[arg-type]
            floor=floor, expected=cost, seconds=clock.seconds, dtype=str(s.dtype)[6:], seed=seed,
        )
        for quantity, value, error, side in rows
    ]


def hessian_density(
    s: Subject,
    *,
    probes: int = 4,
    steps: int = 60,
    budget: Budget = Budget(),  # noqa: B008
    seed: int = 0,
) -> tuple[Measurement, Density]:
    """The distribution of the Hessian's eigenvalues, with the share of negative ones.

    Args:
        s: the subject.
        probes: number of random vectors.
        steps: products for each.
        budget: time and memory.
        seed: of the probes.
    """
    cost = Cost(s.gradient_seconds * (2 + PRODUCT * probes * steps),
                8 * s.parameters * torch.finfo(s.dtype).bits // 8)
    budget.check("the density of the Hessian", cost, "use --dtype float32")
    products = Products(s)
    with stopwatch(s.device) as clock:
        d = density(products.hv, s.theta, probes=probes, steps=steps,
                    max_seconds=budget.max_seconds, seed=seed)
    measured = Measurement(
        "hessian_negative", "network", d.below(-d.resolution), "share of eigenvalues below "
        f"-{d.resolution:.2g}", f"stochastic Lanczos quadrature, {d.probes} probes of {d.steps} "
        "steps", 2 * d.error, "twice the standard error over the probes, at its worst place",
        expected=cost, seconds=clock.seconds, dtype=str(s.dtype)[6:], seed=seed,
        label="estimate", arrays={"nodes": d.nodes, "weights": d.weights},
    )
    return measured, d
