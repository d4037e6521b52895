"""The curvature at which an optimiser stops being stable on a quadratic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch.optim import Optimizer


@dataclass(frozen=True)
class Threshold:
    """Where gradient descent on a quadratic begins to diverge.

    Args:
        value: the largest stable eigenvalue of the Hessian of the loss; None where none is known.
        step_size: the one in force.
        rule: the formula, or why there is none.
    """

    value: float | None
    step_size: float | None
    rule: str


def threshold(optimizer: Optimizer | None, step_size: float | None = None) -> Threshold:
    """The largest eigenvalue of the Hessian that the optimiser's step can stand.

    Plain descent: ``2/eta``; heavy ball: ``2(1 + m)/eta``; Nesterov: ``2(1 + m)/(eta(1 + 2m))``,
    each less the weight decay, which adds to every eigenvalue. With several groups the least is
    taken. For full batches: Cohen et al. (2021), Gradient Descent on Neural Networks Typically
    Occurs at the Edge of Stability, section 2 and appendix B. For mini-batches it is the threshold
    of the mean step.

    Args:
        optimizer: of torch; None if `step_size` is given.
        step_size: of plain gradient descent, in place of an optimiser.
    """
    if optimizer is None:
        if step_size is None:
            return Threshold(None, None, "neither an optimizer nor a step size was given")
        return Threshold(2 / step_size, step_size, "2/eta")
    if not isinstance(optimizer, torch.optim.SGD):
        return Threshold(None, None, f"{type(optimizer).__name__} rescales the gradient, so 2/eta "
                         "says nothing about the Hessian itself")
    found = [_group(g) for g in optimizer.param_groups]
    unknown = next((t for t in found if t.value is None), None)
    return unknown or min(found, key=lambda t: t.value if t.value is not None else 0.0)


def _group(group: dict[str, Any]) -> Threshold:
    eta, m = float(group["lr"]), float(group.get("momentum", 0))
    decay = float(group.get("weight_decay", 0))
    if group.get("maximize"):
        return Threshold(None, eta, "the optimizer ascends")
    if float(group.get("dampening", 0)) and m:
        return Threshold(None, eta, "no threshold is known for momentum with dampening")
    if eta <= 0:
        return Threshold(None, eta, "the step size is 0")
    if not m:
        value, rule = 2 / eta, "2/eta"
    elif group.get("nesterov"):
        value, rule = 2 * (1 + m) / (eta * (1 + 2 * m)), "2(1 + m)/(eta (1 + 2m))"
    else:
        value, rule = 2 * (1 + m) / eta, "2(1 + m)/eta"
    return Threshold(value - decay, eta, rule + (" - weight decay" if decay else ""))
