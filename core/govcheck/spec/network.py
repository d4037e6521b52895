"""Drafts connected to blocks, with the shape of every output inferred on the way."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from govcheck.bounds.expr import Expr, num
from govcheck.graph.blocks import Block, Chain, Join, Leaf, Parallel, Repeat, Residual, Step
from govcheck.plugin.layer import Layer, Shape, ShapeError
from govcheck.spec.fields import field_specs
from govcheck.spec.outline import Draft, assign_names, walk
from govcheck.spec.reading import Context
from govcheck.spec.shapes import concatenated, shape_text, shapes_differ
from govcheck.spec.tree import Node
from govcheck.spec.wiring import wire

MaybeShape = Shape | None
SIMPLER = "give both the same formula, or give their symbols values under symbols"


class Network:
    """Builds the chains of one file; shapes that are not known are passed on in silence."""

    def __init__(self, drafts: list[Draft], context: Context) -> None:
        self.drafts = drafts
        self.context = context
        self.by_id: Mapping[str, Draft] = assign_names(drafts, context)
        self.by_node: Mapping[str, Draft] = {d.node: d for d in walk(drafts)}

    def build(self, shape: MaybeShape) -> tuple[Chain, MaybeShape]:
        """The whole network and its output shape, for inputs of this shape."""
        return self._chain(self.drafts, shape)

    def _problem(self, at: Node, message: str, hint: str = "") -> None:
        self.context.problems.add("shape-mismatch", message, at, hint)

    def _chain(self, drafts: list[Draft], shape: MaybeShape) -> tuple[Chain, MaybeShape]:
        wired = wire(drafts, self.by_id, self.by_node, self.context.problems)
        if wired is None:
            for draft in drafts:
                self._block(draft, [None])
            return Chain(()), None
        outputs: list[MaybeShape] = []
        steps = []
        for w in wired:
            taken = [None if s is None else shape if s < 0 else outputs[s] for s in w.sources]
            block, out = self._block(w.draft, taken)
            outputs.append(out)
            if block is not None:
                steps.append(Step(block, tuple(s for s in w.sources if s is not None)))
        return Chain(tuple(steps)), outputs[-1] if outputs else shape

    def _block(self, d: Draft, taken: list[MaybeShape]) -> tuple[Block | None, MaybeShape]:
        mark = self.context.problems.mark(d.at)
        if d.is_join:
            places: Sequence[Node] = d.sources or []
            return Join(d.node, d.join, mark), self._join(d, taken, places)
        shape = taken[0]
        if d.kind == "parallel":
            built = [self._chain(inner, shape) for inner in d.inner]
            out = self._join(d, [s for _, s in built], d.branch_at)
            return Parallel(d.node, d.join, tuple(c for c, _ in built), mark), out
        if d.kind in ("repeat", "residual"):
            if not d.inner:
                return None, shape
            body, out = self._chain(d.inner[0], shape)
            self._unchanged(d, shape, out)
            if d.kind == "residual":
                return Residual(d.node, body, mark), shape
            return (None if d.times is None else Repeat(d.node, d.times, body, mark)), shape
        if d.layer is None:
            return None, None
        leaf = Leaf(d.node, d.layer, mark)
        return (leaf, None) if shape is None else self._layer(d, leaf, shape)

    def _unchanged(self, d: Draft, shape: MaybeShape, out: MaybeShape) -> None:
        if shape is None or out is None:
            return
        why = shapes_differ(shape, out, self.context.scope)
        if not why:
            return
        into, out_of = shape_text(shape), shape_text(out)
        if d.kind == "repeat":
            self._problem(d.at, f"the block of repeat changes the shape from {into} to {out_of}: "
                          f"{why}", "each copy takes the output of the one before, so the shape "
                          "must stay; " + SIMPLER)
        else:
            self._problem(d.at, f"residual adds an input of shape {into} to an output of shape "
                          f"{out_of}: {why}", SIMPLER)

    def _join(
        self, d: Draft, shapes: list[MaybeShape], places: Sequence[Node]
    ) -> MaybeShape:
        known = [s for s in shapes if s is not None]
        if len(known) < len(shapes) or not known:
            return None
        what = "adds" if d.join == "sum" else "concatenates"
        for i, other in enumerate(known[1:], start=1):
            why = shapes_differ(known[0], other, self.context.scope,
                                skip_first=d.join == "concat")
            if why:
                at = places[i] if i < len(places) else d.at
                self._problem(at, f"{d.kind} {what} shapes {shape_text(known[0])} and "
                              f"{shape_text(other)}: {why}", SIMPLER)
                return None
        if d.join == "sum":
            return known[0]
        if not known[0]:
            self._problem(d.at, "there is no dimension to concatenate along")
            return None
        return concatenated(known)

    def _layer(self, d: Draft, leaf: Leaf, shape: Shape) -> tuple[Leaf, MaybeShape]:
        try:
            leaf, out = self._shape_of(leaf, shape)
        except ShapeError as error:
            self._problem(d.at, f"{d.kind} cannot take an input of shape {shape_text(shape)}: "
                          f"{error}")
            return leaf, None
        except Exception as error:
            cls = type(leaf.layer)
            self.context.problems.add(
                "plugin-failed",
                f"{d.kind}: {type(error).__name__} in the shape rule of "
                f"{cls.__module__}.{cls.__qualname__}: {error}",
                d.at,
                "this is a fault of the plugin; report it to its authors",
            )
            return leaf, None
        for dimension in out:
            why = self.context.scope.not_integer(dimension, 1)
            if why:
                self._problem(d.at, f"{d.kind} gives shape {shape_text(out)}: {why}",
                              "change its keys or the values of their symbols")
                return leaf, None
        return leaf, out

    def _shape_of(self, leaf: Leaf, shape: Shape) -> tuple[Leaf, Shape]:
        """The output shape, and the leaf with values for formulas if these decide it."""
        try:
            return leaf, tuple(leaf.layer.shape(shape))
        except ShapeError:
            # what differs as formulas may agree at the given values
            valued = [self._valued(d) for d in shape]
            known = tuple(v for v in valued if v is not None)
            if len(known) < len(shape):
                raise
            # formulas of the layer are kept where the sizes alone decide
            for layer in dict.fromkeys((leaf.layer, self._concrete(leaf.layer))):
                with contextlib.suppress(ShapeError):
                    out = tuple(layer.shape(known))
                    return dataclasses.replace(leaf, layer=layer, input=known), out
            raise

    def _valued(self, e: Expr) -> Expr | None:
        value = self.context.scope.exact(e)
        return None if value is None else num(value)

    def _number(self, value: Any) -> Any:
        known = self._valued(value) if isinstance(value, Expr) else None
        return value if known is None else known

    def _concrete(self, layer: Layer) -> Layer:
        """The layer with rational values in place of formulas that have one."""
        changed: dict[str, Any] = {}
        for spec in field_specs(type(layer)):
            value = getattr(layer, spec.key)
            if isinstance(value, tuple):
                changed[spec.key] = tuple(map(self._number, value))
            elif isinstance(value, Expr):
                changed[spec.key] = self._number(value)
        return dataclasses.replace(layer, **changed) if changed else layer  # type: ignore[type-var]
