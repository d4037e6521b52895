"""What a file says besides the network: cost, data, init, domain, theorems, train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast

from govcheck.bounds.expr import Expr, sym
from govcheck.graph.architecture import DomainSpec, InitSpec, TheoremRequest
from govcheck.spec.declarations import RADIUS
from govcheck.spec.fields import instance
from govcheck.spec.names import shown, suggest
from govcheck.spec.outline import Draft
from govcheck.spec.reading import (
    Context,
    Entries,
    choice,
    entries,
    integer,
    kind_of,
    mapping,
    named_choice,
    only,
)
from govcheck.spec.tree import ListNode, MapNode, Node, ScalarNode

T = TypeVar("T")

DOMAINS = ("everything", "ball", "around_init")
INIT_METHODS = ("normal", "lecun", "he", "torch", "zero")
TRAIN_METHODS = ("gd", "sgd")
TRAIN_KEYS = ("method", "steps", "step_size", "seed", "momentum", "weight_decay")


def read_plugin(
    at: Node, known: Mapping[str, type[T]], context: Context, owner: str, sample: str
) -> T | None:
    """An instance of the plugin class that ``name`` or ``{name: {…}}`` chooses."""
    picked = named_choice(at, context.problems, owner, sample)
    if picked is None:
        return None
    key, given = picked
    if key.text not in known:
        context.problems.add(f"unknown-{owner}", f"there is no {owner} {shown(key.text)}", key,
                             suggest(key.text, known, f"{owner} plugins"))
        return None
    return instance(known[key.text], key, given, context)


def read_init(at: Node, context: Context) -> InitSpec:
    """How weights are drawn."""
    problems = context.problems
    picked = named_choice(at, problems, "init", "init: {normal: {std: 1/sqrt(m), seed: 0}}")
    if picked is None:
        return InitSpec()
    key, given = picked
    method = choice(key, problems, "init", INIT_METHODS)
    only(given, ("std", "seed"), problems, "init")
    std = None
    if "std" in given:
        std = context.scope.formula(given["std"][1], "std")
        if method not in (None, "normal"):
            problems.add("wrong-value", f"std is given by the method {method} itself",
                         given["std"][0], "leave std out, or write init: {normal: {std: …}}")
        if std is not None and context.scope.definitely_below(std, 0):
            problems.add("wrong-value", "std is negative", given["std"][1],
                         "a standard deviation is at least 0")
    seed = integer(given["seed"][1], context, "seed", least=0) if "seed" in given else 0
    return InitSpec(
        cast(Literal["normal", "lecun", "he", "torch", "zero"], method or "normal"), std, seed or 0
    )


def read_domain(at: Node, context: Context, by_node: Mapping[str, Draft]) -> DomainSpec:
    """The parameter set."""
    problems = context.problems
    mark = problems.mark(at)
    if isinstance(at, ScalarNode) and not at.null:
        kind = choice(at, problems, "domain", DOMAINS)
        if kind == "ball":
            problems.add("missing-key", "a ball needs a radius", at, "write domain: {ball: R}")
        if kind == "around_init":
            return DomainSpec("around_init", context.scope.symbols.get(RADIUS, sym(RADIUS)),
                              mark=mark)
        return DomainSpec(mark=mark)
    if not isinstance(at, MapNode) or len(at.pairs) != 1:
        what = kind_of(at) if not isinstance(at, MapNode) else f"{len(at.pairs)} keys"
        problems.add("wrong-type", f"domain takes a name or one key, not {what}", at,
                     "write domain: everything, domain: {ball: R} or domain: {around_init: R}")
        return DomainSpec(mark=mark)
    ((key, (key_at, value)),) = entries(at, problems, "domain").items() or (("", (None, at)),)
    if key_at is None:
        return DomainSpec(mark=mark)
    kind = choice(key_at, problems, "domain", DOMAINS)
    if kind not in ("ball", "around_init"):
        if kind == "everything":
            problems.add("wrong-type", "everything takes no radius", value,
                         "write domain: everything")
        return DomainSpec(mark=mark)
    radii: dict[str, Expr] = {}
    if isinstance(value, MapNode):
        given = entries(value, problems, kind)
        only(given, ("radius", "at"), problems, kind)
        radius = None
        if "radius" in given:
            radius = _radius(given["radius"][1], "radius", context)
        else:
            problems.add("missing-key", f"{kind} needs the key 'radius'", key_at,
                         f"write domain: {{{key}: {{radius: R, at: {{id: R1}}}}}}")
        if "at" in given:
            radii = _radii(given["at"][1], context, by_node)
    else:
        radius = _radius(value, "radius", context)
    return DomainSpec(cast(Literal["ball", "around_init"], kind), radius, radii, mark)


def _radii(at: Node, context: Context, by_node: Mapping[str, Draft]) -> dict[str, Expr]:
    given = mapping(at, context.problems, "at", "at: {id: R1}")
    leaves = [n for n, d in by_node.items() if d.kind in context.registry.layers]
    radii = {}
    for key, (key_at, value) in (given or {}).items():
        radius = _radius(value, f"radius at {shown(key)}", context)
        if key in by_node and key not in leaves:
            context.problems.add("wrong-value", f"{key} is a {by_node[key].kind} block", key_at,
                                 "name layers, whose parameters have a radius")
        elif key not in by_node:
            context.problems.add("unknown-key", f"there is no step {shown(key)}", key_at,
                                 suggest(key, leaves, "layers"))
        elif radius is not None:
            radii[key] = radius
    return radii


def _radius(at: Node, what: str, context: Context) -> Expr | None:
    radius = context.scope.formula(at, what)
    if radius is not None and context.scope.definitely_below(radius, 0):
        context.problems.add("wrong-value", f"{what} is negative", at, "a radius is at least 0")
    return radius


def read_theorems(at: Node, context: Context) -> tuple[TheoremRequest, ...] | None:
    """Theorems asked for; a name before a dot selects all theorems that begin with it."""
    problems = context.problems
    known = context.registry.theorems
    if not isinstance(at, ListNode):
        problems.add("wrong-type", f"theorems takes a list of names, not {kind_of(at)}", at,
                     "write theorems: [name, …]; without the key every theorem is decided")
        return None
    exact: dict[str, TheoremRequest] = {}
    by_prefix: dict[str, TheoremRequest] = {}
    for item in at.items:
        picked = named_choice(item, problems, "theorems", "[name, {name: {option: 1/2}}]")
        if picked is None:
            continue
        key, given = picked
        options = _options(given, context)
        mark = problems.mark(key)
        selected = [n for n in known if n.startswith(key.text + ".")]
        if key.text in known:
            if key.text in exact:
                problems.add("duplicate-key", f"theorem {shown(key.text)} is named twice", key,
                             "keep one of them")
            exact[key.text] = TheoremRequest(key.text, options, mark)
        elif selected:
            for n in selected:
                by_prefix.setdefault(n, TheoremRequest(n, options, mark))
        else:
            groups = dict.fromkeys(n.partition(".")[0] for n in known if "." in n)
            problems.add("unknown-theorem", f"there is no theorem {shown(key.text)}", key,
                         suggest(key.text, [*known, *groups], "theorems"))
    return tuple({**by_prefix, **exact}.values())


def _options(given: Entries, context: Context) -> dict[str, Expr]:
    options = {}
    for key, (_, value) in given.items():
        read = context.scope.formula(value, shown(key))
        if read is not None:
            options[key] = read
    return options


def read_train(at: Node, context: Context) -> dict[str, Any]:
    """Settings for training."""
    problems = context.problems
    given = mapping(at, problems, "train", "train: {method: gd, steps: 500}")
    if given is None:
        return {}
    only(given, TRAIN_KEYS, problems, "train")
    found: dict[str, Any] = {}
    for key, (_, value) in given.items():
        if key == "method":
            found[key] = choice(value, problems, key, TRAIN_METHODS)
        elif key in ("steps", "seed"):
            found[key] = integer(value, context, key, least=0)
        elif key in TRAIN_KEYS:
            found[key] = _rate(key, value, context)
    return found


def _rate(key: str, at: Node, context: Context) -> Expr | None:
    value = context.scope.formula(at, key)
    if value is None:
        return None
    scope = context.scope
    if key == "step_size" and scope.definitely_below(value, 0, or_equal=True):
        context.problems.add("wrong-value", "step_size is not positive", at, "write a positive one")
    elif scope.definitely_below(value, 0):
        context.problems.add("wrong-value", f"{key} is negative", at, "write 0 or more")
    elif key == "momentum" and scope.definitely_below(1 - value, 0, or_equal=True):
        context.problems.add("wrong-value", "momentum is 1 or more", at, "write less than 1")
    return value
