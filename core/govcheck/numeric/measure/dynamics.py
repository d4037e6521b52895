"""One step of gradient descent: what the outputs do, and how much the loss falls."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from govcheck.numeric.measure.products import Products
from govcheck.numeric.measure.record import Cost, Measurement, stopwatch
from govcheck.numeric.measure.scalars import ROUNDING, rounding
from govcheck.numeric.measure.subject import Subject


@dataclass(frozen=True, eq=False)
class Step:
    """One step of gradient descent from the subject's parameters.

    Args:
        size: the step size eta.
        theta: the parameters after it.
        remainder: ``I_2`` in ``u(k+1) = u(k) - eta G grad + I_2`` with G the Gram matrix of
            all parameters and grad the gradient of the cost in the outputs, flat. For half
            the summed square error this is ``y - u(k+1) = (1 - eta G)(y - u(k)) - I_2``.
        loss: after the step.
    """

    size: float
    theta: Tensor
    remainder: Tensor
    loss: float


def step(s: Subject, size: float, products: Products | None = None) -> Step:
    """Take a step; the subject stays where it is."""
    p = products or Products(s)
    outputs = s.outputs.detach().clone().requires_grad_()
    (g,) = torch.autograd.grad(s.cost(outputs), outputs)
    after = s.theta - size * p.gradient
    with torch.no_grad():
        moved = s(after)
        # J J^T grad, as the gradient of the loss is J^T grad
        first = p.jv(p.jtu(g.reshape(-1)))
        remainder = (moved - s.outputs).reshape(-1) + size * first
        loss = float(s.cost(moved))
    return Step(size, after, remainder, loss)


def dynamics(
    s: Subject, size: float, products: Products | None = None
) -> list[Measurement]:
    """Norm, and order in eta, of the remainder of the linearised dynamics.

    Args:
        s: the subject.
        size: the step size.
        products: of the subject, if there are any already.

    Returns:
        ``I_2``, and ``I_2_order`` (2 where the network is smooth) if it stands out from
        rounding.
    """
    p = products or Products(s)
    with stopwatch(s.device) as clock:
        whole, half = step(s, size, p), step(s, size / 2, p)
    norm, smaller = (float(torch.linalg.vector_norm(x.remainder)) for x in (whole, half))
    floor = rounding(s, float(torch.linalg.vector_norm(s.outputs)))
    cost = Cost(12 * s.gradient_seconds)
    made = [
        Measurement("I_2", "network", norm, f"Euclidean norm, step {size:.3g}",
                    "outputs after the step minus the linear prediction", floor, ROUNDING,
                    floor=floor, expected=cost, seconds=clock.seconds, dtype=str(s.dtype)[6:])
    ]
    if smaller > 2 * floor:
        made.append(
            Measurement("I_2_order", "network", math.log2(norm / smaller),
                        "log2 |I_2(eta)| / |I_2(eta/2)|", f"steps {size:.3g} and {size / 2:.3g}",
                        4 * floor / smaller, ROUNDING, expected=cost, dtype=str(s.dtype)[6:])
        )
    return made


def rate(
    s: Subject, size: float, products: Products | None = None
) -> tuple[Measurement, Step] | None:
    """The factor by which one step multiplies the loss, its infimum taken as 0.

    Returns:
        The measurement and the step; None where the loss is 0 already.
    """
    before = float(s.cost(s.outputs))
    if before <= 0:
        return None
    with stopwatch(s.device) as clock:
        whole = step(s, size, products)
    factor = whole.loss / before
    error = 2 * rounding(s, max(factor, 1.0))
    return Measurement(
        "rate", "network", factor, "loss after over loss before", f"one step of {size:.6g}",
        error, ROUNDING, expected=Cost(6 * s.gradient_seconds), seconds=clock.seconds,
        dtype=str(s.dtype)[6:],
    ), whole
