"""Singular values of the derivative of any layer or block in its input, over the whole batch."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from govcheck.errors import InputError, Problem
from govcheck.numeric.measure.record import Budget, Cost, Measurement, stopwatch
from govcheck.numeric.measure.spectra_cdf import Distribution, of_values
from govcheck.numeric.measure.spectra_exact import (
    EPS,
    Derivative,
    dense,
    dense_cost,
    floor_of,
    structured,
    structured_cost,
)
from govcheck.numeric.measure.spectra_inertia import counted, inertia_cost
from govcheck.numeric.measure.spectra_lanczos import Bidiagonal, bracket, combine, probe_error
from govcheck.numeric.measure.spectra_place import locate

Method = Literal["auto", "dense", "structured", "inertia", "lanczos"]

EXACT_SECONDS: Final = 20.0
"""``auto`` takes an exact method up to this time."""
MOST_STEPS: Final = 400
MOST_PROBES: Final = 16
FIRST_LOOK: Final = 40
EXTREMES: Final = 60


@dataclass(frozen=True, eq=False)
class LayerSpectrum:
    """The singular values of one derivative.

    Args:
        place: the layer or block.
        rows, columns: of the derivative of the whole batch.
        coupled: whether samples influence each other there.
        distribution: of all ``min(rows, columns)`` singular values.
        share: of singular values that are 0, or below the floor, with the distribution's error.
        largest, smallest: the extreme ones.
    """

    place: str
    rows: int
    columns: int
    coupled: bool
    distribution: Distribution
    share: Measurement
    largest: Measurement
    smallest: Measurement

    @property
    def measurements(self) -> list[Measurement]:
        """All three."""
        return [self.share, self.largest, self.smallest]

    def as_json(self) -> dict[str, Any]:
        """Plain values; the curve by its percentiles."""
        d = self.distribution
        return {
            "place": self.place, "rows": self.rows, "columns": self.columns,
            "coupled": self.coupled, "count": d.count, "method": self.share.method,
            "cdf_error": d.error, "width": d.width, "error_basis": d.basis,
            "certainty": d.certainty, "atoms": d.atoms.tolist(),
            "percentiles": [d.quantile(q / 100) for q in range(101)],
            "sigma_max": self.largest.as_json(), "sigma_min": self.smallest.as_json(),
            "zero": {k: v for k, v in self.share.as_json().items() if k != "arrays"},
        }


def spectrum_costs(d: Derivative, tolerance: float = 0.01) -> dict[str, Cost]:
    """What each method that can be used would take."""
    found = {"dense": dense_cost(d)}
    if d.apart:
        found["structured"] = structured_cost(d)
        found["inertia"] = inertia_cost(d)
    found["lanczos"] = _lanczos_cost(d, tolerance)
    return found


def derivative(network: nn.Module, node: str, x: Tensor) -> Derivative:
    """The derivative at a place, ready for products; arguments as in `layer_spectrum`."""
    if any(p.dtype != torch.float64 for p in network.parameters()):
        network = copy.deepcopy(network).double()
    return Derivative(locate(network, node, x))


def choose(d: Derivative, budget: Budget, tolerance: float = 0.01) -> tuple[str, Cost]:
    """What ``auto`` does, and its cost.

    Exact methods come first, as long as they fit into memory and take little time; without
    coupling the blocks of single samples give everything, with it they are not enough.
    """
    costs = spectrum_costs(d, tolerance)
    names = ["dense", "inertia"] if d.coupled else ["structured"]
    limit = min(budget.max_seconds, EXACT_SECONDS)
    fitting = [(costs[n].seconds, n) for n in names if n in costs
               and costs[n].bytes <= budget.max_bytes and costs[n].seconds <= limit]
    name = min(fitting)[1] if fitting else "lanczos"
    return name, costs[name]


def layer_spectrum(
    network: nn.Module,
    node: str,
    x: Tensor,
    *,
    method: Method = "auto",
    tolerance: float = 0.01,
    probes: int | None = None,
    steps: int | None = None,
    budget: Budget = Budget(),  # noqa: B008
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    progress: Callable[[str, Cost], None] = lambda name, cost: None,
) -> LayerSpectrum:
    """The singular values of the derivative of a layer's outputs in its inputs.

    Both are those of the whole batch, so that batch norm in train mode counts with all its
    coupling. Methods:

    - ``dense``: the matrix and its singular values.
    - ``structured``: one block for each sample, or less where all blocks are the same. With
      train-mode batch norm its statistics are held constant, and by Weyl's inequality the
      distribution is off by at most 2 sum(channels) over the number of singular values.
    - ``inertia``: exact counts below thresholds, batch norm included.
    - ``lanczos``: Golub-Kahan from random vectors, with brackets from moments.

    Args:
        network: a built network, or another module, in the mode it is meant in.
        node: see `govcheck.numeric.measure.spectra_place.locate`.
        x: the batch that the network gets.
        method: one of these, or ``auto``, see `choose`.
        tolerance: of the distribution, for ``inertia`` and ``lanczos``.
        probes: number of random vectors; enough for a third of the tolerance if omitted.
        steps: products with each; until the tolerance is met, at most 400, if omitted.
        budget: of memory and time.
        dtype: of products for ``lanczos``; everything else is float64.
        seed: of the random vectors.
        progress: called with the method and its cost before it runs.

    Raises:
        InputError: for an unknown place or method, one that does not apply, or one that does
            not fit into memory; the message names another.
    """
    if method not in get_args(Method):
        raise InputError(Problem("spectra-method", f"there is no method {method!r}", "--method",
                                 ", ".join(get_args(Method))))
    if not 0 < tolerance < 1:
        raise InputError(Problem("bad-option", "a tolerance is between 0 and 1", "--tolerance"))
    d = derivative(network, node, x)
    costs = spectrum_costs(d, tolerance)
    name = choose(d, budget, tolerance)[0] if method == "auto" else method
    if name not in costs:
        raise InputError(Problem("spectra-method", f"{name} does not apply to {node}: samples "
                                 "influence each other not only through batch norm", "--method",
                                 "dense or lanczos"))
    instead = {"dense": "use inertia or lanczos", "structured": "use lanczos",
               "inertia": "use lanczos", "lanczos": "use fewer samples"}
    budget.check(f"the spectrum of {node} ({d.rows} x {d.columns}) by {name}", costs[name],
                 instead[name])
    progress(name, costs[name])
    limit = _Limit(tolerance, probes, steps, time.monotonic() + budget.max_seconds, dtype, seed)
    with stopwatch() as clock:
        found = {"dense": _dense, "structured": _structured, "inertia": _inertia,
                 "lanczos": _lanczos}[name](d, limit)
    return _record(d, node, found, costs[name], clock.seconds, limit)


@dataclass(frozen=True)
class _Limit:
    tolerance: float
    probes: int | None
    steps: int | None
    until: float
    dtype: torch.dtype
    seed: int

    def late(self) -> bool:
        return time.monotonic() > self.until


@dataclass(frozen=True, eq=False)
class _Found:
    """Each extreme: value, error, side and method."""

    method: str
    distribution: Distribution
    largest: tuple[float, float, str]
    smallest: tuple[float, float, str]
    floor: float
    dtype: str = "float64"
    random: bool = False


def _dense(d: Derivative, limit: _Limit) -> _Found:
    values = dense(d)
    return _all(d, values, f"dense singular values, {d.count} products")


def _all(d: Derivative, values: Any, method: str) -> _Found:
    top = float(values.max(initial=0.0))
    floor = floor_of(top, max(d.rows, d.columns))
    curve = of_values(values, d.count, floor=floor, error=0.0, basis="rounding only",
                      certainty="exact")
    low = float(values.min(initial=math.inf))
    return _Found(method, curve, (top, floor, "both"), (low, floor, "both"), floor)


def _structured(d: Derivative, limit: _Limit) -> _Found:
    values, method = structured(d)
    if not d.coupled:
        return _all(d, values, method)
    k = d.rank
    top = float(values.max(initial=0.0))
    floor = floor_of(top, max(d.rows, d.columns))
    bar = min(1.0, k / d.count)
    curve = of_values(
        values, d.count, floor=floor, error=bar, certainty="proven",
        basis=f"Weyl: the statistics of batch norm have rank {k}, of {d.count}")
    run = _runs(d, 1, limit)[0]
    run.run(EXTREMES)
    largest, smallest = _ends(d, [run], limit)
    return _Found(f"{method}, batch norm's statistics held constant", curve, largest, smallest,
                  floor, random=True)


def _inertia(d: Derivative, limit: _Limit) -> _Found:
    c = counted(d, limit.tolerance, limit.late)
    (a, b), (e, f) = c.largest, c.smallest
    rounding = floor_of(b, max(d.inputs, d.outputs))
    largest = ((a + b) / 2, (b - a) / 2 + rounding, "both")
    # below the floor nothing is known but that it is below
    low = (0.0, c.floor) if e == 0 else ((e + f) / 2, (f - e) / 2 + rounding)
    method = f"exact counts by inertia at {c.thresholds} thresholds"
    return _Found(method, c.distribution, largest, (*low, "both"), c.floor)


def _sides(d: Derivative) -> tuple[bool, Tensor | None, int]:
    """Whether to start among rows, which entries of the start are free, and their number."""
    rows, columns = d.zeros()
    free_rows = d.rows - (0 if rows is None else int(rows.sum()))
    free_columns = d.columns - (0 if columns is None else int(columns.sum()))
    # on the smaller side there are fewer values that are 0 for no other reason
    if free_rows <= free_columns:
        return True, None if rows is None else ~rows, free_rows
    return False, None if columns is None else ~columns, free_columns


def _runs(d: Derivative, probes: int, limit: _Limit) -> list[Bidiagonal]:
    d.op.to(limit.dtype)
    by_rows, free, _ = _sides(d)
    shape = d.output if by_rows else d.input
    forward, backward = (d.op.jtu, d.op.jv) if by_rows else (d.op.jv, d.op.jtu)
    generator = torch.Generator().manual_seed(limit.seed)
    runs = []
    for _ in range(probes):
        start = torch.randn(shape, generator=generator, dtype=limit.dtype)
        runs.append(Bidiagonal(forward, backward, start if free is None else start * free))
    return runs


def _ends(d: Derivative, runs: list[Bidiagonal], limit: _Limit
          ) -> tuple[tuple[float, float, str], tuple[float, float, str]]:
    """The largest value, from below, and the smallest, from above."""
    rounding = 8 * torch.finfo(limit.dtype).eps
    top, residual = max(r.top() for r in runs)
    largest = (top, residual + rounding * top, "at least")
    if d.certain_zeros() or _sides(d)[2] < d.count:
        return largest, (0.0, 0.0, "both")
    return largest, (min(r.bottom() for r in runs), math.sqrt(rounding) * top, "at most")


def _probes(side: int, share: float, tolerance: float) -> int:
    wanted = math.ceil((probe_error(side, 1) * share / (tolerance / 3)) ** 2)
    return max(1, min(MOST_PROBES, wanted))


def _lanczos_cost(d: Derivative, tolerance: float) -> Cost:
    """From about 1.2/tolerance steps, and products in float32."""
    _, _, side = _sides(d)
    probes = _probes(side, side / d.count, tolerance)
    steps = min(MOST_STEPS, max(FIRST_LOOK, math.ceil(1.2 / tolerance)))
    return Cost(probes * steps * 1.5 * d.seconds,
                4 * (2 * probes * (d.rows + d.columns) + 8 * max(d.rows, d.columns)))


def _lanczos(d: Derivative, limit: _Limit) -> _Found:
    _, _, side = _sides(d)
    zeros = d.certain_zeros()
    if side == 0:
        return _all(d, np.zeros(1), "all rows are 0")
    probes = limit.probes or _probes(side, side / d.count, limit.tolerance)
    # from there on runs tell single values apart, of which there are no more to learn
    most = min(limit.steps or min(MOST_STEPS, max(FIRST_LOOK, side // 2)), side)
    runs = _runs(d, probes, limit)
    steps = most if limit.steps else min(FIRST_LOOK, most)
    rounding = 8 * torch.finfo(limit.dtype).eps

    def curve(of: list[Bidiagonal]) -> Distribution:
        return combine(
            [bracket(r) for r in of], side, d.count, zeros, tolerance=limit.tolerance,
            rounding=rounding * max(r.top()[0] for r in of), steps=steps, probes=probes)

    # more moments do not help against the fluctuation of the probes
    aim = max(limit.tolerance, 1.5 * probe_error(side, probes) * side / d.count)
    while True:
        # the first probe tells how many steps all need
        runs[0].run(steps)
        error = curve(runs[:1]).error
        if steps >= most or limit.late() or error <= aim:
            break
        # it falls about as one over the steps, at first less
        steps = min(most, steps + max(3, min(steps // 3, math.ceil(steps * (error / aim - 1)))))
    for r in runs[1:]:
        r.run(steps)
    found = curve(runs)
    largest, smallest = _ends(d, runs, limit)
    return _Found(f"Golub-Kahan, {probes} probes of {steps} steps", found, largest, smallest,
                  rounding * largest[0], dtype=str(limit.dtype)[6:], random=True)


def _record(
    d: Derivative, node: str, f: _Found, expected: Cost, seconds: float, limit: _Limit
) -> LayerSpectrum:
    common: dict[str, Any] = {
        "method": f.method, "expected": expected, "seconds": seconds, "dtype": f.dtype,
        "seed": limit.seed if f.random else None,
    }
    curve = f.distribution
    zero = float(curve.at(0.0))
    share = Measurement(
        "sigma_zero", node, zero, "share of singular values that are 0 or below the floor",
        error=max(curve.error, EPS), basis=curve.basis,
        label="estimate" if curve.certainty == "estimate" else "measured",
        arrays={"places": curve.places, "left": curve.left, "right": curve.right}, **common)

    def extreme(name: str, found: tuple[float, float, str], norm: str, floor: float
                ) -> Measurement:
        value, error, side = found
        basis = {"at least": "residual of the Ritz pair", "at most": "|J v| of a unit vector",
                 "both": "rounding, estimated"}[side]
        return Measurement(name, node, value, norm, error=error, basis=basis, floor=floor,
                           side=side, **common)  # type: ignore[arg-type]

    return LayerSpectrum(
        node, d.rows, d.columns, d.coupled, curve, share,
        extreme("sigma_max", f.largest, "operator norm", 0.0),
        extreme("sigma_min", f.smallest, "smallest singular value", f.floor))
