"""Steps of a file before they are connected: what each is, its id and what it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from govcheck.bounds.expr import Expr
from govcheck.plugin.layer import Layer
from govcheck.spec.fields import example, field_specs, instance
from govcheck.spec.names import COMBINATORS, INPUT_NAME, shown, suggest
from govcheck.spec.reading import (
    Context,
    Entries,
    choice,
    entries,
    kind_of,
    mapping,
    name,
    only,
)
from govcheck.spec.tree import ListNode, MapNode, Node, ScalarNode

EDGE_KEYS = ("id", "from")
EXAMPLES = {
    "repeat": "repeat: {times: H, block: […]}",
    "residual": "residual: […]",
    "parallel": "parallel: {join: sum, branches: [[…], […]]}",
    "sum": "sum: {from: [a, b]}",
    "concat": "concat: {from: [a, b]}",
}


@dataclass(eq=False)
class Draft:
    """One step as written.

    Args:
        kind: layer name or combinator.
        at: the scalar that names the step.
        ident: its id, if given.
        sources: the scalars below ``from``; None without that key.
        layer: the layer, None for a combinator or a layer with problems.
        times: of a repeat.
        join: of a parallel block, a sum or a concat.
        inner: blocks nested in it.
        node: its name in the network, assigned when all ids are known.
    """

    kind: str
    at: ScalarNode
    ident: ScalarNode | None = None
    sources: list[ScalarNode] | None = None
    layer: Layer | None = None
    times: Expr | None = None
    times_at: Node | None = None
    join: Literal["sum", "concat"] = "sum"
    inner: list[list[Draft]] = field(default_factory=list)
    branch_at: list[Node] = field(default_factory=list)
    node: str = ""

    @property
    def is_join(self) -> bool:
        """Whether the step takes several inputs."""
        return self.kind in ("sum", "concat")


def outline(at: Node, context: Context, owner: str, *, may_be_empty: bool = False) -> list[Draft]:
    """The steps of one sequence, with everything nested in them."""
    if not isinstance(at, ListNode):
        context.problems.add("wrong-type", f"{owner} takes a list of steps, not {kind_of(at)}",
                             at, "write one step a line, each beginning with '- '")
        return []
    if not at.items and not may_be_empty:
        context.problems.add("empty", f"{owner} has no steps", at, "give it at least one step")
    return [_step(item, context) for item in at.items]


def _step(at: Node, context: Context) -> Draft:
    problems = context.problems
    known = [*context.registry.layers, *COMBINATORS]
    if isinstance(at, ScalarNode) and not at.null:
        key, value = at, None
    elif isinstance(at, MapNode) and len(at.pairs) == 1 and isinstance(at.pairs[0][0], ScalarNode):
        key, value = at.pairs[0][0], at.pairs[0][1]
    elif isinstance(at, MapNode) and len(at.pairs) > 1:
        first, second = at.pairs[0][0], at.pairs[1][0]
        label = first.text if isinstance(first, ScalarNode) else "layer"
        problems.add("step", f"a step has one key, here there are {len(at.pairs)}", second,
                     f"indent the keys of {shown(label)} further than its name, "
                     "or begin a new step with '- '")
        return _broken(first)
    else:
        problems.add("step", f"a step is a layer name or a one-key mapping, not {kind_of(at)}", at,
                     "write - tanh or - affine: {out: m}")
        return _broken(at)
    if key.text not in known:
        problems.add("unknown-layer", f"there is no layer {shown(key.text)}", key,
                     suggest(key.text, known, "layers and blocks"))
        # its edges still count, so that nothing else is reported as dangling
        quiet = entries(value, problems, key.text) if isinstance(value, MapNode) else {}
        return _edges(Draft(key.text, key), quiet, context)
    if key.text in COMBINATORS:
        return _combinator(key, value, context)
    return _layer(key, value, context)


def _broken(at: Node) -> Draft:
    """A stand-in for a step that cannot be read: its output has an unknown shape."""
    if isinstance(at, ScalarNode):
        return Draft("step", at)
    return Draft("step", ScalarNode("step", True, at.line, at.column, 0, 0))


def _edges(draft: Draft, given: Entries, context: Context) -> Draft:
    if "id" in given:
        at = given["id"][1]
        text = name(at, context.problems, "id")
        if text == INPUT_NAME:
            context.problems.add("bad-name", f"id {INPUT_NAME!r} stands for the block's input", at,
                                 "choose another id")
        elif text is not None and isinstance(at, ScalarNode):
            draft.ident = at
    if "from" in given:
        at = given["from"][1]
        items = at.items if isinstance(at, ListNode) else [at]
        named = [i for i in items if name(i, context.problems, "from") is not None]
        draft.sources = [i for i in named if isinstance(i, ScalarNode)]
        if not items:
            context.problems.add("wrong-value", f"from of {draft.kind} is empty", at,
                                 "name the step it takes, or leave from out")
    return draft


def _layer(key: ScalarNode, value: Node | None, context: Context) -> Draft:
    owner = context.registry.layers[key.text]
    draft = Draft(key.text, key)
    given: Entries = {}
    if isinstance(value, MapNode):
        given = entries(value, context.problems, key.text)
    elif value is not None and not (isinstance(value, ScalarNode) and value.null):
        needed = [s.key for s in field_specs(owner) if s.required]
        better = example(key.text, owner)
        if len(needed) == 1 and isinstance(value, ScalarNode):
            better = f"{key.text}: {{{needed[0]}: {value.text[:40]}}}"
        context.problems.add("wrong-type", f"{key.text} takes a mapping, not {kind_of(value)}",
                             value, f"write - {better}")
        return draft
    _edges(draft, given, context)
    draft.layer = instance(owner, key, given, context, EDGE_KEYS)
    return draft


def _combinator(key: ScalarNode, value: Node | None, context: Context) -> Draft:
    draft = Draft(key.text, key)
    kind = key.text
    if kind == "residual" and isinstance(value, ListNode):
        draft.inner = [outline(value, context, kind)]
        return draft
    given: Entries | None = {}
    if value is not None and not (isinstance(value, ScalarNode) and value.null):
        given = mapping(value, context.problems, kind, EXAMPLES[kind])
    if given is None:
        return draft
    _edges(draft, given, context)
    needed = {"repeat": ("times", "block"), "residual": ("block",),
              "parallel": ("join", "branches")}.get(kind, ("from",))
    only(given, (*EDGE_KEYS, *needed), context.problems, kind)
    for missing in (k for k in needed if k not in given):
        context.problems.add("missing-key", f"{kind} needs the key {missing!r}", key,
                             f"write {EXAMPLES[kind]}")
    if "block" in given and "block" in needed:
        draft.inner = [outline(given["block"][1], context, f"block of {kind}")]
    if kind == "repeat" and "times" in given:
        _times(draft, given["times"][1], context)
    if kind == "parallel":
        _parallel(draft, given, context)
    if draft.is_join:
        draft.join = "sum" if kind == "sum" else "concat"
        if draft.sources is not None and len(draft.sources) < 2 and "from" in given:
            context.problems.add("wrong-value", f"{kind} takes two or more steps",
                                 given["from"][1], f"write {EXAMPLES[kind]}")
    return draft


def _times(draft: Draft, at: Node, context: Context) -> None:
    times = context.scope.formula(at, "times")
    if times is None:
        return
    why = context.scope.not_integer(times, 0)
    if why:
        context.problems.add("wrong-value", f"times: {why}", at,
                             "give a count, or leave its symbol without a value")
        return
    draft.times = times


def _parallel(draft: Draft, given: Entries, context: Context) -> None:
    if "join" in given:
        picked = choice(given["join"][1], context.problems, "join", ("sum", "concat"))
        draft.join = "concat" if picked == "concat" else "sum"
    if "branches" not in given:
        return
    at = given["branches"][1]
    if not isinstance(at, ListNode):
        context.problems.add("wrong-type", f"branches takes a list of lists, not {kind_of(at)}",
                             at, f"write {EXAMPLES['parallel']}")
        return
    if len(at.items) < 2:
        context.problems.add("wrong-value", f"parallel has {len(at.items)} branches, needs two",
                             at, f"write {EXAMPLES['parallel']}; an empty branch [] passes on "
                             "its input")
    for item in at.items:
        draft.branch_at.append(item)
        draft.inner.append(outline(item, context, "a branch", may_be_empty=True))


def walk(drafts: list[Draft]) -> Iterator[Draft]:
    """Every step, outer before inner, in file order."""
    for draft in drafts:
        yield draft
        for inner in draft.inner:
            yield from walk(inner)


def assign_names(drafts: list[Draft], context: Context) -> dict[str, Draft]:
    """Give every step its node name; the steps by id.

    A step without an id is named after its kind and numbered in file order, past numbers
    that ids have taken.
    """
    by_id: dict[str, Draft] = {}
    for draft in walk(drafts):
        if draft.ident is None:
            continue
        first = by_id.setdefault(draft.ident.text, draft)
        if first is not draft and first.ident is not None:
            context.problems.add("duplicate-id", f"id {shown(draft.ident.text)} is given twice",
                                 draft.ident,
                                 f"the first is in line {first.ident.line}; ids are unique in "
                                 "the whole file")
    taken = set(by_id)
    count: dict[str, int] = {}
    for draft in walk(drafts):
        if draft.ident is not None:
            draft.node = draft.ident.text
            continue
        number = count.get(draft.kind, 0) + 1
        label = draft.kind if number == 1 else f"{draft.kind}_{number}"
        while label in taken:
            number += 1
            label = f"{draft.kind}_{number}"
        count[draft.kind] = number
        taken.add(label)
        draft.node = label
    return by_id
