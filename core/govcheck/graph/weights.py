"""Initial weights drawn with numpy, and what bounds around them need to know of them."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from math import prod, sqrt
from typing import Final

import numpy as np
from flint import arb
from numpy.typing import NDArray

from govcheck.bounds.domain import WeightFact
from govcheck.bounds.evaluate import EvaluationError, evaluate, free_symbols
from govcheck.bounds.expr import Expr, ExprLike, as_expr
from govcheck.errors import InputError, Problem
from govcheck.graph.architecture import Architecture, InitSpec
from govcheck.graph.blocks import NOWHERE, Chain, Leaf, Mark, Repeat, children, repeats
from govcheck.plugin.guard import PluginWarning, Raised, attempt
from govcheck.plugin.layer import Layer, Parameter, Shape, Values

Array = NDArray[np.float64]
Weights = dict[tuple[str, str], Array]

MAX_PARAMETERS = 2**27
"""Largest number of entries of all parameters together."""

MAX_LAYERS = 100_000
"""Largest number of layers, copies counted."""

_FACTORS: Final = ("factor", "scale")


@dataclass(frozen=True)
class Placed:
    """A layer with the shape of its input, as it stands in a network.

    Args:
        node: its name, unique among all copies of repeated blocks.
        layer: the plugin instance.
        shape: shape of one input sample.
        leaf: its name in the architecture, shared by the copies of a repeated block.
        mark: where it was written.
    """

    node: str
    layer: Layer
    shape: Shape
    leaf: str = ""
    mark: Mark = NOWHERE


def placed_name(path: str) -> tuple[str, str]:
    """``repeat.3.affine.weight`` as the weights' names ``("affine[3]", "weight")``."""
    *outer, node, parameter = path.split(".")
    places = ",".join(outer[1::2])
    return (f"{node}[{places}]" if places else node), parameter


def placed_layers(
    body: Chain, shapes: Mapping[str, Shape], values: Mapping[Expr, arb]
) -> list[Placed]:
    """All layers in order, with each copy in a repeat by itself.

    A copy is named after the layer and its place, such as ``affine[2]``, or ``affine[2,0]``
    for the first copy inside the third copy of an outer block.

    Args:
        body: the network.
        shapes: shape of one input sample of each layer.
        values: a ball for each symbol in the repeat counts.

    Raises:
        InputError: if a repeat count has no value, is no whole number or is too large.
    """
    budget = iter(range(MAX_LAYERS))
    return list(_unroll(body, shapes, values, (), budget))


def _unroll(
    body: Chain,
    shapes: Mapping[str, Shape],
    values: Mapping[Expr, arb],
    place: tuple[int, ...],
    budget: Iterator[int],
) -> Iterator[Placed]:
    for step in body.steps:
        block = step.block
        if isinstance(block, Leaf):
            if next(budget, None) is None:
                raise InputError(
                    Problem(
                        "too-many-layers",
                        f"the network has more than {MAX_LAYERS} layers with weights of their own",
                        str(block.mark),
                        "choose smaller repeat counts",
                    )
                )
            name = f"{block.node}[{','.join(map(str, place))}]" if place else block.node
            yield Placed(name, block.layer, shapes[block.node], block.node, block.mark)
        elif isinstance(block, Repeat):
            for i in range(_times(block, values)):
                yield from _unroll(block.body, shapes, values, (*place, i), budget)
        else:
            for inner in children(block):
                yield from _unroll(inner, shapes, values, place, budget)


def _times(block: Repeat, values: Mapping[Expr, arb]) -> int:
    try:
        count = evaluate(block.times, values)
        whole = count.unique_fmpz()
        if whole is not None and count.is_exact() and whole >= 0:
            return int(whole)
        cause = f"it is {count}, not a whole number that is at least 0"
    except EvaluationError as error:
        cause = str(error)
    raise InputError(
        Problem(
            "repeat-count",
            f"the repeat count {block.times!r} of {block.node} cannot be used: {cause}",
            str(block.mark),
            "give its symbols values",
        )
    )


