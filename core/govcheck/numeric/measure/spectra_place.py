"""Where a layer or a block sits in a network, and what goes into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor, nn

from govcheck.errors import InputError, Problem
from govcheck.graph.blocks import Chain, Join, Leaf, Parallel, Repeat, Residual, Step
from govcheck.numeric.build import Copies, Network, _joined

WHOLE: Final = "network"
SPAN: Final = ".."


class Part(nn.Module):
    """Some steps of a network, on what goes into the first of them.

    Args:
        network: that holds the layers.
        chain: the steps, sources counted among them.
    """

    def __init__(self, network: Network, chain: Chain) -> None:
        super().__init__()
        self.network, self.chain = network, chain

    def forward(self, x: Tensor) -> Tensor:
        """Apply the steps to a batch."""
        return self.network._run(self.chain, x)


@dataclass(frozen=True, eq=False)
class Place:
    """A part of a network and its input.

    Args:
        path: its name.
        part: the map of whole batches.
        x: what goes into it, ``(N, ...)``, float64.
    """

    path: str
    part: nn.Module
    x: Tensor


def names(network: nn.Module) -> list[str]:
    """Every layer and block by path, in the order they are applied; `locate` takes them."""
    if isinstance(network, Network):
        return [path for path, _, _, _ in _walk(network, network.chain, "")]
    return [name for name, _ in network.named_modules() if name]


def layers(network: nn.Module) -> list[str]:
    """The names of the innermost layers only."""
    if isinstance(network, Network):
        walked = _walk(network, network.chain, "")
        return [path for path, _, c, i in walked if isinstance(c.steps[i].block, Leaf)]
    return [n for n, m in network.named_modules() if n and next(m.children(), None) is None]


def _walk(
    network: Network, chain: Chain, prefix: str
) -> Iterator[tuple[str, Network, Chain, int]]:
    """Every block with the network and the chain that it is a step of."""
    for i, step in enumerate(chain.steps):
        block = step.block
        yield prefix + block.node, network, chain, i
        match block:
            case Residual(_, body):
                yield from _walk(network, body, prefix)
            case Parallel(_, _, branches):
                for branch in branches:
                    yield from _walk(network, branch, prefix)
            case Repeat(node):
                copies = network._child(node)
                assert isinstance(copies, Copies)
                for k, copy in enumerate(copies):
                    assert isinstance(copy, Network)
                    yield from _walk(copy, copy.chain, f"{prefix}{node}.{k}.")


def locate(network: nn.Module, node: str, x: Tensor) -> Place:
    """A layer or block, with what goes into it when the network gets the batch.

    Args:
        network: a built network, or any other module.
        node: ``network``; a path from `names`; or ``first..last`` for layers in a row, both
            ends included. A copy in a repeat is ``repeat.0.layer``. Of another module, a path
            of one of its submodules.
        x: the batch.

    Raises:
        InputError: if there is no such place, or it takes more than one input.
    """
    x = x.double()
    if node == WHOLE:
        return Place(node, network, x)
    if not isinstance(network, Network):
        found = dict(network.named_modules()).get(node)
        if found is None:
            raise _missing(network, node)
        return Place(node, found, _captured(network, found, x))
    first, _, last = node.partition(SPAN)
    places = {path: (n, c, i) for path, n, c, i in _walk(network, network.chain, "")}
    for name in (first, last or first):
        if name not in places:
            raise _missing(network, name)
    (owner, chain, i), (_, other, j) = places[first], places[last or first]
    if other is not chain or j < i:
        raise InputError(Problem("spectra-node", f"{node}: {last} does not come after {first} in "
                                 "the same row of layers", "--spectra"))
    part = Part(owner, _cut(chain, i, j, node))
    # the input of a part is that of its first step
    return Place(node, part, _into(network, x, owner, chain, i))


def _missing(network: nn.Module, node: str) -> InputError:
    known = names(network)
    shown = ", ".join(known[:40]) + (", ..." if len(known) > 40 else "")
    return InputError(Problem("spectra-node", f"the network has no layer {node!r}", "--spectra",
                              f"network, or one of {shown}; conv..relu for layers in a row"))


def _cut(chain: Chain, i: int, j: int, node: str) -> Chain:
    source = chain.steps[i].sources[0]
    steps: list[Step] = []
    for k in range(i, j + 1):
        step = chain.steps[k]
        inside = all(s == source or i <= s < k for s in step.sources)
        if not inside or (k == i and len(step.sources) > 1):
            raise InputError(Problem("spectra-node", f"{node} takes more than one input",
                                     "--spectra", "name a layer with one input"))
        steps.append(replace(step, sources=tuple(-1 if s == source else s - i
                                                 for s in step.sources)))
    return Chain(tuple(steps))


def _into(network: Network, x: Tensor, owner: Network, target: Chain, step: int) -> Tensor:
    """What goes into a step of a chain somewhere in the network."""
    found: list[Tensor] = []

    def run(at: Network, chain: Chain, value: Tensor) -> Tensor:
        results = [value]
        for k, s in enumerate(chain.steps):
            if chain is target and at is owner and k == step:
                found.append(results[s.sources[0] + 1])
                raise _Reached
            inner = results[s.sources[0] + 1]
            match s.block:
                case Leaf(node):
                    results.append(at._child(node)(inner))
                case Residual(_, body):
                    results.append(inner + run(at, body, inner))
                case Repeat(node):
                    for copy in at._child(node).children():
                        assert isinstance(copy, Network)
                        inner = run(copy, copy.chain, inner)
                    results.append(inner)
                case Parallel(_, join, branches):
                    results.append(_joined(join, [run(at, b, inner) for b in branches]))
                case Join(_, join):
                    results.append(_joined(join, [results[i + 1] for i in s.sources]))
        return results[-1]

    with torch.no_grad(), suppress(_Reached):
        run(network, network.chain, x)
    return found[0]


class _Reached(Exception):  # noqa: N818
    """The step is reached; nothing after it needs to run."""


def _captured(network: nn.Module, part: nn.Module, x: Tensor) -> Tensor:
    seen: list[Tensor] = []
    handle = part.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0].detach()))
    try:
        with torch.no_grad():
            network(x)
    finally:
        handle.remove()
    if not seen:
        raise InputError(Problem("spectra-node", "the layer is not reached", "--spectra"))
    return seen[0]
