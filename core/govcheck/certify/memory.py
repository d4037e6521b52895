"""How much memory finding a certificate takes, known before it is looked for."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Final

from govcheck.certify import checker
from govcheck.certify.floats import FloatNetwork

if TYPE_CHECKING:
    from govcheck.certify.program import Task

INTEGER: Final = 68
"""Bytes of an integer of 256 bits and of its place in a list."""


def peak(task: Task, bits: int = 128, *, shadow: bool = False) -> int:
    """Bytes at the peak: of the search in float64 or of its checker, the larger.

    Args:
        task: what is to be certified.
        bits: of the checker's numbers.
        shadow: whether the checker follows training.

    Raises:
        ValueError: if the network cannot be certified.
    """
    shapes = {name: w.shape for name, w in task.parameters.items()}
    try:
        net = FloatNetwork(task.operations, shapes, task.inputs)
    except checker.MalformedError as error:
        raise ValueError(f"this network cannot be certified: {error}") from None
    return max(_search(net, shapes), INTEGER * _held(net, task, shapes, bits, shadow=shadow))


def _search(net: FloatNetwork, shapes: dict[str, tuple[int, ...]]) -> int:
    """Values and adjoints of all nodes, the rows of one layer's Jacobian, Gram matrices."""
    rows = net.samples * net.outputs
    adjoints = (net.samples + rows) * sum(n.size for n in net.nodes)
    patches = sum(net.samples * net.places[k].size for k in net.places)
    own = [0]
    for k, n in enumerate(net.nodes):
        if n.weight is None or (n.op == "linear" and n.normalise == "none" and k not in net.places):
            continue
        own.append(rows * prod(shapes[n.weight]))
    copies = 3 if any(n.normalise != "none" for n in net.nodes) else 2
    return 8 * (adjoints + patches + copies * max(own) + 4 * rows**2
                + 4 * sum(map(prod, shapes.values())))


def _held(
    net: FloatNetwork, task: Task, shapes: dict[str, tuple[int, ...]], bits: int, *, shadow: bool
) -> int:
    """Integers that the checker holds, by its own account."""
    # a range has the length of the numbers and holds none of them
    arrays = {n: checker.Array(s, range(prod(s))) for n, s in shapes.items()}  # type: ignore[arg-type]
    inputs = checker.Array(task.inputs.shape, [])
    claim = checker.Certificate(
        grid=checker.Grid(bits), nodes=net.nodes, parameters=arrays, inputs=inputs,
        targets=inputs, cost=task.cost, step=Fraction(1),
        written=(Fraction(1), Fraction(1)), claims={}, shift=Fraction(0),
        factor=[], steps=int(shadow), reach=Fraction(0),
    )
    return checker.work(claim)[1]
