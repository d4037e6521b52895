"""Self-attention written out: projections, scaled dot product, projection.

Between the projections and the product, programs move entries in many ways: views,
permutations, chunks. Which feature of a projection arrives where is found by sending the
number of each feature through the same calls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from govcheck.numeric.importing.trace import Traced, Values, evaluate
from govcheck.plugin.importing import Claim, UnclaimedError

TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Linear:
    """An affine map of tokens: a node, its input, weight and bias."""

    node: fx.Node
    input: fx.Node
    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True, eq=False)
class Attention:
    """All nodes of one self-attention.

    Args:
        input: what it takes.
        output: the node whose value it gives.
        inside: its nodes, with the output.
        heads, head: number of heads and size of each.
        weights: by name, as `multihead_attention` calls them.
    """

    input: fx.Node
    output: fx.Node
    inside: frozenset[fx.Node]
    heads: int
    head: int
    weights: Mapping[str, Tensor]

    def claim(self) -> Claim:
        """The layer."""
        settings = {"heads": self.heads, "head": self.head, "bias": "query_bias" in self.weights}
        return Claim("multihead_attention", settings, self.weights)


def attentions(
    traced: Traced, values: Values, wanted: bool
) -> tuple[list[Attention], dict[fx.Node, str]]:
    """All self-attentions of a graph that can be expressed, and why others cannot."""
    found = []
    reasons = {}
    for node in traced.graph.nodes if wanted else ():
        core = _core(node, values)
        if core is not None:
            try:
                found.append(_Matcher(traced, values).match(node, *core))
            except UnclaimedError as error:
                reasons[node] = f"it is no multihead_attention: {error}"
    return found, reasons


Core = tuple[fx.Node, fx.Node, fx.Node, frozenset[fx.Node], float | None]
"""Nodes of queries, keys and values, those in between, and the scale (None: the usual)."""


def _called(node: Any, *names: str) -> bool:
    if not isinstance(node, fx.Node) or node.op not in ("call_function", "call_method"):
        return False
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        return target._schema.name.split("::")[1] in names
    return (target if isinstance(target, str) else getattr(target, "__name__", "")) in names


def _core(node: fx.Node, values: Values) -> Core | None:
    if _called(node, "scaled_dot_product_attention"):
        return _fused(node, values)
    if _called(node, "matmul", "bmm"):
        return _written_out(node)
    return None


def _fused(node: fx.Node, values: Values) -> Core | None:
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale")
    given: dict[str, Any] = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    for name, value in given.items():
        if isinstance(value, fx.Node) and value not in values.dependent:
            given[name] = values.of[value]
    if given.get("attn_mask") is not None or given.get("is_causal") or given.get("dropout_p"):
        return None
    q, k, v = given["query"], given["key"], given["value"]
    assert isinstance(q, fx.Node) and isinstance(k, fx.Node) and isinstance(v, fx.Node)
    scale = given.get("scale")
    return q, k, v, frozenset({node}), None if scale is None else float(scale)


def _written_out(node: fx.Node) -> Core | None:
    """``softmax(s q @ k.transpose(-2, -1)) @ v``, s anywhere, dropout of rate 0 allowed."""
    weights, v = node.args[:2]
    inside = {node}
    scale = 1.0
    while isinstance(weights, fx.Node) and not _called(weights, "softmax", "_softmax"):
        if weights.op != "call_module" and not _called(weights, "dropout"):
            return None
        inside.add(weights)
        weights = weights.args[0]
    if not isinstance(weights, fx.Node):
        return None
    inside.add(weights)
    dim = weights.args[1] if len(weights.args) > 1 else weights.kwargs.get("dim")
    scores = weights.args[0]
    if dim != -1:
        return None
    while _called(scores, "mul", "truediv", "div"):
        assert isinstance(scores, fx.Node)
        inside.add(scores)
        factor = scores.args[1]
        if not isinstance(factor, int | float):
            return None
        scale = scale * factor if _called(scores, "mul") else scale / factor
        scores = scores.args[0]
    if not _called(scores, "matmul", "bmm"):
        return None
    assert isinstance(scores, fx.Node)
    inside.add(scores)
    q, turned = scores.args[:2]
    if not (isinstance(q, fx.Node) and isinstance(v, fx.Node) and isinstance(turned, fx.Node)):
        return None
    return q, turned, v, frozenset(inside), scale


class _Matcher:
    def __init__(self, traced: Traced, values: Values) -> None:
        self.traced, self.values = traced, values
        self.inside: set[fx.Node] = set()

    def match(
        self, node: fx.Node, q: fx.Node, k: fx.Node, v: fx.Node, inside: frozenset[fx.Node],
        scale: float | None,
    ) -> Attention:
        """The attention around a core.

        Raises:
            UnclaimedError: if it is of another kind.
        """
        self.inside |= inside
        self._nothing_is_dropped(inside)
        query, key, value = self._rows(q), self._rows(k), self._rows(v)
        written = scale is not None and not _called(node, "scaled_dot_product_attention")
        keys = key.places.transpose(-1, -2) if written else key.places
        heads, head = query.places.shape[1], query.places.shape[3]
        if keys.shape != query.places.shape or value.places.shape != query.places.shape:
            raise UnclaimedError("queries, keys and values have different shapes")
        total = query.factor * key.factor * (head**-0.5 if scale is None else scale)
        if abs(total * math.sqrt(head) - 1) > 1e-9 or abs(value.factor - 1) > TINY:
            raise UnclaimedError("its scale is not one over the root of the head's size")
        if len({query.linear.input, key.linear.input, value.linear.input}) > 1:
            raise UnclaimedError("queries, keys and values come from different tensors")
        weights: dict[str, Tensor] = {}
        for name, rows, places in (("query", query, query.places), ("key", key, keys),
                                   ("value", value, value.places)):
            rows.check_tokens(turned=written and name == "key")
            picked = _features(places)
            weights[name] = _pick(rows.linear.weight, picked)
            if rows.linear.bias is not None:
                weights[f"{name}_bias"] = _pick(rows.linear.bias, picked)
        self._output(node, heads, head, weights)
        biases = [n for n in weights if n.endswith("_bias")]
        if len(biases) not in (0, 4):
            raise UnclaimedError("some of the four projections have a bias and others do not")
        last = self.last
        self._not_used_elsewhere(last)
        return Attention(query.linear.input, last, frozenset(self.inside), heads, head, weights)

    def _nothing_is_dropped(self, inside: frozenset[fx.Node]) -> None:
        for n in inside:
            if n.op != "call_module" and not _called(n, "dropout"):
                continue
            source = n.args[0]
            if not (isinstance(source, fx.Node)
                    and torch.equal(self.values.of[n], self.values.of[source])):
                raise UnclaimedError("something is done to the attention weights")

    def _linear(self, node: fx.Node) -> Linear | None:
        known = self.values.of
        if node.op == "call_module":
            m = self.traced.module.get_submodule(str(node.target))
            if type(m) is nn.Linear and isinstance(node.args[0], fx.Node):
                return Linear(node, node.args[0], m.weight, m.bias)
        elif _called(node, "linear"):
            given = [*node.args, *[node.kwargs.get(n) for n in ("weight", "bias")]]
            x, w = given[0], node.args[1] if len(node.args) > 1 else node.kwargs.get("weight")
            b = node.args[2] if len(node.args) > 2 else node.kwargs.get("bias")
            if isinstance(x, fx.Node) and isinstance(w, fx.Node) and w not in self.values.dependent:
                bias = known[b] if isinstance(b, fx.Node) else None
                return Linear(node, x, known[w], bias)
        return None

    def _rows(self, end: fx.Node) -> _Rows:
        """From one projection to a tensor of heads."""
        moves: list[fx.Node] = []
        node = end
        while (linear := self._linear(node)) is None:
            moves.append(node)
            sources = [n for n in node.all_input_nodes if n in self.values.dependent]
            tensors = [n for n in sources if not _is_number(self.values.of[n])]
            if len(tensors) != 1 or len(moves) > 20:
                raise UnclaimedError("no projection comes before")
            node = tensors[0]
        shape = self.values.of[linear.node].shape
        if len(shape) != 3:
            raise UnclaimedError("the samples are no sequences of tokens")
        samples, tokens, features = shape
        numbers = torch.arange(1, features + 1).double().expand(shape)
        ones = torch.ones(shape).double()
        places, factors = (self._through(linear.node, moves, end, t) for t in (numbers, ones))
        if places.dim() != 4 or places.shape[0] != samples:
            raise UnclaimedError("it is no tensor of samples, heads, tokens and features")
        factor = float(factors.flatten()[0])
        if factor == 0 or not torch.allclose(factors, factors.new_full((), factor), rtol=TINY):
            raise UnclaimedError("the projections are not only moved")
        stamp = torch.arange(samples * tokens).double().reshape(samples, tokens, 1).expand(shape)
        moved = self._through(linear.node, moves, end, stamp) / factor
        self.inside |= {linear.node, *moves}
        return _Rows(linear, places / factor, factor, moved)

    def _through(
        self, start: fx.Node, moves: list[fx.Node], end: fx.Node, value: Tensor
    ) -> Tensor:
        values = dict(self.values.of)
        values[start] = value
        with torch.no_grad():
            for move in reversed(moves):
                values[move] = evaluate(self.traced.module, move, values)
        result = values[end]
        if not isinstance(result, Tensor):
            raise UnclaimedError("it is not one tensor")
        return result

    def _output(self, node: fx.Node, heads: int, head: int, weights: dict[str, Tensor]) -> None:
        """From the heads to the output projection."""
        mixed = self.values.of[node]
        moves: list[fx.Node] = []
        at = node
        while True:
            users = [u for u in at.users if u in self.values.dependent]
            if len(users) != 1:
                raise UnclaimedError("the heads are used more than once")
            at = users[0]
            linear = self._linear(at)
            if linear is not None:
                break
            moves.append(at)
            if len(moves) > 20:
                raise UnclaimedError("no projection follows")
        features = torch.arange(heads * head).double().reshape(1, heads, 1, head)
        samples, _, tokens, _ = mixed.shape
        numbers = features.expand(samples, heads, tokens, head)
        end = moves[-1] if moves else node
        arrived = self._through(node, list(reversed(moves)), end, numbers)
        if arrived.shape != (samples, tokens, heads * head):
            raise UnclaimedError("the heads are not joined to tokens")
        order = arrived[0, 0]
        if not bool((arrived == order).all()):
            raise UnclaimedError("the heads are not joined to tokens")
        tokens_numbered = torch.arange(samples * tokens).double().reshape(samples, 1, tokens, 1)
        stamps = self._through(node, list(reversed(moves)), end,
                               tokens_numbered.expand(samples, heads, tokens, head))
        if not bool((stamps == tokens_numbered.reshape(samples, tokens, 1)).all()):
            raise UnclaimedError("tokens are exchanged")
        inverse = torch.argsort(order)
        columns = linear.weight
        if not bool((inverse == torch.arange(heads * head)).all()):
            columns = linear.weight[:, inverse]
        weights["output"] = columns
        if linear.bias is not None:
            weights["output_bias"] = linear.bias
        self.inside |= {*moves, linear.node}
        self.last = linear.node

    def _not_used_elsewhere(self, last: fx.Node) -> None:
        for n in self.inside:
            if n is not last and any(
                u not in self.inside and u in self.values.dependent for u in n.users
            ):
                raise UnclaimedError("a part of the attention is used elsewhere")


@dataclass(frozen=True, eq=False)
class _Rows:
    linear: Linear
    places: Tensor
    factor: float
    stamps: Tensor

    def check_tokens(self, *, turned: bool) -> None:
        """Refuse if tokens or samples change places."""
        stamps = self.stamps.transpose(-1, -2) if turned else self.stamps
        samples, _, tokens, _ = stamps.shape
        wanted = torch.arange(samples * tokens).double().reshape(samples, 1, tokens, 1)
        if not bool(((stamps - wanted).abs() < 1e-6).all()):
            raise UnclaimedError("tokens are exchanged")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | torch.Size)


def _features(places: Tensor) -> Tensor:
    """The feature, from 0, that arrives at each place of each head."""
    first = places[:1, :, :1]
    if not bool((places - first).abs().max() < 1e-6):
        raise UnclaimedError("features depend on the token")
    return first.flatten().round().long() - 1


def _pick(tensor: Tensor, rows: Tensor) -> Tensor:
    start, count = int(rows[0]), len(rows)
    if bool((rows == torch.arange(start, start + count)).all()):
        return tensor[start : start + count]
    return tensor[rows]


