"""The most extreme value of a quantity of a whole network on its data, found by search."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from flint import arb
from torch import Tensor

from govcheck.analysis import Analysis
from govcheck.bounds.answer import sense_of
from govcheck.bounds.domain import AroundInit, Ball, Everything
from govcheck.bounds.expr import Expr
from govcheck.graph.weights import initial_weights, placed_layers, placed_name
from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.build import build
from govcheck.numeric.derivatives import Function


def extreme(
    analysis: Analysis,
    quantity: str,
    *,
    starts: int = 4,
    steps: int = 40,
    seed: int = 0,
    entries: Mapping[str, float] | None = None,
) -> float:
    """The value of a quantity that is farthest out, over the parameter set, at the data.

    Args:
        analysis: of a network with data, on a set as in `weights_of`.
        quantity: one of `govcheck.bounds.answer.CARRIED`.
        starts: number of searches.
        steps: of each.
        seed: of the starts.
        entries: largest absolute entry of the parameters of a layer, by its name.

    Raises:
        ValueError: without data, or on another parameter set.
    """
    if analysis.data is None:
        raise ValueError("the network has no data")
    f = Function(build(analysis.architecture))
    x = torch.as_tensor(analysis.data.dataset.x)
    inputs = Inputs(tuple(x.shape), max(float(torch.linalg.vector_norm(x)), 1e-300))
    weights = weights_of(analysis, f, entries)
    generator = torch.Generator().manual_seed(seed)
    found = [
        attack(f, quantity, inputs, weights, starts=1, steps=steps, seed=seed + i,
               at=(weights.draw(f, generator), x), fixed_inputs=True).value
        for i in range(starts)
    ]
    return min(found) if sense_of(quantity) == "lower" else max(found)


def weights_of(
    analysis: Analysis, f: Function, entries: Mapping[str, float] | None = None
) -> Weights:
    """The parameter set of an analysis, to search in.

    Args:
        analysis: on all parameters, on a ball around 0, or on one around initial weights.
        f: the network.
        entries: largest absolute entry of the parameters of a layer, by its name.

    Raises:
        ValueError: on another parameter set, or where a radius has no value.
    """
    most = dict(entries or {})
    match analysis.domain:
        case Everything():
            return Weights(entries=most)
        case Ball(radius, radii) | AroundInit(radius, radii):
            own = {node: _number(analysis, r) for node, r in radii.items()}
            centre = None if isinstance(analysis.domain, Ball) else _initial(analysis, f)
            return Weights(_number(analysis, radius), centre, own, entries=most)
    raise ValueError(f"no search on {analysis.domain.describe()}")


def _initial(analysis: Analysis, f: Function) -> Tensor:
    """The weights that the architecture file asks for."""
    arch = analysis.architecture
    placed = placed_layers(arch.body, analysis.shapes, analysis.env)
    given = initial_weights(placed, analysis.env, arch.init)
    theta = f.theta.clone()
    for name, place in f.slices.items():
        theta[place] = torch.as_tensor(given[placed_name(name)]).reshape(-1)
    return theta


def _number(analysis: Analysis, formula: Expr) -> float:
    value = analysis.value(formula)
    if not isinstance(value, arb):
        raise ValueError(f"the radius {formula!r} has no value")
    return float(value.mid())