def fact_values(
    arch: Architecture,
    facts: Mapping[Expr, WeightFact],
    shapes: Mapping[str, Shape],
    values: Mapping[Expr, arb],
) -> dict[Expr, arb]:
    """Values of the symbols that stand for numbers about the initial weights.

    For a layer in a repeat it is the worst over the copies. As long as a size or a repeat
    count has no value there are no weights and no numbers. A number that a layer fails to
    give is left out, with a `PluginWarning`.

    Args:
        arch: the architecture, with how its weights are drawn.
        facts: what each symbol stands for.
        shapes: shape of one input sample of each layer.
        values: a ball for each valued symbol.

    Raises:
        InputError: as `placed_layers` and `initial_weights`.
    """
    if not facts or any(free_symbols(r.times, values) for r in repeats(arch.body)):
        return {}
    wanted = {fact.node for fact in facts.values()}
    placed = [p for p in placed_layers(arch.body, shapes, values) if p.leaf in wanted]
    parameters = [q for p in placed for q in p.layer.parameters(p.shape)]
    needed = [d for p in placed for d in p.shape] + [d for q in parameters for d in q.shape]
    needed += [q.initial for q in parameters if q.initial is not None]
    if any(free_symbols(d, values) for d in needed):
        return {}
    weights = initial_weights(placed, values, arch.init)
    formulas = _floats(values)
    found: dict[Expr, arb] = {}
    for symbol, fact in facts.items():
        copies = [
            _layer_fact(p, fact, weights[p.node, fact.parameter], values, formulas)
            for p in placed
            if p.leaf == fact.node and (p.node, fact.parameter) in weights
        ]
        known = [c for c in copies if c is not None]
        if known and len(known) == len(copies):
            found[symbol] = reduce(arb.max if fact.sense == "upper" else arb.min, known)
    return found


def _floats(values: Mapping[Expr, arb]) -> Values:
    def number(formula: ExprLike) -> float:
        return float(evaluate(as_expr(formula), values).mid())

    return number


def _layer_fact(
    place: Placed, fact: WeightFact, array: Array, values: Mapping[Expr, arb], formulas: Values
) -> arb | None:
    """What the layer says of its own parameter; None with a warning where that fails."""
    shape = tuple(_size(d, place.node, values) for d in place.shape)
    given = attempt(
        lambda: place.layer.parameter_norm(fact.parameter, fact.kind, array, shape, formulas)
    )
    if not isinstance(given, Raised):
        value: object = given.value
        if isinstance(value, arb) and value.is_finite() and not value < 0:
            return value
        trouble = f"returned {value!r}, which is no finite ball that is at least 0"
    else:
        trouble = f"raised {given.text}"
    what = f"{type(place.layer).__name__}.parameter_norm at {place.node}"
    warnings.warn(f"{what} {trouble}", PluginWarning, stacklevel=2)
    return None


def initial_weights(
    placed: Iterable[Placed], values: Mapping[Expr, arb], init: InitSpec
) -> Weights:
    """Draw the weights of a network.

    Each parameter has a random stream of its own, made from the seed, the layer's name and
    the parameter's name, so that the weights of a layer do not depend on other layers.

    Matrices and larger arrays are drawn independently: ``normal`` N(0, std^2), std 1 unless
    given; ``lecun`` N(0, 1/fan_in); ``he`` N(0, 2/fan_in); ``torch`` uniform within
    ``1/sqrt(fan_in)``, as ``torch.nn.Linear`` does; ``zero`` none. ``fan_in`` is the number
    of entries that belong to one output, the product of all dimensions after the first.
    Vectors called ``bias`` are 0, or as the weights with ``torch``. Parameters called
    ``factor`` or ``scale`` that are no matrices are 1, all other vectors and numbers 0.
    A parameter with an initial value of its own has that in every entry. A layer named in
    ``init.at`` follows what is said there; ``zero`` there makes every parameter 0, also those
    with an initial value of their own.

    Args:
        placed: all layers, each copy in a repeat by itself.
        values: a ball for each symbol in the shapes and in standard deviations.
        init: method, seed and standard deviation.

    Returns:
        Arrays of float64 by (node, parameter).

    Raises:
        InputError: for a shape without a value, a negative seed or standard deviation, or a
            standard deviation with a method that has its own.
    """
    std, problems = _settings(init, values)
    own = {node: (i.method, _std(i.method, i.std, values, problems)) for node, i in init.at.items()}
    weights: Weights = {}
    entries = 0
    for place in placed:
        try:
            parameters = place.layer.parameters(place.shape)
            shapes = {p.name: _shape(p, place.node, values) for p in parameters}
            inputs = prod(_size(e, place.node, values) for e in place.shape)
            given = {
                p.name: float(evaluate(p.initial, values).mid())
                for p in parameters
                if p.initial is not None
            }
        except EvaluationError as error:
            problems.append(
                Problem(
                    "parameter-shape",
                    f"the weights of {place.node} cannot be drawn: {error}",
                    str(place.mark),
                    "give every symbol in its shape a positive whole value",
                )
            )
            continue
        entries += sum(map(prod, shapes.values()))
        if entries > MAX_PARAMETERS:
            problems.append(
                Problem(
                    "too-many-weights",
                    f"the weights up to {place.node} have {entries} entries, above the limit of "
                    f"{MAX_PARAMETERS}",
                    str(place.mark),
                    "choose smaller sizes",
                )
            )
            break
        fans = [prod(s[1:]) for s in shapes.values() if len(s) >= 2]
        fan = fans[0] if fans else inputs
        for name, shape in shapes.items():
            if problems:
                continue
            method, deviation = own.get(place.leaf or place.node, (init.method, std))
            if method == "zero" and (place.leaf or place.node) in own:
                weights[place.node, name] = np.zeros(shape)
            elif name in given:
                weights[place.node, name] = np.full(shape, given[name])
            else:
                draw = _stream(init.seed, place.node, name)
                weights[place.node, name] = _draw(draw, name, shape, fan, method, deviation)
    if problems:
        raise InputError(problems)
    return weights


