"""A network cut into layers of the width theory: weights, activation, and factors between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Union

from flint import arb

from govcheck.bounds.evaluate import EvaluationError, evaluate
from govcheck.bounds.expr import ONE, ZERO, Expr, mul
from govcheck.bounds.printing import text
from govcheck.graph.blocks import Block, Chain, Leaf, Repeat, Residual
from govcheck.plugin.activation import Activation
from govcheck.plugin.isometry import Isometry
from govcheck.plugin.layer import Layer

MAX_LAYERS: Final = 10_000


class OtherNetError(Exception):
    """The network is none of these."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(reason)
        self.node, self.reason = node, reason


@dataclass(eq=False)
class Stage:
    """One W with the activation after it.

    Args:
        leaf: the layer with W.
        before: the factor before its activation.
        activation: the activation.
        after: the factor after the activation, where a skip ends; else it is the next `before`.
        trained: the layer with a trained factor after the activation.
    """

    leaf: Leaf
    before: Expr
    activation: Leaf | None = None
    after: Expr = ONE
    trained: Leaf | None = None


@dataclass(frozen=True, eq=False)
class Cut:
    """A network of the right shape.

    Args:
        plain: layers before the residual ones.
        branches: residual layers.
        readout: the last layer.
        pending: factor between the last activation and the readout, where no skip ends there.
        hidden: number of hidden layers as a formula.
    """

    plain: list[Stage]
    branches: list[Stage]
    readout: Leaf
    pending: Expr
    hidden: Expr


_Unit = Union[Leaf, Residual]


@dataclass(eq=False)
class _Units:
    """The outer steps in order, repeats unrolled, with the number of layers as a formula."""

    units: list[_Unit] = field(default_factory=list)
    hidden: Expr = ZERO


