"""From a torch module to an architecture with the module's weights, and back."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from govcheck.errors import InputError, Problem
from govcheck.graph.architecture import Architecture
from govcheck.graph.blocks import Chain, Join, Leaf, Parallel, Repeat, Residual
from govcheck.loading import loads
from govcheck.numeric.build import build
from govcheck.numeric.importing.check import TOLERANCE, Check, compare
from govcheck.numeric.importing.claims import Claims
from govcheck.numeric.importing.fold import folded
from govcheck.numeric.importing.operations import operations
from govcheck.numeric.importing.problems import NotClaimedError, Unclaimed
from govcheck.numeric.importing.selection import usage
from govcheck.numeric.importing.structure import Block, Branches, Fold, Item, structure, tidy
from govcheck.numeric.importing.text import SIZES, document
from govcheck.numeric.importing.trace import SAMPLES, Traced, trace
from govcheck.plugin.registry import Registry, load_registry

Mode = Literal["train", "eval"]
MOVE = 0.1
"""The check moves each parameter by so much, relative to its size, from where it is."""


@dataclass(frozen=True, eq=False)
class Imported:
    """A torch module as an architecture.

    Args:
        architecture: what the module computes.
        text: the same as a file.
        weights: parameters and buffers of the network that `govcheck.to_torch` builds, by
            name, with the values of the module, in float64.
        names: for each parameter of that network, the parameters of the module it is made of.
        notes: what the user should know.
        how: ``torch.fx`` or ``torch.export``.
        check: the comparison; None if it was not asked for.
    """

    architecture: Architecture
    text: str
    weights: dict[str, Tensor]
    names: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    how: str = "torch.fx"
    check: Check | None = field(default=None)

    def network(self) -> nn.Module:
        """The architecture in torch, with the module's weights, in float64."""
        network = build(self.architecture)
        network.load_state_dict(self.weights)
        return network

    def save_weights(self, path: str | Path) -> None:
        """Write the weights, for ``measure --at`` (.safetensors) or ``certify --from`` (.npz).

        Raises:
            InputError: for another suffix, or if the file cannot be written.
        """
        from govcheck.numeric.importing.files import save_weights

        save_weights(self.weights, list(self.names), Path(path))


def from_torch(
    module: nn.Module,
    example: Tensor | Sequence[int],
    *,
    mode: Mode | None = None,
    symbols: Mapping[str, int] | None = None,
    name: str = "",
    origin: str = "",
    check: bool = True,
    repeats: bool = True,
    seed: int = 0,
    registry: Registry | None = None,
) -> Imported:
    """The architecture of a torch module, with its weights.

    Everything the module does must be claimed by a plugin; what is not is listed at once. The
    check compares outputs and gradients in float64 at the module's weights and at weights
    moved by 10 % at random: parts that begin at 0 would be invisible otherwise.

    Args:
        module: of one tensor, samples along the first dimension. It is not changed.
        example: an input batch, or its shape.
        mode: whether batch norm and dropout are as in training; as the module is when omitted.
        symbols: sizes that become symbols, such as ``{"m": 64}``.
        name: of the architecture; the class of the module when omitted.
        origin: for the comment above the file.
        check: compare outputs and gradients.
        repeats: write equal blocks in a row as one `repeat`.
        seed: of the inputs of the check.
        registry: the plugins; loaded when omitted.

    Raises:
        NotClaimedError: listing everything that is not claimed.
        InputError: if the module cannot be copied, traced or run, a symbol stands for no size,
            or the network that is built computes something else.
    """
    shape = tuple(example.shape if isinstance(example, Tensor) else example)
    if len(shape) < 2:
        raise InputError(Problem("input", f"{list(shape)} is no shape of a batch",
                                 hint="the number of samples, then the shape of one"))
    registry = registry or load_registry()
    own = _copied(module, mode)
    _settle(own)
    claims = Claims(registry, own)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(SAMPLES, *shape[1:], generator=generator, dtype=torch.float64)
    reader = _Reader(trace(own, x, claims.is_leaf), x, claims, repeats)
    found = reader.read()
    names = dict(symbols or {})
    title = name or type(module).__name__
    text = document(title, shape[1:], found.blocks, names, origin or f"Imported from {title}.")
    _symbols_are_used(names, shape[1:], found.blocks)
    arch = loads(text, registry=registry)
    state = found.state(arch)
    network = build(arch)
    trained = [n for n, _ in network.named_parameters()]
    made = _names(state, trained, own)
    weights = {k: t.detach().clone().contiguous() for k, t in state.items()}
    result = Imported(arch, text, weights, made, _notes(found.notes, made, own),
                      reader.traced.how)
    if not check:
        return result
    return Imported(arch, text, weights, made, result.notes, result.how,
                    _checked(reader, arch, network, state, generator, seed))


