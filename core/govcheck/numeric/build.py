"""The torch module of a network, built from its graph.

Parameters are named ``<node>.<parameter>`` whatever the layer is nested in, except that
copies of a repeated block are told apart: ``<repeat>.<k>.<node>.<parameter>``, k counting
from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import torch
from flint import arb
from torch import Tensor, nn

from govcheck.bounds.evaluate import EvaluationError, ball, evaluate
from govcheck.bounds.expr import ZERO, Expr, ExprLike, as_expr, num
from govcheck.errors import InputError, Problem
from govcheck.graph.architecture import Architecture
from govcheck.graph.blocks import Chain, Join, Leaf, Parallel, Repeat, Residual
from govcheck.plugin.layer import Shape, Values

MAX_COPIES = 10_000


def build(
    arch: Architecture,
    values: Mapping[str, str] | None = None,
    dtype: torch.dtype = torch.float64,
) -> nn.Module:
    """The network of an architecture on batches ``(N, *input)``, weights as layers leave them.

    Args:
        arch: the architecture; every symbol in a size or a count needs a value.
        values: numbers that override those of the file, such as ``{"m": "8", "eps": "1/10"}``.
        dtype: of the parameters.

    Raises:
        InputError: for an unknown symbol, a value that is no number, a formula without a
            value, or a size or count that is not a positive integer.
    """
    env = {s: evaluate(v, {}) for s, v in arch.values.items()}
    env.update(_overrides(arch, values or {}))
    return build_chain(arch.body, arch.input, values_in(env, arch.file)).to(dtype)


def _overrides(arch: Architecture, values: Mapping[str, str]) -> dict[Expr, arb]:
    found: dict[Expr, arb] = {}
    problems = []
    for name, text in values.items():
        if name not in arch.symbols:
            known = ", ".join(arch.symbols) or "none"
            problems.append(
                Problem("unknown-symbol", f"there is no symbol {name}", arch.file, known)
            )
            continue
        try:
            found[arch.symbols[name]] = ball(Fraction(text))
        except (ValueError, ZeroDivisionError):
            problems.append(
                Problem(
                    "bad-value", f"{name} = {text!r} is not a number", arch.file, "as in 3 or 1/10"
                )
            )
    if problems:
        raise InputError(problems)
    return found


def values_in(env: Mapping[Expr, arb], where: str = "") -> Values:
    """A function from formulas to floats under given symbol values.

    The function raises `InputError` for a formula that has no value.
    """

    def value(e: ExprLike) -> float:
        try:
            return float(evaluate(as_expr(e), env).mid())
        except EvaluationError as error:
            hint = "give every symbol of the network a value"
            raise InputError(Problem("no-value", str(error), where, hint)) from None

    return value


def build_chain(chain: Chain, shape: Sequence[ExprLike], values: Values) -> Network:
    """The module of a chain on batches ``(N, *shape)``.

    Args:
        chain: the blocks.
        shape: of one input sample, in numbers or formulas.
        values: turns formulas into floats.

    Raises:
        InputError: if a size or count is not a positive integer, or two layers have one name.
    """
    return Network(chain, tuple(map(as_expr, shape)), values)


class Network(nn.Module):
    """A chain of blocks; all layers outside of a repeat are direct children by node name.

    Args:
        chain: the blocks.
        shape: of one input sample.
        values: turns formulas into floats.
    """

    def __init__(self, chain: Chain, shape: Shape, values: Values) -> None:
        super().__init__()
        self.chain = chain
        self.values = values
        self.output_shape = _whole_shape(self._add_chain(chain, shape, values), values)

    def _add_chain(self, chain: Chain, shape: Shape, values: Values) -> Shape:
        shapes = [shape]
        for step in chain.steps:
            inputs = [shapes[s + 1] for s in step.sources]
            match step.block:
                case Leaf(node, layer) as leaf:
                    whole = _whole_shape(inputs[0], values)
                    self._add(node, layer.module(whole, values))
                    decided = inputs[0] if leaf.input is None else tuple(map(num, whole))
                    shapes.append(layer.shape(decided))
                case Repeat(node, times, body):
                    copies = Copies(body, inputs[0], _count(times, node, values), values)
                    self._add(node, copies)
                    shapes.append(inputs[0])
                case Residual(_, body):
                    shapes.append(self._add_chain(body, inputs[0], values))
                case Parallel(_, join, branches):
                    ends = [self._add_chain(b, inputs[0], values) for b in branches]
                    shapes.append(_joined_shape(join, ends))
                case Join(_, join):
                    shapes.append(_joined_shape(join, inputs))
        return shapes[-1]

    def _add(self, node: str, module: nn.Module) -> None:
        if node in self._modules:
            raise InputError(Problem("duplicate-name", f"two layers are named {node}"))
        # add_module refuses names of methods, such as a layer called "half"
        self._modules[node] = module

    def forward(self, x: Tensor) -> Tensor:
        """Apply the network to a batch."""
        return self._run(self.chain, x)

    def _run(self, chain: Chain, x: Tensor) -> Tensor:
        results = [x]
        for step in chain.steps:
            inputs = [results[s + 1] for s in step.sources]
            match step.block:
                case Leaf(node) | Repeat(node):
                    results.append(self._child(node)(inputs[0]))
                case Residual(_, body):
                    results.append(inputs[0] + self._run(body, inputs[0]))
                case Parallel(_, join, branches):
                    results.append(_joined(join, [self._run(b, inputs[0]) for b in branches]))
                case Join(_, join):
                    results.append(_joined(join, inputs))
        return results[-1]

    def _child(self, node: str) -> nn.Module:
        module = self._modules[node]
        assert module is not None
        return module


class Copies(nn.Sequential):
    """Copies of one block in a row, each with parameters of its own."""

    def __init__(self, body: Chain, shape: Shape, count: int, values: Values) -> None:
        super().__init__(*(Network(body, shape, values) for _ in range(count)))


def _joined(join: str, parts: Sequence[Tensor]) -> Tensor:
    if join == "concat":
        return torch.cat(list(parts), dim=1)
    total = parts[0]
    for p in parts[1:]:
        total = total + p
    return total


def _joined_shape(join: str, shapes: Sequence[Shape]) -> Shape:
    first = shapes[0]
    if join == "sum":
        return first
    total: Expr = ZERO
    for s in shapes:
        total = total + s[0]
    return (total, *first[1:])


def _whole_shape(shape: Shape, values: Values) -> tuple[int, ...]:
    return tuple(_whole(d, "a dimension", 1, values) for d in shape)


def _count(times: Expr, node: str, values: Values) -> int:
    count = _whole(times, f"the number of copies of {node}", 0, values)
    if count > MAX_COPIES:
        raise InputError(
            Problem("too-many", f"{node}: {count} copies are above the limit of {MAX_COPIES}")
        )
    return count


def _whole(e: Expr, what: str, least: int, values: Values) -> int:
    value = values(e)
    # floats hold these integers exactly; anything beyond is no size of an array
    if value != int(value) or not least <= value < 2**53:
        shown = num(Fraction(value))
        raise InputError(
            Problem("bad-size", f"{what} is {e!r} = {shown!r}", hint=f"an integer from {least} on")
        )
    return int(value)
