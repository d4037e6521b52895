"""A graph from ``torch.export``, with all calls inside a claimed module as one node."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn


def collapsed(module: nn.Module, x: Tensor, is_leaf: Callable[[nn.Module], bool]) -> fx.Graph:
    """The exported graph of a module with targets in the module itself.

    Args:
        module: of one tensor.
        x: a batch.
        is_leaf: whether a submodule is claimed.
    """
    exported = torch.export.export(module, (x,), strict=False)
    program = exported.module(check_guards=False)
    groups = _groups(program.graph, module, is_leaf)
    graph = fx.Graph()
    made: dict[fx.Node, Any] = {}
    for node in program.graph.nodes:
        if node in groups:
            path, calls = groups[node]
            if node is calls[-1]:
                inputs = _inputs(calls, program)
                attends = isinstance(module.get_submodule(path), nn.MultiheadAttention)
                if attends and len(inputs) == 1:
                    # queries, keys and values
                    inputs *= 3
                made[node] = call = graph.call_module(path, tuple(made[n] for n in inputs))
                call.stack_trace = node.stack_trace
                if attends:
                    made[node] = graph.call_function(operator.getitem, (call, 0))
            continue
        if node.op == "call_module":
            continue
        if node.op == "output":
            (value,) = node.args[0] if isinstance(node.args[0], tuple | list) else node.args
            graph.output(made[value])
            continue
        made[node] = graph.node_copy(node, lambda n: made[n])
        made[node].stack_trace = node.stack_trace
        made[node].meta["path"] = _innermost(node)
    return graph


def _innermost(node: fx.Node) -> str:
    paths = [_plain(path) for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
    return paths[-1] if paths else ""


def _plain(path: str) -> str:
    return path.removeprefix("L['self'].").removeprefix("L['self']").split("@")[0]


def _groups(
    graph: fx.Graph, module: nn.Module, is_leaf: Callable[[nn.Module], bool]
) -> dict[fx.Node, tuple[str, list[fx.Node]]]:
    """For each call inside a claimed module: its path and all calls of the same call of it."""
    found: dict[fx.Node, tuple[str, list[fx.Node]]] = {}
    by_call: dict[str, tuple[str, list[fx.Node]]] = {}
    for node in graph.nodes:
        if node.op != "call_function":
            continue
        for key, (raw, _) in (node.meta.get("nn_module_stack") or {}).items():
            path = _plain(raw)
            if path and is_leaf(module.get_submodule(path)):
                # a second call of the same module has a key of its own
                group = by_call.setdefault(str(key), (path, []))
                group[1].append(node)
                found[node] = group
                break
    return found


def _inputs(calls: list[fx.Node], program: fx.GraphModule) -> list[fx.Node]:
    inside = set(calls)
    inputs: dict[fx.Node, None] = {}
    for call in calls:
        for n in call.all_input_nodes:
            if n not in inside and n.op != "get_attr":
                inputs[n] = None
    return list(inputs)
