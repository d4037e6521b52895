"""Find the answers that ``QUANTITY`` or ``QUANTITY@NODE`` names."""

from __future__ import annotations

from dataclasses import dataclass

from govcheck.analysis import Analysis
from govcheck.bounds.answer import Bound, LocalBound
from govcheck.bounds.constants import START
from govcheck.bounds.loss import LOSS_MEANING
from govcheck.errors import InputError, Problem
from govcheck.report.derivation import premises_of
from govcheck.spec.names import shown, suggest


@dataclass(frozen=True)
class Found:
    """One answer with what it speaks of, in words."""

    about: str
    bound: Bound


def find(a: Analysis, target: str) -> list[Found]:
    """All answers with this name.

    ``Q`` is a constant of the whole network or of the loss. ``Q@NODE`` is first the
    constant of the layer or block NODE by itself, then that of the map composed up to and
    including NODE, as formulas name it: from the network's input, or inside a residual or
    parallel block from the input of that block.

    Raises:
        InputError: for a quantity or node that does not exist.
    """
    quantity, at, node = target.partition("@")
    if quantity in LOSS_MEANING and a.architecture.cost is None:
        raise InputError(Problem(
            "no-cost", f"{quantity} belongs to the loss, and the file names no cost", "QUANTITY",
            "add a line such as cost: square"))
    own = [q for c in a.local.values() for q in c.bounds]
    known = list(dict.fromkeys([*a.bounds, *own]))
    if quantity not in known:
        raise _unknown("quantity", quantity, known)
    if not at:
        if quantity not in a.bounds:
            raise InputError(Problem(
                "unknown-quantity", f"{quantity} is a constant of layers, not of the network",
                "QUANTITY", f"write {quantity}@LAYER"))
        return [Found("the loss" if a.bounds[quantity].node == "loss" else "the network",
                      a.bounds[quantity])]
    if node == "loss" and quantity in a.bounds and a.bounds[quantity].node == "loss":
        return [Found("the loss", a.bounds[quantity])]
    composed = premises_of(*(b for c in a.upto.values() for b in c.bounds.values()))
    # where a map begins there are bounds of the identity, named like the block before
    maps = [b for b in composed if not isinstance(b, LocalBound) and b.ref is not START]
    nodes = dict.fromkeys([*a.local, *(b.node for b in maps if b.node in _blocks(a))])
    if node not in nodes:
        raise _unknown("node", node, list(nodes))
    found = []
    if node in a.local and quantity in a.local[node].bounds:
        found.append(Found(f"the layer {node} by itself", a.local[node][quantity]))
    here = [b for b in maps if b.node == node and b.quantity == quantity]
    outer = a.upto.get(node)
    for b in here:
        if any(b is p for other in here for p in other.premises):
            found.append(Found(f"the block {node} by itself", b))
            continue
        whole = outer is not None and b is outer.bounds.get(quantity)
        start = "the network's input" if whole else "where its block or copy begins"
        found.append(Found(f"the map from {start} up to and including {node}", b))
    if not found:
        raise InputError(Problem(
            "unknown-quantity", f"there is no {quantity} of {node}", "QUANTITY",
            f"write {quantity} for the whole network" if quantity in a.bounds else ""))
    return found


def _blocks(a: Analysis) -> set[str]:
    """Names of all blocks of the architecture."""
    from govcheck.graph.blocks import children

    names: set[str] = set(a.upto)
    stack = [a.architecture.body]
    while stack:
        for step in stack.pop().steps:
            names.add(step.block.node)
            stack.extend(children(step.block))
    return names


def _unknown(kind: str, name: str, known: list[str]) -> InputError:
    hint = suggest(name, known, "quantities" if kind == "quantity" else f"{kind}s")
    return InputError(
        Problem(f"unknown-{kind}", f"there is no {kind} {shown(name)}", "QUANTITY", hint)
    )
