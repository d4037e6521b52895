"""Walk a network and compose the bounds of its layers into those of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from flint import arb

from govcheck.bounds.answer import Bound, Unknown, Value
from govcheck.bounds.constants import (
    INPUT_NORMS,
    TIGHT,
    LayerConstants,
    MapConstants,
    Mode,
    identity,
)
from govcheck.bounds.domain import Domain
from govcheck.bounds.expr import ZERO, Expr
from govcheck.bounds.rules import join, parallel_sum, sequential, tightened, with_skip
from govcheck.graph.ask import layer_constants
from govcheck.graph.blocks import Block, Chain, Join, Leaf, Parallel, Repeat, Residual
from govcheck.graph.chains import Run, advance_run
from govcheck.graph.reduction import Region, reduce
from govcheck.plugin.layer import At, Shape


@dataclass(frozen=True, eq=False)
class Place:
    """A map composed so far: its constants, and the shape of one output sample."""

    constants: MapConstants
    shape: Shape
    injective_ones: Expr = ZERO


@dataclass(eq=False)
class Composer:
    """Composes bounds under one mode and one parameter set.

    Args:
        samples: N.
        domain: the parameter set.
        mode: rules and knowledge to use.
        local: filled with each layer's own constants, by node name.
        upto: filled with the constants of the map from the network's input to the output
            of each block of the outermost chain, by node name.
        shapes: filled with the shape of one input sample of each layer, by node name.
        empty: names of repeats known to have no copy; all others are taken to have one.
        values: of symbols, to tell which layers are looked at together.
    """

    samples: Expr
    domain: Domain
    mode: Mode = TIGHT
    local: dict[str, LayerConstants] = field(default_factory=dict)
    upto: dict[str, MapConstants] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    empty: frozenset[str] = frozenset()
    values: Mapping[Expr, arb] = field(default_factory=dict)
    _depth: int = 0

    def start(
        self,
        shape: Shape,
        frobenius: Value,
        spectral: Value,
        injective: Expr = ZERO,
        injective_ones: Expr = ZERO,
        largest: Value | None = None,
        premises: Mapping[str, Bound] | None = None,
    ) -> Place:
        """The identity on an input set given by norms of the sample matrix."""
        norms: dict[str, Value] = {
            "out": frobenius,
            "out_spec": spectral,
            "out_max": spectral if largest is None else largest,
            "out_inj": injective,
        }
        for q, larger in self.mode.same.items():
            if q in norms:
                norms[q] = norms[larger]
        return Place(identity("input", norms, premises or {}), shape, injective_ones)

    def run(self, body: Chain, start: Place) -> Place:
        """Compose a whole chain after `start`."""
        here = start
        self._depth += 1
        try:
            if body.linear:
                run: Run | None = None
                for step in body.steps:
                    before, here = here, self.advance(here, step.block)
                    run, here = self._together(run, step.block, before, here)
                    if self._depth == 1:
                        self.upto[step.block.node] = here.constants
            else:
                for region in reduce(body):
                    here = self._advance_region(here, region)
                    if self._depth == 1:
                        self.upto[region.node] = here.constants
        finally:
            self._depth -= 1
        return here

    def _together(
        self, run: Run | None, block: Block, before: Place, here: Place
    ) -> tuple[Run | None, Place]:
        """Use what is known of several layers in a row."""
        if not isinstance(block, Leaf) or "chains" in self.mode.leave_out:
            return None, here
        own, known = self.local[block.node], before.constants
        run, several = advance_run(
            run, block, before.shape, own, known, self.domain, self.values
        )
        if run is None or not several:
            return run, here
        return run, replace(here, constants=run.improved(here.constants, self.mode))

    def advance(self, f: Place, block: Block) -> Place:
        """Compose one more block after `f`."""
        match block:
            case Leaf():
                return self._leaf(f, block)
            case Repeat() if block.node in self.empty:
                return f
            case Repeat():
                # the two modules need each other: a repeat composes its body
                from govcheck.graph.repeat import advance_repeat

                return advance_repeat(self, f, block)
            case Residual():
                return self._residual(f, block)
            case Parallel():
                ends = [self.run(branch, self._inside(f)) for branch in block.branches]
                return self._joined(f, block.join, ends, block.node)
            case Join():
                raise AssertionError("a join has several inputs; chains reduce it first")

    def _residual(self, f: Place, block: Residual) -> Place:
        start = self._inside(f)
        blocks = [step.block for step in block.body.steps]
        only = blocks[0] if len(blocks) == 1 else None
        if isinstance(only, Leaf):
            inner = self._leaf(start, only, skip=True)
        else:
            inner = self.run(block.body, start)
        both = parallel_sum([start.constants, inner.constants], block.node, self.mode)
        if isinstance(only, Leaf):
            both = with_skip(both, self.local[only.node])
        return self._after(f, both, inner.shape, block.node)

    def _leaf(self, f: Place, block: Leaf, *, skip: bool = False) -> Place:
        shape = block.takes(f.shape)
        at = At(
            node=block.node,
            shape=shape,
            samples=self.samples,
            frobenius=f.constants.value("out"),
            spectral=f.constants.value("out_spec"),
            largest=f.constants.value("out_max"),
            injective=_known(f.constants.value("out_inj")),
            injective_ones=f.injective_ones,
            domain=self.domain,
        )
        own = layer_constants(block.layer, at, self.mode, skip=skip)
        self.local[block.node] = own
        self.shapes[block.node] = shape
        return self._after(f, own, block.layer.shape(shape), block.node)

    def _after(
        self, f: Place, g: LayerConstants | MapConstants, shape: Shape, node: str
    ) -> Place:
        return Place(tightened(sequential(f.constants, g, node, self.mode), self.mode), shape)

    def _inside(self, f: Place) -> Place:
        """The identity on the output set of `f`: where the branches of a block begin."""
        norms = {q: f.constants[q] for q in INPUT_NORMS}
        values = {q: v.value for q, v in norms.items()}
        c = identity(f.constants.node, values, norms)
        return Place(c, f.shape, f.injective_ones)

    def _joined(
        self, f: Place, kind: Literal["sum", "concat"], ends: list[Place], node: str
    ) -> Place:
        both = join(kind, [e.constants for e in ends], node, self.mode)
        return self._after(f, both, joined_shape(kind, ends), node)

    def _advance_region(self, f: Place, region: Region) -> Place:
        """A piece of a chain with explicit edges: a block, parallel branches, or a tangle."""
        if region.block is not None:
            return self.advance(f, region.block)
        if region.branches is not None:
            ends = []
            for branch in region.branches:
                here = self._inside(f)
                for inner in branch:
                    here = self._advance_region(here, inner)
                ends.append(here)
            return self._joined(f, region.join, ends, region.node)
        return self._tangle(f, region)

    def _tangle(self, f: Place, region: Region) -> Place:
        """Not series-parallel: bound the map to each node, paths sharing parameters."""
        begin = self._inside(f)
        done: dict[int, tuple[Place, frozenset[int]]] = {}
        for index, block, sources in region.steps:
            inputs = [done.get(s, (begin, frozenset())) for s in sources]
            owners = frozenset().union(*(o for _, o in inputs))
            if isinstance(block, Join):
                separate = sum(len(o) for _, o in inputs) == len(owners)
                both = join(
                    block.join,
                    [p.constants for p, _ in inputs],
                    block.node,
                    self.mode,
                    separate=separate,
                )
                shape = joined_shape(block.join, [p for p, _ in inputs])
                place = Place(tightened(both, self.mode), shape)
            else:
                place, owners = self.advance(inputs[0][0], block), owners | {index}
            done[index] = (place, owners)
        end = done[region.steps[-1][0]][0]
        return self._after(f, end.constants, end.shape, region.node)


def _known(value: Value) -> Expr:
    return ZERO if isinstance(value, Unknown) else value


def joined_shape(kind: str, ends: list[Place]) -> Shape:
    """Shape of a sum, or of a concatenation along the first dimension."""
    first = ends[0].shape
    if kind == "sum":
        return first
    total: Expr = ZERO
    for e in ends:
        total = total + e.shape[0]
    return (total, *first[1:])

