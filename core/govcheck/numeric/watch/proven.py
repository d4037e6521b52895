"""Proven bounds for the network and the batch that are watched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Union

import numpy as np
import torch
from torch import Tensor

from govcheck.errors import InputError, Problem

if TYPE_CHECKING:
    from govcheck.analysis import Analysis

Bounds = Union["Analysis", Mapping[str, float]]
CHECKED: Final = {
    "beta": "lambda_max of the Hessian",
    "lipschitz": "norm of the gradient",
    "alpha": "loss",
    "D": "largest singular value of the derivative in the parameters",
}
SAME: Final = 1e-3


def upper_bounds(
    bounds: Bounds | None, inputs: Tensor | None, targets: Tensor | None
) -> tuple[dict[str, float], str]:
    """Upper bounds by quantity, each rounded up, and where they come from.

    Args:
        bounds: an analysis, whose formulas are evaluated with the norms of the probe; or numbers
            by name, for which the caller answers.
        inputs, targets: the probe.

    Raises:
        InputError: if the analysis speaks of a set that weights may leave, or there is no probe
            to evaluate it with.
    """
    if bounds is None:
        return {}, "no bounds were given"
    if isinstance(bounds, Mapping):
        unknown = [name for name in bounds if name not in CHECKED]
        if unknown:
            raise _refused(f"there is no measurement for {', '.join(unknown)}",
                           f"bounds that can be checked: {', '.join(CHECKED)}")
        return dict(bounds), "bounds given by name"
    return _evaluated(bounds, inputs, targets), f"proved for {bounds.architecture.name}, " \
        "evaluated with the norms of the probe"


def _evaluated(
    a: Analysis, inputs: Tensor | None, targets: Tensor | None
) -> dict[str, float]:
    from flint import arb

    from govcheck.analysis import Data, data_values
    from govcheck.certify.data_facts import data_facts
    from govcheck.certify.matrices import frobenius
    from govcheck.plugin.data import Dataset

    if a.architecture.domain.kind != "everything":
        raise _refused(
            f"the bounds of the analysis hold for {a.domain.describe()}, which training may leave",
            "leave out domain in the architecture file, or give numbers by name")
    if inputs is None:
        raise _refused("there is no batch to evaluate the bounds with", "give probe=(x, y)")
    x = inputs.detach().double().cpu().numpy()
    y = np.zeros(len(x)) if targets is None else targets.detach().cpu().numpy()
    classification = a.architecture.cost is not None and a.architecture.cost.classification
    norm = arb(0) if classification else frobenius(y.astype(np.float64).reshape(len(x), -1))
    data = Data(Dataset(x, y, "probe", ""), data_facts(x), norm, "targets of the probe")
    on_probe = replace(a, env=a.env | data_values(data), _memo={}, _kept={})
    found = {}
    for name in CHECKED:
        if name in a.bounds:
            value = on_probe.value(a.bounds[name])
            if isinstance(value, arb) and value.is_finite():
                found[name] = math.nextafter(float(value.upper()), math.inf)
    return found


def same_loss(a: Analysis, outputs: Tensor, targets: Tensor, loss: float) -> None:
    """Make sure that the loss that is trained is the cost that the bounds speak of.

    Raises:
        InputError: if the two numbers differ.
    """
    cost = a.architecture.cost
    if cost is None:
        return
    with torch.no_grad():
        meant = float(cost.loss(outputs.detach(), targets))
    if not math.isclose(meant, loss, rel_tol=SAME, abs_tol=SAME * SAME):
        raise _refused(
            f"the loss on the probe is {loss:.6g}, but the cost {cost.name} of the architecture is "
            f"{meant:.6g} there: bounds of one say nothing about the other",
            "train with the same cost, with its factor, such as 1/N")


def _refused(what: str, hint: str) -> InputError:
    return InputError(Problem("watch-bounds", what, "bounds", hint))
