"""The calls a module makes, as an fx graph in which claimed modules are single nodes."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from govcheck.errors import InputError, Problem
from govcheck.numeric.importing.collapse import collapsed
from govcheck.numeric.importing.problems import user_line

IsLeaf = Callable[[nn.Module], bool]
SAMPLES = 3
"""Number of samples in the batch that shapes are read from."""


@dataclass(frozen=True, eq=False)
class Traced:
    """A graph of a module.

    Args:
        module: the module itself; targets of the graph are paths in it.
        graph: calls in the order they are made.
        how: ``torch.fx`` or ``torch.export``.
    """

    module: nn.Module
    graph: fx.Graph
    how: str


class _Tracer(fx.Tracer):
    def __init__(self, is_leaf: IsLeaf) -> None:
        super().__init__()
        self.is_claimed = is_leaf
        self.record_stack_traces = True

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return self.is_claimed(m) or super().is_leaf_module(m, module_qualified_name)


def trace(module: nn.Module, x: Tensor, is_leaf: IsLeaf) -> Traced:
    """Trace symbolically, or with an example where Python code looks at values.

    Args:
        module: of one tensor.
        x: a batch.
        is_leaf: whether a submodule is claimed, so that it is not looked into.

    Raises:
        InputError: if neither way succeeds.
    """
    if is_leaf(module):
        return Traced(module, _single(), "torch.fx")
    try:
        graph = _Tracer(is_leaf).trace(module)
        _without_mutation(module, graph)
        return Traced(module, graph, "torch.fx")
    except Exception as symbolic:
        try:
            with _silence():
                return Traced(module, collapsed(module, x, is_leaf), "torch.export")
        except Exception as exported:
            raise InputError(Problem(
                "not-traceable",
                f"the module cannot be traced: torch.fx says {last_line(symbolic)!r}, "
                f"torch.export says {_first_line(exported)!r}",
                user_line(_stack(symbolic)),
                "forward must take one tensor and make the same calls for all inputs",
            )) from None


def _without_mutation(module: nn.Module, graph: fx.Graph) -> None:
    """Let what comes after a call that changes its argument take the call's result."""
    rank = {n: i for i, n in enumerate(graph.nodes)}
    for node in graph.nodes:
        changed = node.args[0] if node.args else None
        if isinstance(changed, fx.Node) and _mutates(module, node):
            for user in list(changed.users):
                if rank[user] > rank[node]:
                    user.replace_input_with(changed, node)


def _mutates(module: nn.Module, node: fx.Node) -> bool:
    if node.op == "call_module":
        return bool(getattr(module.get_submodule(str(node.target)), "inplace", False))
    if node.op == "call_method":
        name = str(node.target)
        return name.endswith("_") and not name.endswith("__")
    if node.op == "call_function":
        name = str(getattr(node.target, "__name__", ""))
        inplace = name in ("iadd", "isub", "imul", "itruediv") or (
            name.endswith("_") and not name.endswith("__"))
        return inplace or bool(node.kwargs.get("inplace"))
    return False


def _single() -> fx.Graph:
    graph = fx.Graph()
    graph.output(graph.call_module("", (graph.placeholder("x"),)))
    return graph


def _stack(error: BaseException) -> str:
    import traceback

    return "\n".join(traceback.format_tb(error.__traceback__))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Without what torch.export prints before it fails, which its error says again."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:120]}" if lines else type(error).__name__


def last_line(error: BaseException) -> str:
    """The last line of an error's text, with its type, at most 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__
    return text[:200]


@dataclass(frozen=True, eq=False)
class Values:
    """What each node of a graph computes on a batch.

    Args:
        of: the values. Those that do not depend on the batch carry the graph of autograd.
        dependent: nodes whose value is made of tensors that depend on the batch.
    """

    of: Mapping[fx.Node, Any]
    dependent: frozenset[fx.Node]


def run(traced: Traced, x: Tensor) -> Values:
    """Evaluate all nodes on a batch.

    Raises:
        InputError: if the module fails, with the last line of what it says.
    """
    values: dict[fx.Node, Any] = {}
    dependent: set[fx.Node] = set()
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            values[node] = _input(node, x, bool(dependent))
            if values[node] is x:
                dependent.add(node)
            continue
        on_data = any(n in dependent for n in node.all_input_nodes)
        try:
            with torch.set_grad_enabled(not on_data):
                values[node] = evaluate(traced.module, node, values)
        except Exception as error:
            raise InputError(Problem(
                "module-failed", f"the module fails on inputs {list(x.shape)}: {last_line(error)}",
                user_line(node.stack_trace), "give the shape of a batch it takes with --input",
            )) from None
        if on_data and _has_tensor(values[node]):
            dependent.add(node)
    return Values(values, frozenset(dependent))


def _input(node: fx.Node, x: Tensor, taken: bool) -> Any:
    if not taken:
        return x
    if node.args:
        return node.args[0]
    raise InputError(Problem("inputs", f"forward takes a second input, {node.name}",
                             hint="a network has one input; wrap the module in one that has"))


def evaluate(module: nn.Module, node: fx.Node, values: Mapping[fx.Node, Any]) -> Any:
    """The value of a node from those of its arguments."""
    def at(a: Any) -> Any:
        return fx.node.map_arg(a, lambda n: values[n])

    args, kwargs = at(node.args), at(node.kwargs)
    match node.op:
        case "get_attr":
            return attribute(module, str(node.target))
        case "call_module":
            return module.get_submodule(str(node.target))(*args, **kwargs)
        case "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        case "call_function":
            assert callable(node.target)
            return node.target(*args, **kwargs)
    return args[0]


def attribute(module: nn.Module, path: str) -> Any:
    """What a dotted path names in a module."""
    found: Any = module
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _has_tensor(value: Any) -> bool:
    if isinstance(value, Tensor):
        return True
    return isinstance(value, Sequence) and not isinstance(value, str | torch.Size) and any(
        _has_tensor(v) for v in value
    )
