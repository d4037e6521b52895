"""From an architecture to the program, parameters and data of a certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from govcheck.analysis import concrete, symbol_values
from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import EvaluationError, evaluate
from govcheck.bounds.expr import Expr, ExprLike, as_expr
from govcheck.certify.batch import as_one_sample
from govcheck.errors import InputError, Problem
from govcheck.graph.architecture import Architecture
from govcheck.graph.blocks import Chain, Join, Leaf, Parallel, Repeat, Residual
from govcheck.graph.weights import Placed, initial_weights
from govcheck.plugin.data import DataError, targets
from govcheck.plugin.layer import Shape, Values

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """What is to be certified, in the terms of a certificate.

    Args:
        operations: the program, as JSON.
        parameters: initial arrays by name, ``node.parameter``.
        inputs: shape ``(N, *sample)``.
        targets: ``(N, outputs)``, or labels ``(N,)`` for cross-entropy.
        cost: ``square`` or ``cross_entropy``.
        numerator, denominator: the loss is this fraction of the certificate's, which is
            ``1/2 sum |F - y|^2`` or the sum of the cross-entropies.
        name: of the architecture.
        source: of the data, for people.
        batch: how many samples stand in the file as one, see `govcheck.certify.batch`; 0 for none.
    """

    operations: list[dict[str, Any]]
    parameters: dict[str, Array]
    inputs: Array
    targets: Array
    cost: str
    numerator: int
    denominator: int
    name: str = ""
    source: str = ""
    batch: int = 0


COSTS = {
    "square": ("square", 2, 1),
    "half_square": ("square", 1, 1),
    "summed_square": ("square", 1, 0),
    "cross_entropy": ("cross_entropy", 1, 1),
}
"""For each cost of the architecture: the certificate's, the factor, the power of 1/N in it."""


def task(arch: Architecture) -> Task:
    """Translate an architecture with data, cost and initial weights.

    Raises:
        InputError: with every layer that certificates do not cover, or what else is missing.
    """
    if arch.data is None or arch.cost is None:
        lacking = "data" if arch.data is None else "cost"
        raise InputError(Problem(f"no-{lacking}", f"a certificate needs {lacking}", arch.file,
                                 f"add the key `{lacking}` to the file"))
    if arch.cost.name not in COSTS:
        raise InputError(Problem("cost-not-covered",
                                 f"certificates do not cover the cost {arch.cost.name}",
                                 arch.file, f"one of {', '.join(COSTS)} can be proved"))
    kind, factor, power = COSTS[arch.cost.name]
    env = symbol_values(arch)
    builder = _Builder(env)
    builder.chain(arch.body, arch.input, 0, ())
    if builder.problems:
        raise InputError(builder.problems)
    shape = concrete(arch.input, env, "input")
    outputs = prod(concrete(arch.output, env, "the output"))
    if len(arch.output) != 1:
        raise InputError(Problem("output-not-vector", "certificates take networks whose outputs "
                                 "are vectors", arch.file, "end the network with flatten"))
    folder = str(Path(arch.file).parent)
    try:
        data = arch.data.load(shape, folder)
        y, _ = targets(data, outputs, arch.cost.classification)
    except DataError as error:
        raise InputError(Problem("data", str(error), arch.file)) from None
    weights = initial_weights(builder.placed, env, arch.init)
    parameters = {f"{node}.{name}": w for (node, name), w in weights.items()}
    count = len(data.x)
    found = Task(builder.operations, parameters, data.x, y.astype(np.float64), kind, factor,
                 count**power, arch.name, data.source)
    return as_one_sample(found, builder.coupled, arch.file) if builder.coupled else found


class _Builder:
    """Walks a network and writes one operation after the other."""

    def __init__(self, env: Mapping[Expr, arb]) -> None:
        self.env = env
        self.operations: list[dict[str, Any]] = []
        self.placed: list[Placed] = []
        self.problems: list[Problem] = []
        self.coupled: set[int] = set()  # numbers of operations over the whole batch

    def _number(self, e: ExprLike) -> float:
        try:
            return float(evaluate(as_expr(e), self.env).mid())
        except EvaluationError as error:
            raise InputError(Problem("no-value", str(error),
                                     hint="give every symbol of the network a value")) from None

    def _add(self, op: str, sources: list[int], fields: Mapping[str, Any]) -> int:
        self.operations.append({"op": op, "from": sources, **fields})
        return len(self.operations)

    def chain(
        self, body: Chain, shape: Shape, start: int, place: tuple[int, ...]
    ) -> tuple[int, Shape]:
        """Write a chain that reads node `start`; the node and shape of its result."""
        nodes, shapes = [start], [shape]
        for step in body.steps:
            given = [nodes[s + 1] for s in step.sources]
            before = [shapes[s + 1] for s in step.sources]
            node, after = given[0], before[0]
            match step.block:
                case Leaf() as leaf:
                    node, after = self._leaf(leaf, node, after, place)
                case Repeat(_, times, inner):
                    for i in range(int(self._number(times))):
                        node, after = self.chain(inner, after, node, (*place, i))
                case Residual(_, inner):
                    end, after = self.chain(inner, after, node, place)
                    node = self._add("sum", [node, end], {})
                case Parallel(_, join, branches):
                    ends = [self.chain(b, before[0], node, place) for b in branches]
                    node, after = self._join(join, [e[0] for e in ends], [e[1] for e in ends])
                case Join(_, join):
                    node, after = self._join(join, given, before)
            nodes.append(node)
            shapes.append(after)
        return nodes[-1], shapes[-1]

    def _join(self, join: str, given: list[int], shapes: list[Shape]) -> tuple[int, Shape]:
        node = self._add(join, given, {})
        if join == "sum":
            return node, shapes[0]
        total = shapes[0][0]
        for s in shapes[1:]:
            total = total + s[0]
        return node, (total, *shapes[0][1:])

    def _leaf(
        self, leaf: Leaf, node: int, shape: Shape, place: tuple[int, ...]
    ) -> tuple[int, Shape]:
        values: Values = self._number
        name = f"{leaf.node}[{','.join(map(str, place))}]" if place else leaf.node
        whole = concrete(shape, self.env, f"the input of {leaf.node}")
        given = leaf.layer.certificate_operations(whole, values)
        after = leaf.layer.shape(leaf.takes(shape))
        if isinstance(given, Unknown):
            mark = str(leaf.mark)
            if all(p.where != mark for p in self.problems):
                self.problems.append(Problem("not-covered", given.reason, mark,
                                             "certificates are for the layers listed in "
                                             "docs/certificate.md"))
            return node, after
        for operation in given:
            named = {key: f"{name}.{own}" for key, own in operation.parameters.items()}
            node = self._add(operation.op, [node], {**operation.fields, **named})
            if operation.coupled:
                self.coupled.add(node)
        self.placed.append(Placed(name, leaf.layer, shape, leaf.node, leaf.mark))
        return node, after
