"""Extreme eigenvalues and spectral density of the Hessian of the full-batch loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from govcheck.numeric.measure.lanczos import Density, basis_bytes, density, extremes
from govcheck.numeric.measure.products import Products
from govcheck.numeric.measure.record import Budget, Cost, Measurement, stopwatch
from govcheck.numeric.measure.subject import Subject

PRODUCT = 2.5
"""A product with the Hessian takes about this many gradients."""

ROUGH = 3e-6
"""Residuals in float32 do not fall much further, relatively."""
ROUGH_FROM = 10**7
"""So many parameters times samples are worth a beginning in float32."""

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
    products: Products | None = None,
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
        products: with this subject's Hessian, if there are any already.

    Raises:
        InputError: if there is no loss, or the basis does not fit into memory.
    """
    kept = kept_within(s, budget)
    cost = extremes_cost(s, min(max_steps, 40), kept)
    budget.check("the Lanczos basis for the Hessian", cost, "use --dtype float32")
    with stopwatch(s.device) as clock:
        start, quick = _rough(s, tolerance, ends, max_steps, budget, kept, seed)
        found = extremes(
            (products or Products(s)).hv, s.theta, tolerance=tolerance, ends=ends,
            max_steps=max_steps - quick, max_seconds=budget.max_seconds - clock.seconds,
            keep=kept, seed=seed, start=start,
        )
    top = max(abs(found.largest.value), abs(found.smallest.value))
    floor = s.unit * math.sqrt(max(s.parameters, 1)) * top
    stop = "" if found.converged else "; stopped early"
    many = f"{found.steps} Hessian products"
    many = f"{quick} Hessian products in float32 and {found.steps} in float64" if quick else many
    method = f"Lanczos, {many}{stop}"
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


def _rough(
    s: Subject, tolerance: float, ends: tuple[str, ...], max_steps: int, budget: Budget, kept: int,
    seed: int,
) -> tuple[Tensor | None, int]:
    """The sum of the Ritz vectors wanted, from float32 at half the cost, and the products.

    A Krylov space that begins there has them after a few products, whatever float32 has lost.
    """
    if s.dtype != torch.float64 or s.parameters * s.samples < ROUGH_FROM or max_steps < 12:
        return None, 0
    rough = s.in_dtype(torch.float32)
    products = Products(rough)

    def apply(v: Tensor) -> Tensor:
        w = products.hv(v)
        if not bool(w.isfinite().all()):
            raise OverflowError
        return w

    try:
        found = extremes(
            apply, rough.theta, tolerance=max(tolerance, ROUGH), ends=ends,
            max_steps=max_steps - 6, max_seconds=budget.max_seconds / 2, keep=kept, seed=seed)
    except OverflowError:
        return None, 0
    pairs = {"largest": found.largest, "smallest": found.smallest}
    return torch.stack([pairs[end].vector.double() for end in ends]).sum(0), found.steps


def hessian_density(
    s: Subject,
    *,
    probes: int = 4,
    steps: int = 60,
    budget: Budget = Budget(),  # noqa: B008
    seed: int = 0,
    products: Products | None = None,
) -> tuple[Measurement, Density]:
    """The distribution of the Hessian's eigenvalues, with the share of negative ones.

    Args:
        s: the subject.
        probes: number of random vectors.
        steps: products for each.
        budget: time and memory.
        seed: of the probes.
        products: with this subject's Hessian, if there are any already.
    """
    cost = Cost(s.gradient_seconds * (2 + PRODUCT * probes * steps),
                8 * s.parameters * torch.finfo(s.dtype).bits // 8)
    budget.check("the density of the Hessian", cost, "use --dtype float32")
    products = products or Products(s)
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
