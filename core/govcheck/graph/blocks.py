"""The nested structure of a network: chains of layers, repeats, residuals, branches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Union

from govcheck.bounds.expr import Expr
from govcheck.plugin.layer import Layer, Shape


@dataclass(frozen=True)
class Mark:
    """A place in an architecture file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Mark("<api>", 0, 0)


@dataclass(frozen=True, eq=False)
class Leaf:
    """One layer.

    Args:
        node: its name.
        layer: the plugin instance.
        mark: where it was written.
        input: shape of an input sample, where it takes the values of symbols to tell the
            shape of the output.
    """

    node: str
    layer: Layer
    mark: Mark = NOWHERE
    input: Shape | None = None

    def takes(self, shape: Shape) -> Shape:
        """The input shape to ask the layer about: `input` if there is one."""
        return shape if self.input is None else self.input


@dataclass(frozen=True, eq=False)
class Repeat:
    """The same block `times` times in a row, each copy with parameters of its own."""

    node: str
    times: Expr
    body: Chain
    mark: Mark = NOWHERE


@dataclass(frozen=True, eq=False)
class Residual:
    """``X + body(X)``."""

    node: str
    body: Chain
    mark: Mark = NOWHERE


@dataclass(frozen=True, eq=False)
class Parallel:
    """Branches on the same input, joined by a sum or along the first dimension."""

    node: str
    join: Literal["sum", "concat"]
    branches: tuple[Chain, ...]
    mark: Mark = NOWHERE


@dataclass(frozen=True, eq=False)
class Join:
    """A sum or concatenation of several earlier steps of the same chain."""

    node: str
    join: Literal["sum", "concat"]
    mark: Mark = NOWHERE


Block = Union[Leaf, Repeat, Residual, Parallel, Join]

INPUT = -1


@dataclass(frozen=True, eq=False)
class Step:
    """A block of a chain with where its input comes from.

    Args:
        block: the block; a `Join` has two or more sources, everything else one.
        sources: indices of earlier steps of the same chain, `INPUT` for the chain's input.
    """

    block: Block
    sources: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Chain:
    """Steps in topological order; the last one is the output. May be empty (identity)."""

    steps: tuple[Step, ...]

    @property
    def linear(self) -> bool:
        """Whether each step takes just the step before it."""
        return all(s.sources == (i - 1,) for i, s in enumerate(self.steps))


def chain(*blocks: Block) -> Chain:
    """A chain in which each block takes the one before it."""
    return Chain(tuple(Step(b, (i - 1,)) for i, b in enumerate(blocks)))


def children(block: Block) -> tuple[Chain, ...]:
    """The chains nested in a block."""
    match block:
        case Repeat() | Residual():
            return (block.body,)
        case Parallel():
            return block.branches
    return ()


def leaves(body: Chain) -> Iterator[Leaf]:
    """All layers in order, those inside a repeat once."""
    for step in body.steps:
        if isinstance(step.block, Leaf):
            yield step.block
        for inner in children(step.block):
            yield from leaves(inner)


def repeats(body: Chain) -> Iterator[Repeat]:
    """All repeats in order, those inside a repeat once."""
    for step in body.steps:
        if isinstance(step.block, Repeat):
            yield step.block
        for inner in children(step.block):
            yield from repeats(inner)
