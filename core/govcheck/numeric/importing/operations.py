"""Claims of all calls of a graph: operations and where each takes its input from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from govcheck.numeric.importing.attention import Attention, attentions
from govcheck.numeric.importing.claims import Claims, full_name
from govcheck.numeric.importing.problems import NotClaimedError, Unclaimed, user_line
from govcheck.numeric.importing.selection import untrained_or_computed
from govcheck.numeric.importing.trace import Traced, Values, run
from govcheck.plugin.importing import DATA, Call, Claim, UnclaimedError

INPUT = -1
CHANNELS = 1


@dataclass(frozen=True, eq=False)
class Operation:
    """A layer or a join.

    Args:
        sources: indices of earlier operations, `INPUT` for the network's input.
        shape: of one output sample.
        path: of the module it comes from.
        claim: the layer; None for a join.
        join: ``sum`` or ``concat``; empty for a layer.
    """

    sources: tuple[int, ...]
    shape: tuple[int, ...]
    path: str
    claim: Claim | None = None
    join: str = ""


@dataclass(eq=False)
class Operations:
    """Operations in an order in which each comes after its sources.

    Args:
        steps: the operations.
        output: index of the one that puts out.
        notes: of the claims.
        input: shape of an input sample.
    """

    steps: list[Operation] = field(default_factory=list)
    output: int = INPUT
    notes: list[str] = field(default_factory=list)
    input: tuple[int, ...] = ()

    def add(self, step: Operation) -> int:
        """Its index."""
        self.steps.append(step)
        return len(self.steps) - 1


def operations(traced: Traced, x: Tensor, claims: Claims) -> Operations:
    """Claim every call that leads from the input to the output.

    Raises:
        NotClaimedError: listing everything that is not claimed.
        InputError: if the module fails on the batch.
    """
    return _Reader(traced, run(traced, x), x, claims).read()


class _Reader:
    def __init__(self, traced: Traced, values: Values, x: Tensor, claims: Claims) -> None:
        self.traced, self.values, self.claims = traced, values, claims
        self.samples = len(x)
        self.out = Operations(input=tuple(x.shape[1:]))
        self.problems: list[Unclaimed] = []
        self.place: dict[fx.Node, int] = {}
        self.paths = _paths(traced)
        self.reasons: dict[fx.Node, str] = {}
        self.failed: set[fx.Node] = set()

    def read(self) -> Operations:
        """All operations, or everything that is wrong."""
        graph = self.traced.graph
        result = next(n for n in graph.nodes if n.op == "output").args[0]
        if not isinstance(result, fx.Node) or not isinstance(self._value(result), Tensor):
            kind = type(result).__name__
            raise NotClaimedError([Unclaimed("", "output", f"it is a {kind}, not one tensor")])
        needed = self._needed(result)
        wanted = "multihead_attention" in self.claims.layers
        found, self.reasons = attentions(self.traced, self.values, wanted)
        inner = {n for a in found for n in a.inside if n is not a.output}
        by_output = {a.output: a for a in found}
        for node in graph.nodes:
            if node.op == "placeholder" and node in self.values.dependent:
                self.place[node] = INPUT
            elif node in needed and node in self.values.dependent and node not in inner:
                self._node(node, by_output.get(node))
        self._hooks()
        if self.problems:
            raise NotClaimedError(self.problems)
        self.out.output = self.place[result]
        return self.out

    def _value(self, node: fx.Node) -> Any:
        value = self.values.of[node]
        # attention gives its weights as well
        is_pair = node.op == "call_module" and isinstance(value, tuple)
        return value[0] if is_pair else value

    def _needed(self, result: fx.Node) -> set[fx.Node]:
        needed: set[fx.Node] = set()
        stack = [result]
        while stack:
            node = stack.pop()
            if node not in needed:
                needed.add(node)
                stack += node.all_input_nodes
        return needed

    def _node(self, node: fx.Node, attention: Attention | None) -> None:
        path = self.paths.get(node, "")
        try:
            self.place[node] = self._attended(attention, path) if attention else self._claimed(
                node, path)
        except UnclaimedError as error:
            self._problem(node, self.reasons.get(node, str(error)))
            self.place[node] = INPUT

    def _problem(self, node: fx.Node, why: str) -> None:
        self.failed.add(node)
        self.problems.append(Unclaimed(
            self.paths.get(node, ""), _what(self.traced.module, node), why,
            user_line(node.stack_trace)))

    def _attended(self, found: Attention, path: str) -> int:
        shape = tuple(self._value(found.output).shape[1:])
        return self._chain([found.claim()], self.place[found.input], [shape], path)

    def _claimed(self, node: fx.Node, path: str) -> int:
        sources = [n for n in _in_order(node) if n in self.values.dependent]
        value = self._value(node)
        if not isinstance(value, Tensor):
            raise UnclaimedError("it gives several tensors")
        if _name(node) == "getitem" and isinstance(self.values.of[sources[0]], tuple):
            return self._of_pair(node, sources[0])
        for tensor, what in ((self._value(sources[0]), "takes"), (value, "gives")):
            if tensor.dim() == 0 or tensor.shape[0] != self.samples:
                raise UnclaimedError(f"it {what} a tensor of shape {list(tensor.shape)}, whose "
                                     "first dimension is not that of the samples")
        join = self._join(node, sources, value)
        if join is not None:
            return join
        call = self._call(node, sources, value)
        claims = list(self.claims.of(call))
        for claim in claims:
            for name, tensor in claim.weights.items():
                untrained_or_computed(name, tensor)
        return self._chain(claims, self.place[sources[0]], self._shapes(call, claims), path)

    def _shapes(self, call: Call, claims: Sequence[Claim]) -> list[tuple[int, ...]]:
        """The shape that each of several layers puts out."""
        shape = call.shape
        found = []
        for claim in claims:
            shape = self.claims.shape(claim, shape)
            found.append(shape)
        if claims and shape != call.out:
            raise UnclaimedError(f"{claims[-1].layer} gives {list(shape)}, not "
                                 f"{list(call.out)}; this is a fault of the plugin")
        return found

    def _of_pair(self, node: fx.Node, source: fx.Node) -> int:
        if source in self.failed:
            # said already
            self.failed.add(node)
            return INPUT
        if source.op != "call_module" or node.args[1] != 0:
            raise UnclaimedError("it takes apart something that is not claimed")
        return self.place[source]

    def _join(self, node: fx.Node, sources: list[fx.Node], value: Tensor) -> int | None:
        name = _name(node)
        if name == "add" and len(sources) == 2:
            if node.kwargs.get("alpha", 1) != 1 or len(node.args) > 2:
                raise UnclaimedError("alpha is not 1")
            if any(self._value(s).shape != value.shape for s in sources):
                raise UnclaimedError("the summands have different shapes")
            return self._joined("sum", sources, value, node)
        if name in ("cat", "concat"):
            parts = node.args[0] if node.args else node.kwargs.get("tensors")
            dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
            if isinstance(parts, list | tuple) and all(p in self.values.dependent for p in parts):
                if dim != CHANNELS:
                    raise UnclaimedError("it joins along another dimension than the first of a "
                                         "sample")
                return self._joined("concat", list(parts), value, node)
        return None

    def _joined(self, join: str, sources: Iterable[fx.Node], value: Tensor, node: fx.Node) -> int:
        places = tuple(self.place[s] for s in sources)
        shape = tuple(value.shape[1:])
        return self.out.add(Operation(places, shape, self.paths.get(node, ""), join=join))

    def _call(self, node: fx.Node, sources: list[fx.Node], value: Tensor) -> Call:
        def value_of(n: fx.Node) -> Any:
            return DATA if n in self.values.dependent else self.values.of[n]

        def known(a: Any) -> Any:
            return fx.node.map_arg(a, value_of)

        module = None
        name = _name(node)
        if node.op == "call_module":
            module = self.traced.module.get_submodule(str(node.target))
            name = self.claims.kind(module) or full_name(type(module))
        return Call(
            name, known(node.args), known(node.kwargs),
            tuple(self._value(sources[0]).shape[1:]), tuple(value.shape[1:]), module,
            self.traced.module.training if module is None else module.training,
            len(set(sources)),
        )

    def _chain(
        self, claims: Sequence[Claim], source: int, shapes: Sequence[tuple[int, ...]], path: str
    ) -> int:
        for claim, shape in zip(claims, shapes, strict=True):
            source = self.out.add(Operation((source,), shape, path, claim))
            place = f"{path}: " if path else ""
            self.out.notes += [f"{place}{note}" for note in claim.notes]
        return source

    def _hooks(self) -> None:
        for path, m in self.traced.module.named_modules():
            if m._forward_hooks or m._forward_pre_hooks or m._backward_hooks:
                self.problems.append(Unclaimed(
                    path, type(m).__name__, "it has hooks, which can compute anything; "
                    "parametrizations of torch.nn.utils replace those for weights"))


def _in_order(node: fx.Node) -> list[fx.Node]:
    """All input nodes, as often as they occur."""
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), found.append)
    return found


def _name(node: fx.Node) -> str:
    """The plain name of a function or method: ``add`` for ``+``, ``torch.add``, ``x.add_``."""
    target = node.target
    if node.op == "call_method":
        name = str(target)
    elif isinstance(target, torch._ops.OpOverload):
        name = target._schema.name.split("::")[1]
    else:
        name = str(getattr(target, "__name__", target))
    name = name.rstrip("_") if not name.startswith("__") else name.strip("_")
    return ALIASES.get(name, name)


ALIASES: Mapping[str, str] = {
    "iadd": "add", "imul": "mul", "isub": "sub", "itruediv": "truediv", "div": "truediv",
    "multiply": "mul", "subtract": "sub", "divide": "truediv", "true_divide": "truediv",
    "concatenate": "cat", "concat": "cat", "negative": "neg", "_softmax": "softmax",
    "swapaxes": "transpose", "unsafe_view": "view", "reshape_as": "reshape",
}


def _what(module: nn.Module, node: fx.Node) -> str:
    if node.op == "call_module":
        return str(type(module.get_submodule(str(node.target))).__name__)
    return _name(node)


def _paths(traced: Traced) -> dict[fx.Node, str]:
    """The module that each node belongs to."""
    found = {}
    for node in traced.graph.nodes:
        stack = node.meta.get("nn_module_stack")
        if node.op == "call_module":
            found[node] = str(node.target)
        elif "path" in node.meta:
            found[node] = node.meta["path"]
        elif stack:
            found[node] = str(list(stack.values())[-1][0])
    return found
