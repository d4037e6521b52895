"""The most extreme value of a quantity of a whole network on its data, found by search."""

from __future__ import annotations

import torch
from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import sense_of
from govcheck.bounds.domain import Ball, Everything
from govcheck.bounds.expr import Expr
from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.build import build
from govcheck.numeric.derivatives import Function


def extreme(
    analysis: Analysis, quantity: str, *, starts: int = 4, steps: int = 40, seed: int = 0
) -> float:
    """The value of a quantity that is farthest out, over the parameter set, at the data.

    Args:
        analysis: of a network with data, on all parameters or on a ball around 0.
        quantity: one of `govcheck.bounds.answer.CARRIED`.
        starts: number of searches.
        steps: of each.
        seed: of the starts.

    Raises:
        ValueError: without data, or on another parameter set.
    """
    if analysis.data is None:
        raise ValueError("the network has no data")
    f = Function(build(analysis.architecture))
    x = torch.as_tensor(analysis.data.dataset.x)
    inputs = Inputs(tuple(x.shape), max(float(torch.linalg.vector_norm(x)), 1e-300))
    weights = _weights(analysis)
    generator = torch.Generator().manual_seed(seed)
    found = [
        attack(f, quantity, inputs, weights, starts=1, steps=steps, seed=seed + i,
               at=(weights.draw(f, generator), x), fixed_inputs=True).value
        for i in range(starts)
    ]
    return min(found) if sense_of(quantity) == "lower" else max(found)


def _weights(analysis: Analysis) -> Weights:
    match analysis.domain:
        case Everything():
            return Weights()
        case Ball(radius, radii):
            own = {node: _number(analysis, r) for node, r in radii.items()}
            return Weights(_number(analysis, radius), radii=own)
    raise ValueError(f"no search on {analysis.domain.describe()}")


def _number(analysis: Analysis, formula: Expr) -> float:
    value = analysis.value(formula)
    if not isinstance(value, arb):
        raise ValueError(f"the radius {formula!r} has no value")
    return float(value.mid())
