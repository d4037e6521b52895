"""Initial weights drawn with numpy, and the numbers about given weights that bounds use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod, sqrt
from typing import Final

import numpy as np
from flint import arb
from numpy.typing import NDArray

from govcheck.bounds.evaluate import EvaluationError, evaluate
from govcheck.bounds.expr import Expr
from govcheck.certify.intervals import Range
from govcheck.certify.matrices import frobenius, spectral_facts
from govcheck.errors import InputError, Problem
from govcheck.graph.architecture import InitSpec
from govcheck.graph.blocks import NOWHERE, Mark
from govcheck.plugin.layer import Layer, Parameter, Shape

Array = NDArray[np.float64]
Weights = dict[tuple[str, str], Array]

MAX_PARAMETERS = 2**27
"""Largest number of entries of one parameter."""

_FACTORS: Final = ("factor", "scale")


@dataclass(frozen=True)
class Placed:
    """A layer with the shape of its input, as it stands in a network.

    Args:
        node: its name, unique among all copies of repeated blocks.
        layer: the plugin instance.
        shape: shape of one input sample.
        mark: where it was written.
    """

    node: str
    layer: Layer
    shape: Shape
    mark: Mark = NOWHERE


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

    Args:
        placed: all layers, each copy in a repeat by itself.
        values: a ball for each symbol in the shapes and in ``init.std``.
        init: method, seed and standard deviation.

    Returns:
        Arrays of float64 by (node, parameter).

    Raises:
        InputError: for a shape without a value, a negative seed or standard deviation, or a
            standard deviation with a method that has its own.
    """
    std, problems = _settings(init, values)
    weights: Weights = {}
    for place in placed:
        try:
            parameters = place.layer.parameters(place.shape)
            shapes = {p.name: _shape(p, place.node, values) for p in parameters}
            inputs = prod(_size(e, place.node, values) for e in place.shape)
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
        fans = [prod(s[1:]) for s in shapes.values() if len(s) >= 2]
        fan = fans[0] if fans else inputs
        for name, shape in shapes.items():
            draw = _stream(init.seed, place.node, name) if not problems else None
            if draw is not None:
                weights[place.node, name] = _draw(draw, name, shape, fan, init.method, std)
    if problems:
        raise InputError(problems)
    return weights


def _settings(init: InitSpec, values: Mapping[Expr, arb]) -> tuple[float, list[Problem]]:
    problems = []
    if init.seed < 0:
        problems.append(
            Problem("init-seed", f"the seed {init.seed} is negative", "init", "choose 0 or more")
        )
    std = 1.0
    if init.std is not None and init.method != "normal":
        problems.append(
            Problem(
                "init-std",
                f"the method {init.method} has its own standard deviation",
                "init",
                "remove `std`, or choose the method normal",
            )
        )
    elif init.std is not None:
        try:
            std = float(evaluate(init.std, values).mid())
        except EvaluationError as error:
            problems.append(Problem("init-std", f"std has no value: {error}", "init"))
        if not 0 <= std < float("inf"):
            problems.append(
                Problem("init-std", f"std is {std}", "init", "choose a number that is at least 0")
            )
    return std, problems


def _shape(parameter: Parameter, node: str, values: Mapping[Expr, arb]) -> tuple[int, ...]:
    shape = tuple(_size(e, f"{node}.{parameter.name}", values) for e in parameter.shape)
    if prod(shape) > MAX_PARAMETERS:
        raise EvaluationError(
            f"{node}.{parameter.name} has {prod(shape)} entries, above the limit of "
            f"{MAX_PARAMETERS}"
        )
    return shape


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


def weight_facts(array: NDArray[np.float64], kind: str) -> arb:
    """Enclosure of one number about a given parameter.

    An array of more than two dimensions counts as the matrix with its first dimension as
    rows, a vector as one column.

    Args:
        array: the parameter, finite.
        kind: ``spectral`` (operator norm), ``frobenius``, ``max`` (largest absolute entry),
            ``sigma_min`` (surjectivity modulus ``min |W^T v|`` over unit v, 0 if W has more
            rows than columns) or ``abs_min`` (smallest absolute entry).

    Raises:
        ValueError: for another kind, entries that are not finite, or `abs_min` of nothing.
    """
    matrix = _as_matrix(array)
    match kind:
        case "spectral":
            return spectral_facts(matrix, "norm").sigma_max.ball
        case "frobenius":
            return frobenius(matrix)
        case "max":
            return arb(float(np.abs(matrix).max(initial=0.0)))
        case "sigma_min":
            return _surjectivity(matrix).ball
        case "abs_min":
            if not matrix.size:
                raise ValueError("an empty array has no smallest entry")
            return arb(float(np.abs(matrix).min()))
    raise ValueError(f"no number {kind!r} about weights")


def worst_weight_facts(arrays: Iterable[NDArray[np.float64]], kind: str) -> arb:
    """The same for all copies of a repeated layer: the largest norm, the smallest floor.

    Raises:
        ValueError: as `weight_facts`, or if there is no array.
    """
    found = [weight_facts(a, kind) for a in arrays]
    if not found:
        raise ValueError("there is no array")
    result = found[0]
    for x in found[1:]:
        result = result.min(x) if kind in ("sigma_min", "abs_min") else result.max(x)
    return result


def _as_matrix(array: NDArray[np.float64]) -> Array:
    if array.ndim == 0:
        matrix = array.reshape(1, 1)
    else:
        matrix = array.reshape(array.shape[0], prod(array.shape[1:]))
    if not np.isfinite(matrix).all():
        raise ValueError("the weights have entries that are not finite numbers")
    return matrix


def _surjectivity(matrix: Array) -> Range:
    if matrix.shape[0] > matrix.shape[1]:
        return Range.point(0)
    return spectral_facts(matrix, "sigma_min").surjectivity