def to_torch(arch: Architecture, values: Mapping[str, str] | None = None) -> nn.Module:
    """The torch module of an architecture, in float64; see `govcheck.numeric.build.build`."""
    return build(arch, values)


def _copied(module: nn.Module, mode: Mode | None) -> nn.Module:
    try:
        own = copy.deepcopy(module)
    except Exception as error:
        raise InputError(Problem(
            "not-copied", f"the module cannot be copied: {error}",
            hint="weights computed by hooks are the usual cause; use "
            "torch.nn.utils.parametrizations")) from None
    own.to(device="cpu", dtype=torch.float64)
    if mode is not None:
        own.train(mode == "train")
    return own


def _settle(module: nn.Module) -> None:
    """Put the vectors of spectral_norm where power iteration leads."""
    for m in module.modules():
        for name, steps in getattr(m, "parametrizations", {}).items():
            for step in steps:
                if type(step).__name__ == "_SpectralNorm" and getattr(step, "dim", 0) == 0:
                    rows = getattr(m.parametrizations, name).original.detach().flatten(1)
                    left, _, right = torch.linalg.svd(rows, full_matrices=False)
                    step._u.copy_(left[:, 0])
                    step._v.copy_(right[0])


@dataclass(frozen=True, eq=False)
class _Found:
    blocks: list[Block]
    notes: list[str]

    def state(self, arch: Architecture) -> dict[str, Tensor]:
        """Parameters and buffers of the network, with the graph of autograd."""
        return dict(_state(arch.body, self.blocks, ""))


class _Reader:
    def __init__(self, traced: Traced, x: Tensor, claims: Claims, repeats: bool) -> None:
        self.traced, self.x, self.claims, self.repeats = traced, x, claims, repeats

    def read(self) -> _Found:
        """The blocks, at the weights that the module has now."""
        found = tidy(operations(self.traced, self.x, self.claims))
        blocks = structure(found)
        if self.repeats:
            blocks = folded(blocks, tuple(self.x.shape[1:]))
        return _Found(blocks, found.notes)


def _state(chain: Chain, blocks: Sequence[Block], path: str) -> Iterator[tuple[str, Tensor]]:
    """What a chain's parameters are called, from blocks of the same structure."""
    if len(chain.steps) != len(blocks):
        raise AssertionError("the file does not have the structure it was written with")
    for step, block in zip(chain.steps, blocks, strict=True):
        match step.block, block:
            case Leaf(node, layer), Item() if block.operation.claim is not None:
                claim = block.operation.claim
                assert layer.name == claim.layer
                for name, tensor in {**claim.weights, **claim.buffers}.items():
                    yield f"{path}{node}.{name}", tensor
            case Repeat(node, _, body), Fold():
                for k, copied in enumerate(block.copies):
                    yield from _state(body, copied, f"{path}{node}.{k}.")
            case Residual(_, body), Branches():
                yield from _state(body, block.parts[0], path)
            case Parallel(_, _, branches), Branches():
                for b, part in zip(branches, block.parts, strict=True):
                    yield from _state(b, part, path)
            case Join(), Item():
                pass
            case _:
                raise AssertionError("the file does not have the structure it was written with")


