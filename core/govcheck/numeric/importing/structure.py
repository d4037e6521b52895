"""Operations as nested blocks: residuals and parallel branches by immediate dominators."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Union

import networkx as nx

from govcheck.numeric.importing.operations import INPUT, Operation, Operations
from govcheck.plugin.importing import Claim

Sizes = tuple[int, ...]


@dataclass(eq=False)
class Item:
    """A layer, or a join with explicit edges.

    Args:
        index: of the operation.
        operation: what it is.
        ident: its id, if others take its output by name.
        sources: the names it takes; None for the step before.
    """

    index: int
    operation: Operation
    ident: str = ""
    sources: tuple[str, ...] | None = None


@dataclass(eq=False)
class Branches:
    """A residual (one branch, added to the input) or parallel branches."""

    kind: str
    parts: list[list[Block]]
    ident: str = ""


@dataclass(eq=False)
class Fold:
    """Equal blocks in a row; `copies` are their contents, the first one stands for all."""

    copies: list[list[Block]] = field(default_factory=list)
    ident: str = ""


Block = Union[Item, Branches, Fold]


def structure(operations: Operations) -> list[Block]:
    """The network as a chain of blocks."""
    return _Structure(operations).chain(INPUT, operations.output)


class _Structure:
    def __init__(self, operations: Operations) -> None:
        self.steps = operations.steps
        self.given = operations.input
        graph = nx.DiGraph()
        graph.add_node(INPUT)
        stack, seen = [operations.output], set()
        while stack:
            i = stack.pop()
            if i not in seen and i != INPUT:
                seen.add(i)
                graph.add_edges_from((s, i) for s in self.steps[i].sources)
                stack += self.steps[i].sources
        self.above: dict[int, int] = nx.immediate_dominators(graph, INPUT)

    def chain(self, start: int, end: int) -> list[Block]:
        """From what follows `start` to `end`, which it dominates."""
        places = [end]
        while places[-1] != start:
            places.append(self.above[places[-1]])
        places.reverse()
        blocks: list[Block] = []
        for before, after in itertools.pairwise(places):
            if not self.steps[after].join:
                blocks.append(Item(after, self.steps[after]))
            else:
                blocks += self._joined(before, after, blocks)
        return blocks

    def _joined(self, start: int, end: int, before: list[Block]) -> list[Block]:
        step = self.steps[end]
        insides = [self._between(start, s) for s in step.sources]
        if sum(map(len, insides)) > len(set().union(*insides)):
            return self._flat(start, end, set().union(*insides), before)
        parts = [[] if s == start else self.chain(start, s) for s in step.sources]
        empty = [i for i, s in enumerate(step.sources) if s == start]
        if step.join == "sum" and len(parts) == 2 and len(empty) == 1:
            return [Branches("residual", [parts[1 - empty[0]]])]
        return [Branches(step.join, parts)]

    def _between(self, start: int, end: int) -> set[int]:
        """Operations between two, with the second."""
        found: set[int] = set()
        stack = [end]
        while stack:
            i = stack.pop()
            if i != start and i not in found:
                found.add(i)
                stack += self.steps[i].sources
        return found

    def _flat(
        self, start: int, end: int, inside: set[int], before: list[Block]
    ) -> list[Block]:
        """A region that is no nest of branches, with explicit edges."""
        names = {start: "input"}
        if before:
            before[-1].ident = before[-1].ident or self._name(start)
            names[start] = before[-1].ident
        order = [*sorted(inside), end]
        blocks: list[Block] = []
        for i in order:
            names[i] = self._name(i)
            sources: list[str] = []
            for k, s in enumerate(self.steps[i].sources):
                if names[s] in sources:
                    blocks.append(self._again(s, names[s], f"{names[i]}_{k}"))
                    sources.append(f"{names[i]}_{k}")
                else:
                    sources.append(names[s])
            blocks.append(Item(i, self.steps[i], names[i], tuple(sources)))
        return blocks

    def _again(self, source: int, name: str, ident: str) -> Item:
        """A copy of an output, where a join takes it twice."""
        shape = self.given if source == INPUT else self.steps[source].shape
        copied = Operation((source,), shape, "", Claim("identity"))
        return Item(source, copied, ident, (name,))

    def _name(self, index: int) -> str:
        step = self.steps[index] if index != INPUT else None
        kind = "x" if step is None else step.claim.layer if step.claim else step.join
        return f"{kind}_{index}"


def tidy(operations: Operations) -> Operations:
    """Reshapes and transpositions that follow each other, as few as possible."""
    steps: list[Operation] = []
    moved: dict[int, int] = {INPUT: INPUT}
    users: dict[int, int] = {}
    for s in operations.steps:
        for source in s.sources:
            users[source] = users.get(source, 0) + 1
    for index, step in enumerate(operations.steps):
        sources = tuple(moved[s] for s in step.sources)
        kind = step.claim.layer if step.claim else ""
        source = sources[0]
        last = steps[source] if source != INPUT else None
        last_kind = last.claim.layer if last is not None and last.claim else ""
        alone = users.get(step.sources[0], 0) == 1
        if kind in RESHAPES and last is not None and last_kind in RESHAPES:
            # a reshape of a reshape is one reshape of what came first
            source = last.sources[0]
        if kind in RESHAPES and _shape(steps, source, operations.input) == step.shape:
            moved[index] = source
            continue
        if kind == last_kind == "transpose" and last is not None and alone:
            moved[index] = last.sources[0]
            continue
        if kind in RESHAPES:
            sources = (source,)
        steps.append(Operation(sources, step.shape, step.path, step.claim, step.join))
        moved[index] = len(steps) - 1
    return Operations(steps, moved[operations.output], operations.notes, operations.input)


RESHAPES = ("reshape", "flatten")


def _shape(steps: Sequence[Operation], index: int, given: Sizes) -> Sizes:
    return given if index == INPUT else steps[index].shape