def _settings(init: InitSpec, values: Mapping[Expr, arb]) -> tuple[float, list[Problem]]:
    problems: list[Problem] = []
    if init.seed < 0:
        problems.append(
            Problem("init-seed", f"the seed {init.seed} is negative", "init", "choose 0 or more")
        )
    std = _std(init.method, init.std, values, problems)
    return std, problems


def _std(
    method: str, formula: Expr | None, values: Mapping[Expr, arb], problems: list[Problem]
) -> float:
    if formula is None:
        return 1.0
    if method != "normal":
        problems.append(
            Problem(
                "init-std",
                f"the method {method} has its own standard deviation",
                "init",
                "remove `std`, or choose the method normal",
            )
        )
        return 1.0
    std = 1.0
    try:
        std = float(evaluate(formula, values).mid())
    except EvaluationError as error:
        problems.append(Problem("init-std", f"std has no value: {error}", "init"))
    if not 0 <= std < float("inf"):
        problems.append(
            Problem("init-std", f"std is {std}", "init", "choose a number that is at least 0")
        )
    return std


def _shape(parameter: Parameter, node: str, values: Mapping[Expr, arb]) -> tuple[int, ...]:
    return tuple(_size(e, f"{node}.{parameter.name}", values) for e in parameter.shape)


def _size(dimension: Expr, what: str, values: Mapping[Expr, arb]) -> int:
    value = evaluate(dimension, values)
    whole = value.unique_fmpz()
    if whole is None or not value.is_exact() or whole < 1:
        raise EvaluationError(f"a dimension of {what} is {dimension!r} = {value}")
    return int(whole)


def _stream(seed: int, node: str, parameter: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{node}\0{parameter}".encode()).digest()
    key = tuple(int(word) for word in np.frombuffer(digest, dtype="<u4"))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def _draw(
    draw: np.random.Generator, name: str, shape: tuple[int, ...], fan: int, method: str, std: float
) -> Array:
    if len(shape) >= 2:
        own_fan = prod(shape[1:])
        match method:
            case "zero":
                return np.zeros(shape)
            case "torch":
                return draw.uniform(-1 / sqrt(own_fan), 1 / sqrt(own_fan), shape)
            case "lecun":
                return draw.standard_normal(shape) / sqrt(own_fan)
            case "he":
                return draw.standard_normal(shape) * sqrt(2 / own_fan)
            case "normal":
                return draw.standard_normal(shape) * std
        raise ValueError(f"no initialisation {method!r}")
    if name in _FACTORS:
        return np.ones(shape)
    if name == "bias" and method == "torch":
        return draw.uniform(-1 / sqrt(fan), 1 / sqrt(fan), shape)
    return np.zeros(shape)
