"""All measurements of a network, planned, run within a budget, and put beside the bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import torch
from flint import arb

from govcheck.errors import InputError, Problem
from govcheck.numeric.measure.dynamics import dynamics, rate
from govcheck.numeric.measure.gram import Gram, gram_cost, grams, spectrum
from govcheck.numeric.measure.hessian import (
    extremes_cost,
    hessian_density,
    hessian_extremes,
    kept_within,
)
from govcheck.numeric.measure.jacobian import (
    input_jacobian,
    jacobian_cost,
    second_cost,
    second_derivatives,
)
from govcheck.numeric.measure.lanczos import basis_bytes, extremes
from govcheck.numeric.measure.local import layer_norms, layer_rows, local_cost
from govcheck.numeric.measure.products import Products
from govcheck.numeric.measure.record import Budget, Cost, Measurement, size, stopwatch
from govcheck.numeric.measure.scalars import (
    activation_norms,
    drift,
    loss_numbers,
    output_norms,
    rounding,
)
from govcheck.numeric.measure.sets import Proven
from govcheck.numeric.measure.subject import Subject, copies
from govcheck.numeric.measure.table import Row, rows

GROUPS: Final[dict[str, str]] = {
    "outputs": "norms of the outputs: out, out_spec, out_inj, out_max",
    "loss": "loss, gradient norms, PL ratio, slope and curvature of the cost",
    "layers": "norms of what layers put out, drift of weights and factors from the start",
    "local": "derivative of each layer's output in its own input: J of single layers",
    "jacobian": "derivative of the outputs in the batch: J, sigma_J, J_rows",
    "gram": "derivative in the parameters: D, sigma_D, D_rows; Gram matrix of each parameter",
    "hessian": "extreme eigenvalues of the Hessian: beta, eta",
    "dynamics": "one gradient step: its factor on the loss, remainder of the linear dynamics",
    "second": "second derivatives by ascent: xx, xt, tt",
    "density": "spectral density of the Hessian",
}
NEEDS_LOSS: Final = ("loss", "hessian", "dynamics", "density")
SHARE: Final = {"hessian": 0.4, "second": 0.25, "density": 0.2, "gram": 0.15, "jacobian": 0.15,
                "local": 0.1}
"""Shares of the time limit for what can stop at any time."""

BLOCK_ROWS: Final = 1000
"""Above this many rows only the whole Gram matrix is taken apart into eigenvalues."""


@dataclass(frozen=True)
class Plan:
    """What will be measured, and what each part is expected to take."""

    parts: tuple[tuple[str, Cost], ...]

    @property
    def total(self) -> Cost:
        """All parts one after the other."""
        total = Cost()
        for _, cost in self.parts:
            total = total + cost
        return total


@dataclass(eq=False)
class Result:
    """What was measured.

    Args:
        proven: the bounds and their set.
        plan: what was foreseen.
        measured: every measurement.
        rows: those of the whole network beside a bound.
        layers: those of single layers beside a bound.
        notes: what could not be measured or compared, and why.
    """

    proven: Proven
    plan: Plan
    measured: list[Measurement] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    layers: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def alarms(self) -> list[Row]:
        """Rows in which a measurement contradicts a proven bound."""
        return [r for r in (*self.rows, *self.layers) if r.status == "alarm"]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        compared = {id(r.measured) for r in (*self.rows, *self.layers)}
        return {
            "set": self.proven.words,
            "plan": [
                {"part": name, "seconds": float(f"{c.seconds:.3g}"), "bytes": c.bytes}
                for name, c in self.plan.parts
            ],
            "rows": [r.as_json() for r in self.rows],
            "layers": [r.as_json() for r in self.layers],
            "other": [m.as_json() for m in self.measured if id(m) not in compared],
            "notes": self.notes,
            "alarms": [r.name for r in self.alarms],
        }

    def _repr_html_(self) -> str:
        from govcheck.report.jupyter import result_html

        return result_html(self)

    def _repr_latex_(self) -> str:
        from govcheck.report.jupyter import result_latex

        return result_latex(self)

    def _repr_svg_(self) -> str | None:
        from govcheck.report.jupyter import result_svg

        return result_svg(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        from govcheck.report.jupyter import result_text

        printer.text(result_text(self))


def chosen(names: Sequence[str] | None, s: Subject) -> list[str]:
    """The groups to measure, in order.

    Raises:
        InputError: for a group that does not exist, or needs a loss where there is none.
    """
    if names is None:
        return [g for g in GROUPS if s.has_loss or g not in NEEDS_LOSS]
    problems = [
        Problem("unknown-quantity", f"there is no group of quantities {n!r}", "--quantities",
                ", ".join(GROUPS))
        for n in names if n not in GROUPS
    ]
    problems += [
        Problem("no-loss", f"{n} needs a loss, and the network has no cost", "--quantities",
                "add `cost:` to the file")
        for n in names if n in NEEDS_LOSS and not s.has_loss
    ]
    if problems:
        raise InputError(problems)
    return [g for g in GROUPS if g in names]


def plan(s: Subject, groups: Sequence[str], budget: Budget) -> Plan:
    """The cost of each group, before anything runs."""
    # a forward pass tells how fast this network is
    assert s.outputs.shape[0] == s.samples
    g = s.gradient_seconds
    item = torch.finfo(s.dtype).bits // 8
    costs = {
        "outputs": Cost(g), "loss": Cost(3 * g), "layers": Cost(g),
        "local": local_cost(s, lambda node: True), "jacobian": jacobian_cost(s),
        "gram": gram_cost(s, len(s.slices) if s.rows <= BLOCK_ROWS else 0),
        "hessian": extremes_cost(s, 30, kept_within(s, budget)),
        "dynamics": Cost(12 * g, 8 * item * s.parameters),
        "second": second_cost(s, 6, 2),
        "density": Cost(g * 2.5 * 120, 12 * item * s.parameters),
    }
    parts = []
    for name in groups:
        cost = costs[name]
        limit = budget.max_seconds * SHARE.get(name, math.inf)
        if name in ("hessian", "second", "density"):
            cost = replace(cost, seconds=min(cost.seconds, limit))
        parts.append((name, cost))
    return Plan(tuple(parts))


def measure(
    s: Subject,
    start: torch.Tensor,
    proven: Proven,
    groups: Sequence[str],
    *,
    budget: Budget = Budget(),  # noqa: B008
    seed: int = 0,
    progress: Callable[[str, Cost], None] = lambda name, cost: None,
) -> Result:
    """Measure and compare.

    A group that does not fit into memory is left out with a note that names a smaller one.

    Args:
        s: the subject.
        start: the initial parameters.
        proven: bounds on a set that contains the point.
        groups: names from `GROUPS`, see `chosen`.
        budget: memory for each measurement; time for all together, in which those that
            converge from one side stop early.
        seed: of everything random.
        progress: called before each group.
    """
    result = Result(proven, plan(s, groups, budget))
    products: Products | None = None
    for name, cost in result.plan.parts:
        progress(name, cost)
        own = replace(budget, max_seconds=budget.max_seconds * SHARE.get(name, 1.0))
        if products is None and name in NEEDS_LOSS:
            products = Products(s)
        try:
            result.measured += _group(name, s, start, result, products, own, seed)
        except InputError as error:
            result.notes += [f"{name} is left out: {p}" for p in error.problems]
    result.rows = rows(proven.analysis, result.measured)
    result.layers = layer_rows(proven.analysis, copies(s.module), result.measured)
    return result


def _group(
    name: str, s: Subject, start: torch.Tensor, result: Result, products: Products | None,
    budget: Budget, seed: int,
) -> list[Measurement]:
    match name:
        case "outputs":
            return output_norms(s)
        case "loss":
            return loss_numbers(s, products)
        case "layers":
            return activation_norms(s) + drift(s, start)
        case "jacobian":
            return input_jacobian(s, budget, seed)
        case "local":
            return layer_norms(s, result.proven.analysis.local.__contains__, budget, seed)
        case "gram":
            return _gram(s, products, budget, seed, result.notes)
        case "hessian":
            return _hessian(s, products, budget, seed)
        case "second":
            return second_derivatives(s, budget=budget, seed=seed)
        case "density":
            return [hessian_density(s, probes=2, budget=budget, seed=seed, products=products)[0]]
    return _dynamics(s, result, products, seed)


def _hessian(
    s: Subject, products: Products | None, budget: Budget, seed: int
) -> list[Measurement]:
    found = hessian_extremes(s, budget=budget, seed=seed, products=products)
    beta = found[-1]
    if beta.value > 0:
        value = 1 / beta.value
        found.append(replace(
            beta, quantity="eta", value=value, norm="1 over the largest |eigenvalue|",
            error=value * beta.error / beta.value, side="at most", floor=0.0,
        ))
    return found


def _gram(
    s: Subject, products: Products | None, budget: Budget, seed: int, notes: list[str]
) -> list[Measurement]:
    single = s.rows <= BLOCK_ROWS
    cost = gram_cost(s, len(s.slices) if single else 0)
    if cost.bytes > budget.max_bytes:
        single = False
        cost = gram_cost(s, 0)
    if cost.bytes > budget.max_bytes:
        notes.append(
            f"the Gram matrix of {s.rows} rows needs {size(cost.bytes)}: only its largest and "
            "smallest eigenvalue, matrix-free"
        )
        return _gram_free(s, products or Products(s), budget, seed)
    found = grams(s, lambda name: single, budget)
    made = spectrum(found.total, s, found.expected, found.method)
    made += singular(s, found.total, *made)
    if len(found.blocks) > 1:
        for block in found.blocks.values():
            made += spectrum(block, s, found.expected, found.method)
    return made


def singular(
    s: Subject, total: Gram, largest: Measurement, smallest: Measurement
) -> list[Measurement]:
    """``D``, ``sigma_D`` and ``D_rows`` from the Gram matrix over all parameters."""
    longest = math.sqrt(max(float(torch.diagonal(total.matrix).max()), 0.0))
    made = [
        _root(largest, "D", "operator norm"),
        _root(smallest, "sigma_D", "smallest |DF^T v|, |v| = 1"),
        replace(largest, quantity="D_rows", value=longest, floor=0.0,
                norm="largest Euclidean norm of a row", error=rounding(s, longest)),
    ]
    if s.parameters < s.rows:
        made[1] = replace(made[1], value=0.0, error=0.0, floor=0.0,
                          basis="fewer parameters than outputs")
    return made


def _root(square: Measurement, quantity: str, norm: str) -> Measurement:
    """The root of an eigenvalue, its error carried through."""
    value = math.sqrt(max(square.value, 0.0))
    low = math.sqrt(max(square.value - square.error, 0.0))
    high = math.sqrt(max(square.value + square.error, 0.0))
    floor = math.sqrt(square.floor) if quantity.startswith("sigma") else 0.0
    return replace(square, quantity=quantity, norm=norm, value=value, floor=floor,
                   error=max(value - low, high - value))


def _gram_free(
    s: Subject, products: Products, budget: Budget, seed: int
) -> list[Measurement]:
    like = s.outputs.detach().reshape(-1)
    cost = Cost(200 * s.gradient_seconds, basis_bytes(s.rows, s.dtype))
    with stopwatch(s.device) as clock:
        found = extremes(products.gram, like, tolerance=1e-8, ends=("largest",), max_steps=200,
                         max_seconds=budget.max_seconds, seed=seed)
    top = found.largest.value
    floor = s.unit * math.sqrt(max(s.parameters, s.rows)) * top
    common: dict[str, Any] = {
        "norm": "eigenvalue of DF DF^T", "method": f"Lanczos, {found.steps} products",
        "basis": "residual of the Ritz pair", "floor": floor, "expected": cost,
        "seconds": clock.seconds, "dtype": str(s.dtype)[6:], "seed": seed,
    }
    pair = [
        Measurement("gram_max", "network", top, error=found.largest.residual + floor,
                    side="at least", **common),
        Measurement("gram_min", "network", found.smallest.value, side="at most",
                    error=found.smallest.residual + floor, **common),
    ]
    return [*pair, _root(pair[0], "D", "operator norm"),
            _root(pair[1], "sigma_D", "smallest |DF^T v|, |v| = 1")]


def _dynamics(
    s: Subject, result: Result, products: Products | None, seed: int
) -> list[Measurement]:
    norm = next((m.value for m in result.measured if m.quantity == "beta"), None)
    if norm is None:
        quick = hessian_extremes(s, tolerance=0.1, max_steps=20, seed=seed, products=products)
        norm = quick[-1].value
    made = dynamics(s, 1 / norm, products) if norm > 0 else []
    bound = result.proven.bounds.get("eta")
    value = None if bound is None else result.proven.analysis.value(bound)
    if not isinstance(value, arb):
        result.notes.append("no step size is proven, so the rate of a step is not compared")
        return made
    found = rate(s, float(value.lower()), products)
    if found is None:
        result.notes.append("the loss is 0 already")
        return made
    measured, after = found
    if result.proven.contains(after.theta):
        made.append(measured)
    else:
        made.append(replace(measured, quantity="rate_outside"))
        result.notes.append(
            "the step of the proven size leaves the set, so its rate is not compared"
        )
    return made


