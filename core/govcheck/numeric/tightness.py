"""How tight bounds are: the bound over the largest value that a search over the set finds."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import torch
from flint import arb
from torch import Tensor, nn

from govcheck.analysis import Analysis
from govcheck.bounds.answer import ComposedBound, Sense, sense_of
from govcheck.errors import InputError, Problem
from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.build import build
from govcheck.numeric.derivatives import Function
from govcheck.numeric.initial import whole_batch
from govcheck.numeric.network import weights_of
from govcheck.plugin.cost import Cost
from govcheck.report.numbers import outward

NETWORK: Final = ("out", "J", "D", "xx", "xt", "tt", "sigma_J", "sigma_D")
LOSS: Final = {"alpha": "out", "lipschitz": "D", "beta": "tt"}
"""Constants of the loss, as those of the map from the parameters to one number."""

TOLERANCE: Final = 1e-9
"""What rounding in float64 may add to a value, relative to it."""

LARGEST: Final = 50_000_000
"""Entries of a derivative of all outputs in all parameters or inputs, at most."""

STARTS: Final = 64
STEPS: Final = 40


@dataclass(frozen=True)
class Tightness:
    """One bound beside the most extreme value found; `found` is measured, not proved.

    Args:
        quantity: its name.
        sense: of the bound.
        bound: the end of the ball that is proved, rounded outward.
        found: the largest (for lower bounds smallest) value found.
        ratio: how many times apart they are, at least 1 where the bound holds; None where
            one is 0.
        holds: whether the value is on the right side of the bound, up to rounding.
        searches: number of searches made.
    """

    quantity: str
    sense: Sense
    bound: str
    found: float
    ratio: float | None
    holds: bool
    searches: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "quantity": self.quantity, "sense": self.sense, "bound": self.bound,
            "measured": self.found, "ratio": self.ratio, "holds": self.holds,
            "searches": self.searches,
        }


def tightness(analysis: Analysis, *, seed: int = 0, seconds: float = 10.0) -> Iterator[Tightness]:
    """Search the parameter set, at the data, for values beyond each bound that has a number.

    Quantities share the time equally; each gets one search at least, so that a large network
    takes longer. As many searches as the time allows are made, so that a faster machine may
    find more; the k-th search is the same everywhere.

    Args:
        analysis: of a network with data, on a set with given radii.
        seed: of the searches.
        seconds: for all of them together.

    Raises:
        InputError: if the network cannot be searched; the text says why.
    """
    weights, jobs = _jobs(analysis)
    generator = torch.Generator()
    for name, quantity, f, x, bound, number in jobs:
        inputs = Inputs(tuple(x.shape), max(float(torch.linalg.vector_norm(x)), 1e-300))
        lower = bound.sense == "lower"
        end = time.monotonic() + seconds / len(jobs)
        best = math.inf if lower else -math.inf
        done = 0
        while done < STARTS and (not done or time.monotonic() < end):
            here = seed + 1000 * done
            at = (weights.draw(f, generator.manual_seed(here)), x)
            if not done and weights.centre is not None:
                at = (weights.centre, x)
            value = attack(f, quantity, inputs, weights, starts=1, steps=STEPS, seed=here, at=at,
                           fixed_inputs=True).value
            done += 1
            if math.isfinite(value):
                best = min(best, value) if lower else max(best, value)
        yield compare(name, bound.sense, number, best, done)


def compare(
    quantity: str, sense: Sense, number: arb, found: float, searches: int
) -> Tightness:
    """Hold what was found against a bound."""
    end = number.upper() if sense == "upper" else number.lower()
    close = arb(found)
    slack = abs(close) * TOLERANCE
    beyond = close - slack > end if sense == "upper" else close + slack < end
    parts = (float(end), found) if sense == "upper" else (found, float(end))
    usable = all(math.isfinite(p) for p in parts) and parts[1] > 0
    return Tightness(quantity, sense, outward(number, sense), found,
                     parts[0] / parts[1] if usable else None, not beyond, searches)


class _Loss(nn.Module):
    """The loss as a map to one output; its parameters are those of the network, in order."""

    def __init__(self, network: nn.Module, cost: Cost, y: Tensor) -> None:
        super().__init__()
        self.network = network
        self.cost = cost
        self.y = y

    def forward(self, x: Tensor) -> Tensor:
        out = self.network(x)
        return self.cost.loss(out.reshape(out.shape[0], -1), self.y).reshape(1, 1)


Job = tuple[str, str, Function, Tensor, ComposedBound, arb]


def _jobs(analysis: Analysis) -> tuple[Weights, list[Job]]:
    """Where and what to search for: name, quantity, map, batch, bound and its number."""
    arch = analysis.architecture
    if analysis.data is None:
        raise InputError(Problem("no-data", "a search needs data, and there is none", arch.file,
                                 "add `data:`, and do not use --no-data"))
    network = build(arch)
    f, x = Function(network), torch.as_tensor(analysis.data.dataset.x)
    try:
        weights = weights_of(analysis, f)
    except ValueError as error:
        raise InputError(Problem("no-search", f"the set cannot be searched: {error}",
                                 arch.file)) from None
    with torch.no_grad():
        outputs = f(f.theta, x).numel()
    entries = outputs * max(f.size, x.numel())
    if entries > LARGEST:
        raise InputError(Problem(
            "too-large", f"the derivative of {outputs} outputs has {entries} entries, above the "
            f"limit of {LARGEST} for searches", arch.file, "choose fewer samples or a smaller net"
        ))
    jobs: list[Job] = []
    maps = {q: (q, f) for q in NETWORK}
    if arch.cost is not None:
        y = whole_batch(analysis, network).y  # type: ignore[arg-type]
        loss = Function(_Loss(network, arch.cost, y))
        maps |= {name: (q, loss) for name, q in LOSS.items()}
    for name, (quantity, module) in maps.items():
        bound = analysis.bounds.get(name)
        if bound is None:
            continue
        number = analysis.value(bound)
        asked = sense_of(name) == "upper" if name in NETWORK else True
        if isinstance(number, arb) and number.is_finite() and (asked or number > 0):
            jobs.append((name, quantity, module, x, bound, number))
    if not jobs:
        raise InputError(Problem("no-search", "no bound has a number to hold a search against",
                                 arch.file, "give the symbols values"))
    return weights, jobs


__all__ = ["Tightness", "compare", "tightness"]
