"""An architecture file, read as a whole: every problem at once, or the architecture."""

from __future__ import annotations

import types
from collections.abc import Mapping
from pathlib import Path

from govcheck.bounds.answer import Value
from govcheck.graph.architecture import Architecture, DomainSpec, InitSpec
from govcheck.plugin.layer import Shape
from govcheck.spec.declarations import read_symbols
from govcheck.spec.formula import Normalisation
from govcheck.spec.lookup import Lookup
from govcheck.spec.network import Network
from govcheck.spec.outline import outline
from govcheck.spec.reading import Context, entries, kind_of, only, word
from govcheck.spec.settings import (
    read_domain,
    read_init,
    read_plugin,
    read_theorems,
)
from govcheck.spec.source import check_text, read_text
from govcheck.spec.training import read_train
from govcheck.spec.tree import ListNode, MapNode, Node, Problems, ScalarNode, parse

FORMAT = 1
MAX_RANK = 16
KEYS = ("govcheck", "name", "symbols", "input", "layers", "cost", "data", "init", "domain",
        "theorems", "train")
REQUIRED = {"govcheck": "govcheck: 1", "input": "input: [64]", "layers": "layers: [tanh]"}
NOTHING: Mapping[str, str] = types.MappingProxyType({})


def load(
    path: str | Path, registry: Lookup, overrides: Mapping[str, str] = NOTHING
) -> Architecture:
    """Read an architecture file.

    Args:
        path: the file.
        registry: layers, costs, data sources and theorems by name.
        overrides: values for declared symbols, as formulas; they replace those of the file.

    Raises:
        InputError: with every problem of the file.
    """
    place = Path(path)
    return _read(read_text(place), registry, str(path), place.stem, overrides)


def loads(
    text: str, registry: Lookup, file: str = "<text>", overrides: Mapping[str, str] = NOTHING
) -> Architecture:
    """Read an architecture from text; `file` is the name for messages.

    Raises:
        InputError: with every problem of the text.
    """
    return _read(check_text(text, file), registry, file, "network", overrides)


def _read(
    text: str, registry: Lookup, file: str, title: str, overrides: Mapping[str, str]
) -> Architecture:
    problems = Problems(file, text)
    root = parse(problems)
    if not isinstance(root, MapNode):
        problems.add("wrong-type", f"the file is {kind_of(root)}, not a mapping", root,
                     "an architecture file has at least the keys govcheck, input and layers")
        raise problems.error()
    given = entries(root, problems, "the file")
    only(given, KEYS, problems, "the file")
    values = {key: value for key, (_, value) in given.items()}
    for key, sample in REQUIRED.items():
        if key not in values:
            problems.add("missing-key", f"the file needs the key {key!r}", root,
                         f"write {sample}")
    _check_version(values.get("govcheck"), problems)
    scope = read_symbols(values.get("symbols"), values.get("domain"), overrides, problems,
                         _normalisation(registry))
    context = Context(problems, scope, registry)
    if "name" in values:
        title = word(values["name"], problems, "name", "a title") or title
    shape = _input(values["input"], context) if "input" in values else None
    drafts = outline(values["layers"], context, "layers") if "layers" in values else []
    network = Network(drafts, context)
    body, output = network.build(shape)
    cost = data = theorems = None
    if "cost" in values:
        cost = read_plugin(values["cost"], registry.costs, context, "cost", "cost: square")
    if "data" in values:
        data = read_plugin(values["data"], registry.data, context, "data",
                           "data: {digits: {n: 32}}")
    if "theorems" in values:
        theorems = read_theorems(values["theorems"], context)
    init = read_init(values["init"], context, network.by_node) if "init" in values else InitSpec()
    domain = DomainSpec()
    if "domain" in values:
        domain = read_domain(values["domain"], context, network.by_node)
    train = read_train(values["train"], context) if "train" in values else {}
    problems.check()
    if shape is None or output is None:
        raise AssertionError("a shape is unknown although no problem was found")
    return Architecture(
        name=title, file=file, symbols=scope.symbols, values=scope.values, input=shape, body=body,
        output=output, cost=cost, data=data, init=init, domain=domain, theorems=theorems,
        train=train,
    )


def _normalisation(registry: Lookup) -> Normalisation:
    def find(name: str) -> Value:
        from govcheck.kernels.normalisation import by_name

        return by_name(registry.layers)(name)

    return find


def _check_version(at: Node | None, problems: Problems) -> None:
    if at is None or (isinstance(at, ScalarNode) and at.text == str(FORMAT)):
        return
    problems.add("version", f"this program reads format {FORMAT}, not {kind_of(at)}", at,
                 f"write govcheck: {FORMAT}")


def _input(at: Node, context: Context) -> Shape | None:
    problems = context.problems
    if not isinstance(at, ListNode):
        problems.add("wrong-type", f"input takes a list of dimensions, not {kind_of(at)}", at,
                     "write [64] for vectors, [3, 32, 32] for images")
        return None
    if not at.items:
        problems.add("empty", "input has no dimensions", at,
                     "write [64] for vectors, [3, 32, 32] for images")
        return None
    if len(at.items) > MAX_RANK:
        problems.add("too-large", f"input has {len(at.items)} dimensions, at most {MAX_RANK} are "
                     "read", at, "write the shape of one sample, such as [3, 32, 32]")
        return None
    shape = []
    for item in at.items:
        dimension = context.scope.formula(item, "a dimension of input")
        if dimension is None:
            continue
        why = context.scope.not_integer(dimension, 1)
        if why:
            problems.add("wrong-value", f"a dimension of input: {why}", item,
                         "write a positive integer or a symbol")
            continue
        shape.append(dimension)
    return tuple(shape) if len(shape) == len(at.items) else None
