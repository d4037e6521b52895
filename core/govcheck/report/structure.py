"""The part of a report that says what network it is about."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from govcheck.analysis import (
    SAMPLES,
    X_FROBENIUS,
    X_SIGMA,
    X_SIGMA_ONES,
    X_SPECTRAL,
    Y_FROBENIUS,
    Analysis,
)
from govcheck.bounds.expr import ONE, Expr, add, mul
from govcheck.bounds.printing import latex, text
from govcheck.graph.blocks import Block, Chain, Join, Leaf, Parallel, Repeat, Residual, children
from govcheck.plugin.guard import Raised, attempt
from govcheck.plugin.layer import Layer, Parameter, Shape
from govcheck.report.numbers import Numbers, outward

Json = dict[str, Any]
DATA_SYMBOLS = (SAMPLES, X_FROBENIUS, X_SPECTRAL, X_SIGMA, X_SIGMA_ONES, Y_FROBENIUS)


def architecture(a: Analysis, numbers: Numbers) -> Json:
    """Name, shapes, counts and structure of the analysed network."""
    arch = a.architecture
    places = list(_with_copies(arch.body, ONE))
    layers = add(*(copies for _, copies in places))
    parameters = add(
        *(
            mul(copies, *p.shape)
            for leaf, copies in places
            for p in trained(leaf.layer, a.shapes.get(leaf.node, ()))
        )
    )
    return {
        "name": arch.name,
        "file": arch.file,
        "input": [_count(d, numbers) for d in arch.input],
        "output": [_count(d, numbers) for d in arch.output],
        "layers": _count(layers, numbers),
        "distinct_layers": len(places),
        "parameters": _count(parameters, numbers),
        "cost": arch.cost.name if arch.cost else None,
        "tree": _chain(arch.body, a),
    }


def _with_copies(body: Chain, copies: Expr) -> Iterator[tuple[Leaf, Expr]]:
    for step in body.steps:
        block = step.block
        if isinstance(block, Leaf):
            yield block, copies
        inside = mul(copies, block.times) if isinstance(block, Repeat) else copies
        for inner in children(block):
            yield from _with_copies(inner, inside)


def trained(layer: Layer, shape: Shape) -> tuple[Parameter, ...]:
    """A layer's parameters; none where its plugin cannot tell."""
    outcome = attempt(lambda: tuple(layer.parameters(shape)))
    return () if isinstance(outcome, Raised) else outcome.value


def _count(e: Expr, numbers: Numbers) -> Json:
    """A whole number: its formula, and its value where the symbols have values."""
    ball = None if numbers.missing(e) else numbers.of(e, "upper").ball
    whole = None if ball is None else ball.unique_fmpz()
    return {
        "text": text(e),
        "latex": latex(e),
        "value": None if whole is None else str(int(whole)),
    }


def _chain(body: Chain, a: Analysis) -> list[Json]:
    found = []
    for i, step in enumerate(body.steps):
        entry = _block(step.block, a)
        if step.sources != (i - 1,):
            entry["from"] = [
                "input" if s < 0 else body.steps[s].block.node for s in step.sources
            ]
        found.append(entry)
    return found


def _block(block: Block, a: Analysis) -> Json:
    match block:
        case Leaf():
            shape = a.shapes.get(block.node, ())
            return {
                "kind": "layer",
                "node": block.node,
                "layer": block.layer.name,
                "settings": settings(block.layer),
                "input": [text(d) for d in shape],
                "parameters": [
                    {"name": p.name, "shape": [text(d) for d in p.shape]}
                    for p in trained(block.layer, shape)
                ],
            }
        case Repeat():
            body = _chain(block.body, a)
            return {"kind": "repeat", "node": block.node, "times": text(block.times), "body": body}
        case Residual():
            return {"kind": "residual", "node": block.node, "body": _chain(block.body, a)}
        case Parallel():
            branches = [_chain(b, a) for b in block.branches]
            return {
                "kind": "parallel", "node": block.node, "join": block.join, "branches": branches
            }
        case Join():
            return {"kind": block.join, "node": block.node}


def settings(plugin: object) -> dict[str, str]:
    """Field values of a plugin instance as text."""
    if not dataclasses.is_dataclass(plugin):
        return {}
    pairs = ((f.name, getattr(plugin, f.name)) for f in dataclasses.fields(plugin))
    return {name: text(v) if isinstance(v, Expr) else str(v) for name, v in pairs}


def symbols(a: Analysis, used: list[Expr]) -> list[Json]:
    """Every symbol of the file and of the formulas: what it means and what value it has."""
    declared = list(a.architecture.symbols.values())
    facts = {**a.domain.facts(), **a.domain.chains()}
    found = []
    for s in dict.fromkeys([*declared, *used]):
        if s in declared:
            origin = "declared"
        elif s in DATA_SYMBOLS:
            origin = "data"
        elif s in facts:
            origin = "weights"
        else:
            origin = "free"
        found.append(_symbol(s, origin, a))
    return found


def _symbol(s: Expr, origin: str, a: Analysis) -> Json:
    given = a.architecture.values.get(s)
    ball = a.env.get(s)
    return {
        "name": s.payload.name,
        "latex": latex(s),
        "meaning": s.payload.meaning,
        "origin": origin,
        "value": None if given is None else text(given),
        "low": None if ball is None else outward(ball, "lower"),
        "high": None if ball is None else outward(ball, "upper"),
    }
