"""What a file says besides the network: cost, data, init, domain, theorems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar, cast

from govcheck.bounds.expr import Expr, sym
from govcheck.graph.architecture import (
    DomainSpec,
    InitMethod,
    InitSpec,
    LayerInit,
    TheoremRequest,
)
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


def read_init(at: Node, context: Context, by_node: Mapping[str, Draft]) -> InitSpec:
    """How weights are drawn."""
    problems = context.problems
    picked = named_choice(at, problems, "init", "init: {normal: {std: 1/sqrt(m), seed: 0}}")
    if picked is None:
        return InitSpec()
    key, given = picked
    only(given, ("std", "seed", "at"), problems, "init")
    method = choice(key, problems, "init", INIT_METHODS)
    std = _std(given, method, context)
    seed = integer(given["seed"][1], context, "seed", least=0) if "seed" in given else 0
    own = _own_inits(given["at"][1], context, by_node) if "at" in given else {}
    return InitSpec(cast(InitMethod, method or "normal"), std, seed or 0, own)


def _std(given: Entries, method: str | None, context: Context) -> Expr | None:
    if "std" not in given:
        return None
    key, value = given["std"]
    std = context.scope.formula(value, "std")
    if method not in (None, "normal"):
        context.problems.add("wrong-value", f"std is given by the method {method} itself", key,
                             "leave std out, or write init: {normal: {std: …}}")
    if std is not None and context.scope.definitely_below(std, 0):
        context.problems.add("wrong-value", "std is negative", value,
                             "a standard deviation is at least 0")
    return std


def _own_inits(
    at: Node, context: Context, by_node: Mapping[str, Draft]
) -> dict[str, LayerInit]:
    """Methods by layer name: ``{id: zero}`` or ``{id: {normal: {std: 1/10}}}``."""
    problems = context.problems
    own = {}
    for key, (key_at, value) in (mapping(at, problems, "at", "at: {id: zero}") or {}).items():
        picked = named_choice(value, problems, f"init of {shown(key)}", f"at: {{{key}: zero}}")
        if not _is_layer(key, key_at, context, by_node, "name layers, whose parameters are drawn"):
            continue
        if picked is None:
            continue
        method = choice(picked[0], problems, f"init of {shown(key)}", INIT_METHODS)
        only(picked[1], ("std",), problems, f"init of {shown(key)}")
        std = _std(picked[1], method, context)
        own[key] = LayerInit(cast(InitMethod, method or "normal"), std)
    return own


def _is_layer(
    key: str, key_at: Node, context: Context, by_node: Mapping[str, Draft], hint: str
) -> bool:
    leaves = [n for n, d in by_node.items() if d.kind in context.registry.layers]
    if key in by_node and key not in leaves:
        context.problems.add("wrong-value", f"{key} is a {by_node[key].kind} block", key_at, hint)
    elif key not in by_node:
        context.problems.add("unknown-key", f"there is no step {shown(key)}", key_at,
                             suggest(key, leaves, "layers"))
    return key in leaves


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
    radii = {}
    for key, (key_at, value) in (given or {}).items():
        radius = _radius(value, f"radius at {shown(key)}", context)
        hint = "name layers, whose parameters have a radius"
        if _is_layer(key, key_at, context, by_node, hint) and radius is not None:
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
                     "write theorems: [name, …]; without the key all but lemmas are decided")
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
