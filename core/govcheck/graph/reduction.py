"""Take a chain with explicit edges apart: series, parallel branches, and what is neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from govcheck.graph.blocks import INPUT, Block, Chain, Join

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, eq=False)
class Region:
    """A piece of a chain with one entry and one exit.

    Exactly one of the three holds: a single `block`; parallel `branches`, each a list of
    regions, joined by `join`; or `steps` of a graph that is not series-parallel, as
    (index, block, indices of sources) in topological order, sources outside of it
    meaning the entry.
    """

    node: str
    block: Block | None = None
    branches: tuple[tuple[Region, ...], ...] | None = None
    join: Literal["sum", "concat"] = "sum"
    steps: tuple[tuple[int, Block, tuple[int, ...]], ...] = ()


def chain_graph(body: Chain) -> nx.DiGraph:
    """The steps of one chain as a directed graph; the chain's input is `INPUT`."""
    import networkx as nx

    g = nx.DiGraph()
    g.add_node(INPUT)
    for i, step in enumerate(body.steps):
        g.add_node(i, block=step.block)
        g.add_edges_from((s, i) for s in step.sources)
    return g


def reduce(body: Chain) -> tuple[Region, ...]:
    """Series of regions from the input of a chain to its last step."""
    import networkx as nx

    if not body.steps:
        return ()
    g = chain_graph(body)
    last = len(body.steps) - 1
    useful = nx.ancestors(g, last) | {last}
    g = g.subgraph(useful).copy()
    return tuple(_series(body, g, INPUT, last, frozenset(useful)))


def _series(
    body: Chain, g: nx.DiGraph, start: int, end: int, inside: frozenset[int]
) -> list[Region]:
    """Regions from `start` to `end`, the last node of `inside`, using nodes of `inside` only."""
    import networkx as nx

    # immediate post-dominators: where all ways out of a node meet again; those of a branch
    # are not those of the whole graph, since other branches leave from the same start
    meets = nx.immediate_dominators(g.subgraph(inside | {start}).reverse(copy=True), end)
    regions: list[Region] = []
    here = start
    while here != end:
        ahead = [n for n in g.successors(here) if n in inside]
        sources = body.steps[ahead[0]].sources if len(ahead) == 1 else ()
        if len(ahead) == 1 and sources == (here,):
            here = ahead[0]
            block = body.steps[here].block
            regions.append(Region(block.node, block=block))
            continue
        meet = meets[here]
        interior = _between(g, here, meet, inside)
        regions.append(_fork(body, g, here, meet, interior))
        here = meet
    return regions


def _between(g: nx.DiGraph, start: int, end: int, inside: frozenset[int]) -> frozenset[int]:
    found: set[int] = set()
    stack = [n for n in g.successors(start) if n in inside and n != end]
    while stack:
        n = stack.pop()
        if n not in found:
            found.add(n)
            stack.extend(m for m in g.successors(n) if m != end)
    return frozenset(found)


def _fork(
    body: Chain, g: nx.DiGraph, start: int, end: int, inner: frozenset[int]
) -> Region:
    import networkx as nx

    block = body.steps[end].block
    sources = body.steps[end].sources
    parts = {n: i for i, p in enumerate(nx.weakly_connected_components(g.subgraph(inner)))
             for n in p}
    branch_of = [parts.get(s, -1 - k) for k, s in enumerate(sources)]
    entered_only_from_start = all(
        p == start or p in inner for n in inner for p in body.steps[n].sources
    )
    if (
        isinstance(block, Join)
        and entered_only_from_start
        and len(set(branch_of)) == len(sources)
        and all(s == start or s in inner for s in sources)
    ):
        branches: list[tuple[Region, ...]] = []
        for s in sources:
            if s == start:
                branches.append(())
                continue
            own = frozenset(n for n, i in parts.items() if i == parts[s])
            branches.append(tuple(_series(body, g, start, s, own)))
        return Region(block.node, branches=tuple(branches), join=block.join)
    order = nx.topological_sort(g.subgraph(inner | {end}))
    steps = tuple((n, body.steps[n].block, body.steps[n].sources) for n in order)
    return Region(block.node, steps=steps)
