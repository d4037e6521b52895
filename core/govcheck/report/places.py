"""Where in its file an architecture says what: layers, blocks and the theorems it asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from govcheck.graph.architecture import Architecture
from govcheck.graph.blocks import Chain, Mark, children

Json = dict[str, Any]

_SUBJECT: Final = re.compile(r"([^\s,:]+(?:, [^\s,:]+)*)(?::| is | are )")


@dataclass(frozen=True)
class Places:
    """Marks by name.

    Args:
        file: the architecture file.
        nodes: of layers and blocks.
        theorems: of the requests.
    """

    file: str
    nodes: Mapping[str, Mark] = field(default_factory=dict)
    theorems: Mapping[str, Mark] = field(default_factory=dict)

    @property
    def start(self) -> Mark:
        """Where the file begins, for what has no place of its own."""
        return Mark(self.file, 1, 1)

    def theorem(self, name: str) -> Mark:
        """Where a theorem is asked for."""
        return self.theorems.get(name, self.start)

    def failing(self, doc: Json, theorem: str, hypothesis: Json) -> list[Mark]:
        """Where to look when a hypothesis does not hold.

        These are the layers and blocks that its evidence speaks of, one clause each, or else
        those at which the bounds it rests on are lost, or else the request of the theorem.
        """
        found: dict[Mark, None] = {}
        for clause in str(hypothesis["evidence"]).split("; "):
            subject = _SUBJECT.match(clause)
            names = subject[1].split(", ") if subject else []
            if names and all(n in self.nodes for n in names):
                found |= dict.fromkeys(self.nodes[n] for n in names)
        if not found:
            lost = _lost(doc, [p.partition("@")[0] for p in hypothesis["premises"]])
            found = dict.fromkeys(self.nodes[n] for n in lost if n in self.nodes)
        return sorted(found, key=lambda m: (m.line, m.column)) or [self.theorem(theorem)]


def places(architecture: Architecture) -> Places:
    """All marks of an architecture."""
    nodes: dict[str, Mark] = {}
    stack: list[Chain] = [architecture.body]
    while stack:
        for step in stack.pop().steps:
            nodes[step.block.node] = step.block.mark
            stack.extend(children(step.block))
    theorems = {t.name: t.mark for t in architecture.theorems or ()}
    return Places(architecture.file, nodes, theorems)


def _lost(doc: Json, quantities: list[str]) -> list[str]:
    """Names of the layers at which constants of the network or the loss are lost."""
    mode = doc["modes"][0]["name"]
    rows = {q["quantity"]: q["answers"][mode] for part in doc["bounds"].values() for q in part}
    found = []
    for q in quantities:
        unknown = rows[q]["unknown"] if q in rows else None
        found += [c["node"] for c in unknown["causes"]] if unknown else []
    return found
