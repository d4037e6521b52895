"""Values of what bounds need to know of several given weights together."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from flint import arb

from govcheck.bounds.domain import ChainFact
from govcheck.bounds.evaluate import ball, evaluate, free_symbols
from govcheck.bounds.expr import Expr, ExprLike, as_expr
from govcheck.certify.chains import BUDGET as PRODUCTS
from govcheck.certify.rounding import Matrix, precision
from govcheck.certify.sectors import BUDGET as CERTIFICATES
from govcheck.certify.sectors import Sector, chain_norms
from govcheck.graph.architecture import Architecture
from govcheck.graph.blocks import repeats
from govcheck.graph.weights import Placed, Weights, initial_weights, placed_layers
from govcheck.plugin.guard import PluginWarning, Raised, attempt
from govcheck.plugin.layer import Shape


def chain_values(
    arch: Architecture,
    facts: Mapping[Expr, ChainFact],
    shapes: Mapping[str, Shape],
    values: Mapping[Expr, arb],
) -> dict[Expr, arb]:
    """Upper bounds of the norms that chains of given weights have, the worst over copies.

    Where the layers do not give their matrices it is the product of norms and slopes, with a
    `PluginWarning`. A chain whose norms have no value is left out.

    Args:
        arch: the architecture, with how its weights are drawn.
        facts: what each symbol stands for.
        shapes: shape of one input sample of each layer.
        values: a ball for each valued symbol, with those for norms of single weights.

    Raises:
        InputError: as `placed_layers` and `initial_weights`.
    """
    if any(free_symbols(r.times, values) for r in repeats(arch.body)):
        return {}
    usable = {s: f for s, f in facts.items() if not _lacking(f, values)}
    nodes = {n for fact in usable.values() for n in fact.nodes}
    placed = [p for p in placed_layers(arch.body, shapes, values) if p.leaf in nodes]
    return values_at(usable, placed, initial_weights(placed, values, arch.init), values)


def values_at(
    facts: Mapping[Expr, ChainFact],
    placed: Sequence[Placed],
    weights: Weights,
    values: Mapping[Expr, arb],
) -> dict[Expr, arb]:
    """As `chain_values`, at any weights.

    Args:
        facts: what each symbol stands for; everything in them has values.
        placed: their layers in order, copies by themselves.
        weights: arrays by node and parameter.
        values: a ball for each symbol.
    """
    copies: dict[str, list[Placed]] = {}
    for p in placed:
        copies.setdefault(p.leaf, []).append(p)
    groups = _groups(facts)
    count = sum(len(copies.get(whole.nodes[0], ())) for whole, _ in groups)
    found: dict[Expr, arb] = {}
    for whole, parts in groups:
        for places in zip(*(copies.get(n, []) for n in whole.nodes), strict=True):
            for s, norm in _one(whole, parts, places, weights, values, count).items():
                found[s] = norm.max(found[s]) if s in found else norm
    return found


Part = tuple[Expr, int, int]


def _lacking(fact: ChainFact, values: Mapping[Expr, arb]) -> bool:
    formulas = [*fact.norms, *(e for pair in fact.sectors for e in pair)]
    return any(free_symbols(e, values) for e in formulas)


def _groups(facts: Mapping[Expr, ChainFact]) -> list[tuple[ChainFact, list[Part]]]:
    """Chains that are no part of a longer one, each with its parts."""
    groups: list[tuple[ChainFact, list[Part]]] = []
    for s, fact in sorted(facts.items(), key=lambda item: -len(item[1].nodes)):
        n = len(fact.nodes)
        for whole, parts in groups:
            if fact.nodes[0] in whole.nodes:
                j = whole.nodes.index(fact.nodes[0])
                if whole.nodes[j : j + n] == fact.nodes:
                    parts.append((s, j, j + n - 1))
                    break
        else:
            groups.append((fact, [(s, 0, n - 1)]))
    return groups


def _one(
    whole: ChainFact,
    parts: Sequence[Part],
    places: Sequence[Placed],
    weights: Weights,
    values: Mapping[Expr, arb],
    copies: int,
) -> dict[Expr, arb]:
    """The parts of one chain, for one copy of a repeated block."""
    norms = [evaluate(e, values) for e in whole.norms]
    sectors = [(evaluate(a, values), evaluate(b, values)) for a, b in whole.sectors]
    pairs = [(j, k) for _, j, k in parts]
    matrices = attempt(lambda: [_matrix(p, weights, values) for p in places])
    if isinstance(matrices, Raised):
        warnings.warn(
            f"the matrices of {places[0].node} to {places[-1].node} cannot be used: "
            f"{matrices.text}", PluginWarning, stacklevel=2,
        )
        bounds = _products(norms, sectors, pairs)
    else:
        found = chain_norms(
            matrices.value, norms, sectors, pairs,
            products=PRODUCTS // copies, certificates=CERTIFICATES // copies,
        )
        bounds = {pair: ball(norm) for pair, norm in found.items()}
    return {s: bounds[j, k] for s, j, k in parts}


def _matrix(place: Placed, weights: Weights, values: Mapping[Expr, arb]) -> Matrix:
    def number(formula: ExprLike) -> float:
        return float(evaluate(as_expr(formula), values).mid())

    form = place.layer.matrix_form(place.shape)
    if form is None or form.size is None:
        raise ValueError(f"{place.node} has no matrix")
    array = weights[place.node, form.parameter] if form.parameter else None
    shape = tuple(int(number(d)) for d in place.shape)
    matrix = np.asarray(place.layer.matrix(array, shape, number), dtype=np.float64)
    wanted = tuple(int(number(d)) for d in form.size)
    if matrix.shape != wanted or not np.isfinite(matrix).all():
        raise ValueError(f"the matrix of {place.node} is no finite {wanted} matrix")
    return matrix


def _products(
    norms: Sequence[arb], sectors: Sequence[Sector], pairs: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], arb]:
    found = {}
    with precision():
        for j, k in pairs:
            total = norms[j]
            for i in range(j, k):
                low, high = sectors[i]
                total = total * abs(low).max(abs(high)) * norms[i + 1]
            found[j, k] = total
    return found