def _names(
    state: Mapping[str, Tensor], trained: Sequence[str], module: nn.Module
) -> dict[str, tuple[str, ...]]:
    """For each parameter of the network, those of the module it is made of.

    Raises:
        NotClaimedError: if a parameter is used twice or is frozen, or one is without a source.
    """
    paths = {id(p): n for n, p in module.named_parameters()}
    problems = []
    made: dict[str, tuple[str, ...]] = {}
    owners: dict[str, list[str]] = {}
    total: dict[str, Tensor] = {}
    for name in trained:
        used = [(paths[id(p)], c) for p, c in usage(state[name])]
        for n, count in used:
            owners.setdefault(n, []).append(name)
            total[n] = total[n] + count if n in total else count
        made[name] = tuple(n for n, _ in used)
    for n, count in total.items():
        if bool((count > 1).any()):
            problems.append(Unclaimed(
                n, "tied weight", f"it is used by {' and '.join(owners[n])}; architecture files "
                "have no tied weights, each layer has parameters of its own"))
        elif not bool((count == 1).all()):
            problems.append(Unclaimed(
                n, "parameter", "only a part of it is used, and its gradient is 0 elsewhere"))
    if problems:
        raise NotClaimedError(problems)
    return made


def _notes(
    notes: Sequence[str], made: Mapping[str, tuple[str, ...]], module: nn.Module
) -> tuple[str, ...]:
    """All notes once, with parameters that the module has and does not use."""
    used = {n for sources in made.values() for n in sources}
    idle = [f"{n}: the module does not use this parameter"
            for n, p in module.named_parameters() if n not in used and p.requires_grad]
    return tuple(dict.fromkeys([*notes, *idle]))


def _symbols_are_used(
    symbols: Mapping[str, int], given: Sequence[int], blocks: Sequence[Block]
) -> None:
    sizes = set(given) | set(_sizes(blocks))
    problems = [
        Problem("symbol", f"no size is {value}", f"--symbol {name}={value}",
                "sizes: " + ", ".join(map(str, sorted(sizes))))
        for name, value in symbols.items() if value not in sizes
    ]
    if len(set(symbols.values())) < len(symbols):
        problems.append(Problem("symbol", "two symbols have one value", "--symbol"))
    if problems:
        raise InputError(problems)


def _sizes(blocks: Sequence[Block]) -> Iterator[int]:
    for block in blocks:
        if isinstance(block, Item):
            claim = block.operation.claim
            settings = {} if claim is None else claim.settings
            for value in (settings[k] for k in SIZES if k in settings):
                numbers = value if isinstance(value, list) else [value]
                yield from (n for n in numbers if isinstance(n, int))
        else:
            parts = block.parts if isinstance(block, Branches) else block.copies[:1]
            for part in parts:
                yield from _sizes(part)


def _checked(
    reader: _Reader, arch: Architecture, network: nn.Module, state: Mapping[str, Tensor],
    generator: torch.Generator, seed: int,
) -> Check:
    """Compare at the module's weights and at weights nearby.

    Raises:
        InputError: if they differ.
    """
    module = reader.traced.module
    x = torch.randn(reader.x.shape, generator=generator, dtype=torch.float64)
    found = [compare(module, network, state, x, seed)]
    with torch.no_grad():
        for p in module.parameters():
            size = float(p.abs().mean()) or MOVE
            p.add_(MOVE * size * torch.randn(p.shape, generator=generator, dtype=torch.float64))
    _settle(module)
    found.append(compare(module, network, reader.read().state(arch), x, seed))
    worst = max(found, key=lambda c: max(c.output, c.gradient))
    if not worst.passed:
        of = f" (worst in {worst.worst})" if worst.worst else ""
        raise InputError(Problem(
            "differs", f"the imported network computes something else: {worst}{of}, more than "
            f"{TOLERANCE:g}", hint="a plugin claims something it does not compute; --no-check "
            "writes the file all the same"))
    return worst