class Cutter:
    """Cuts a network at its layers with weights.

    Args:
        env: values of symbols.
    """

    def __init__(self, env: Mapping[Expr, arb]) -> None:
        self.env = env

    def cut(self, body: Chain) -> Cut:
        """The layers of a network.

        Raises:
            OtherNetError: at the first step that the theory does not have.
        """
        outer = _Units()
        self._unroll(body, outer)
        return self._stages(outer.units, outer.hidden)

    def _unroll(self, body: Chain, found: _Units) -> None:
        if not body.linear:
            raise OtherNetError("", "steps take their input from elsewhere than the step before")
        for step in body.steps:
            block = step.block
            match block:
                case Leaf():
                    found.units.append(block)
                    if isinstance(block.layer, Activation):
                        # each hidden layer has one
                        found.hidden += 1
                case Residual():
                    found.units.append(block)
                    found.hidden += 1
                case Repeat():
                    count = self._count(block)
                    inner = _Units()
                    self._unroll(block.body, inner)
                    if len(inner.units) * count + len(found.units) > 4 * MAX_LAYERS:
                        raise OtherNetError(block.node, f"more than {MAX_LAYERS} layers")
                    found.units += inner.units * count
                    found.hidden += block.times * inner.hidden
                case _:
                    raise OtherNetError(
                        block.node,
                        f"it is a {_word(block)} block, which the networks "
                        "of the theory do not have",
                    )

    def _count(self, block: Repeat) -> int:
        try:
            count = evaluate(block.times, self.env).unique_fmpz()
        except EvaluationError as error:
            raise OtherNetError(
                block.node, f"the depth has no value: {error}; give it one with --set"
            ) from None
        if count is None or not 0 <= count <= MAX_LAYERS:
            raise OtherNetError(
                block.node,
                f"the repeat count {text(block.times)} is not a whole number up to {MAX_LAYERS}",
            )
        return int(count)

    def _stages(self, units: list[_Unit], hidden: Expr) -> Cut:
        plain: list[Stage] = []
        branches: list[Stage] = []
        run: list[Leaf] = []
        for unit in units:
            if isinstance(unit, Leaf):
                run.append(unit)
                continue
            if branches and run:
                raise OtherNetError(run[0].node, "it stands between residual layers")
            if not branches:
                plain = self._run(run)
                if not plain or plain[-1].activation is None:
                    raise OtherNetError(
                        unit.node,
                        "no layer with weights and an activation stands "
                        "before the first residual layer",
                    )
                run = []
            branches.append(self._branch(unit))
        tail = self._run(run)
        if not tail or tail[-1].activation is not None:
            node = run[-1].node if run else units[-1].node if units else ""
            raise OtherNetError(
                node, "the network does not end with an affine layer without activation"
            )
        readout = tail.pop()
        if branches and tail:
            raise OtherNetError(tail[0].leaf.node, "a layer without skip follows the residual ones")
        if branches and not self.equal(readout.before, ONE):
            raise OtherNetError(
                readout.leaf.node, f"the factor {text(readout.before)} stands before the readout"
            )
        if not branches:
            plain = tail
        if not self.equal(readout.after, ONE):
            raise OtherNetError(
                readout.leaf.node, f"the output is multiplied by {text(readout.after)}"
            )
        before = ONE if branches else readout.before
        return Cut(plain, branches, readout.leaf, before, hidden)

    def _branch(self, unit: Residual) -> Stage:
        inner = _Units()
        self._unroll(unit.body, inner)
        leaves = [u for u in inner.units if isinstance(u, Leaf)]
        if len(leaves) < len(inner.units):
            raise OtherNetError(unit.node, "there is a residual block within it")
        found = self._run(leaves)
        if len(found) != 1 or found[0].activation is None:
            raise OtherNetError(
                unit.node,
                f"its branch has {len(found)} layers with weights and activation, not one",
            )
        if not self.equal(found[0].before, ONE):
            raise OtherNetError(
                found[0].leaf.node,
                f"the factor {text(found[0].before)} stands before the activation",
            )
        return found[0]

    def _run(self, leaves: list[Leaf]) -> list[Stage]:
        """Cut a run of layers at those with weights."""
        found: list[Stage] = []
        pending = ONE
        for leaf in leaves:
            layer = leaf.layer
            kind = kind_of(layer)
            if kind in ("affine", "conv"):
                self._plain(leaf, kind)
                before = mul(pending, setting(layer, "scale"))
                if found and found[-1].activation is None:
                    raise OtherNetError(leaf.node, "no activation stands before it")
                found.append(Stage(leaf, before))
                pending = ONE
            elif isinstance(layer, Activation):
                if not found or found[-1].activation is not None:
                    raise OtherNetError(leaf.node, "no layer with weights stands before it")
                if not self.equal(pending, ONE):
                    raise OtherNetError(
                        leaf.node, f"the factor {text(pending)} stands before the activation"
                    )
                found[-1].activation = leaf
            elif kind == "scale":
                pending = self._scale(leaf, found, pending)
            elif not isinstance(layer, Isometry):
                raise OtherNetError(
                    leaf.node,
                    f"it is a {layer.name} layer, which the networks of the theory do not have",
                )
        if found:
            found[-1].after = pending
        return found

    def _scale(self, leaf: Leaf, found: list[Stage], pending: Expr) -> Expr:
        if setting(leaf.layer, "trainable"):
            stage = found[-1] if found else None
            if stage is None or stage.activation is None or stage.trained is not None:
                raise OtherNetError(
                    leaf.node,
                    "a trained factor stands elsewhere than after the "
                    "activation of a residual layer, or there are two",
                )
            stage.trained = leaf
        return mul(pending, setting(leaf.layer, "factor"))

    def _plain(self, leaf: Leaf, kind: str) -> None:
        layer = leaf.layer
        if setting(layer, "bias"):
            raise OtherNetError(leaf.node, "it has a bias; the theory has none (bias: false)")
        if setting(layer, "weight") != "plain":
            raise OtherNetError(
                leaf.node, f"its weight is parameterised by {setting(layer, 'weight')}"
            )
        if kind != "conv":
            return
        same = setting(layer, "padding") == "same"
        ones = [setting(layer, k) == 1 for k in ("stride", "dilation", "groups")]
        if not same or not all(ones):
            raise OtherNetError(
                leaf.node,
                "the convolutions of the theory have stride, dilation and "
                "groups 1 and padding: same",
            )
        size = evaluate(setting(layer, "kernel"), self.env).unique_fmpz()
        if size is None or int(size) % 2 == 0:
            raise OtherNetError(leaf.node, "its patches do not have an odd number of pixels")

    def value(self, e: Expr) -> arb | None:
        try:
            return evaluate(e, self.env)
        except EvaluationError:
            return None

    def equal(self, a: Expr, b: Expr) -> bool:
        if a is b:
            return True
        value, other = self.value(a), self.value(b)
        return value is not None and other is not None and bool(value == other)


def kind_of(layer: Layer) -> str:
    """``affine``, ``conv``, ``scale`` or nothing; core does not know the plugin classes."""
    return (
        "scale"
        if layer.name == "rezero"
        else (layer.name if layer.name in ("affine", "conv", "scale") else "")
    )


def setting(layer: Layer, key: str) -> Any:
    """A key of one of these layers."""
    return getattr(layer, key)


def _word(block: Block) -> str:
    return type(block).__name__.lower()
