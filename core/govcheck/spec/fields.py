"""Plugin instances from file entries: dataclass fields are the keys, annotations the types."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union
from weakref import WeakKeyDictionary

from govcheck.bounds.expr import Expr
from govcheck.spec.reading import (
    Context,
    Entries,
    boolean,
    choice,
    integer,
    kind_of,
    only,
    word,
)
from govcheck.spec.tree import ListNode, Node, ScalarNode

T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """What a field takes.

    Args:
        tag: formula, bool, int, str, choice, optional, list, either or unsupported.
        options: the words of a choice, and those an `either` takes besides what `of` takes.
        of: what the entries, or the value where it is none of the words, are.
    """

    tag: str
    options: tuple[Any, ...] = ()
    of: Kind | None = None


@dataclass(frozen=True)
class FieldSpec:
    """One key of a plugin."""

    key: str
    kind: Kind
    required: bool
    default: Any = None


_SIMPLE: dict[Any, str] = {Expr: "formula", bool: "bool", int: "int", str: "str"}
_SPECS: WeakKeyDictionary[type[Any], tuple[FieldSpec, ...]] = WeakKeyDictionary()
_FALLBACK = {"Expr": Expr, "Literal": Literal, "Any": Any, "Union": Union}


def field_specs(owner: type[Any]) -> tuple[FieldSpec, ...]:
    """The keys of a plugin class; none for a class that is not a dataclass."""
    known = _SPECS.get(owner)
    if known is None:
        known = _SPECS[owner] = _field_specs(owner)
    return known


def _field_specs(owner: Any) -> tuple[FieldSpec, ...]:
    if not dataclasses.is_dataclass(owner):
        return ()
    found = []
    cls: Any = owner
    for f in dataclasses.fields(owner):
        if not f.init:
            continue
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        default = None if f.default is dataclasses.MISSING else f.default
        found.append(FieldSpec(f.name, _kind(_annotation(cls, f.name, f.type)), required,
                               default))
    return tuple(found)


def _annotation(owner: type[Any], key: str, written: Any) -> Any:
    """The annotation as an object; its text where a name in it cannot be found."""
    home = next((c for c in owner.__mro__ if key in inspect.get_annotations(c)), owner)
    module = sys.modules.get(home.__module__)
    known = {**_FALLBACK, **(vars(module) if module else {})}
    holder = types.SimpleNamespace(__annotations__={key: written})
    try:
        return typing.get_type_hints(holder, known, dict(vars(home)))[key]
    except (NameError, TypeError, AttributeError, SyntaxError):
        return written


def _kind(annotation: Any) -> Kind:
    if isinstance(annotation, type) and annotation in _SIMPLE:
        return Kind(_SIMPLE[annotation])
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return Kind("choice", args)
    if origin in (Union, types.UnionType) and len(args) == 2 and type(None) in args:
        return Kind("optional", of=_kind(next(a for a in args if a is not type(None))))
    if origin in (Union, types.UnionType) and len(args) == 2:
        words = [a for a in args if typing.get_origin(a) is Literal]
        other = [a for a in args if typing.get_origin(a) is not Literal]
        if len(words) == len(other) == 1:
            return Kind("either", typing.get_args(words[0]), _kind(other[0]))
    if origin is tuple and len(args) == 2 and args[1] is ...:
        return Kind("list", of=_kind(args[0]))
    return Kind("unsupported", (str(annotation),))


def example(name: str, owner: type[Any]) -> str:
    """How a step or setting with this name is written."""
    needed = [s.key for s in field_specs(owner) if s.required]
    return f"{name}: {{{', '.join(f'{k}: …' for k in needed)}}}" if needed else name


def instance(
    owner: type[T], name: ScalarNode, given: Entries, context: Context, more: tuple[str, ...] = ()
) -> T | None:
    """An instance of a plugin class; None with problems recorded.

    Args:
        owner: the class.
        name: the node that names it, for messages.
        given: keys of the file.
        context: problems and symbols.
        more: keys that are allowed and read elsewhere.
    """
    problems = context.problems
    before = len(problems)
    specs = field_specs(owner)
    only(given, [*(s.key for s in specs), *more], problems, name.text)
    values: dict[str, Any] = {}
    for spec in specs:
        if spec.key in given:
            values[spec.key] = read_value(spec.kind, given[spec.key][1],
                                          f"{spec.key} of {name.text}", context)
        elif spec.required:
            problems.add("missing-key", f"{name.text} needs the key {spec.key!r}", name,
                         f"write {example(name.text, owner)}")
    if len(problems) > before:
        return None
    try:
        made = owner(**values)
        check = getattr(made, "check", None)
        if callable(check):
            check()
    except ValueError as error:
        problems.add("wrong-value", f"{name.text}: {error}", name)
    except Exception as error:
        problems.add(
            "plugin-failed",
            f"{name.text}: {type(error).__name__} in {owner.__module__}.{owner.__qualname__}: "
            f"{error}",
            name,
            "this is a fault of the plugin; report it to its authors",
        )
    else:
        return made
    return None


def read_value(kind: Kind, at: Node, what: str, context: Context) -> Any:
    """The value of one key; None with a problem recorded, or where None is allowed."""
    problems = context.problems
    match kind.tag:
        case "formula":
            return context.scope.formula(at, what)
        case "bool":
            return boolean(at, problems, what)
        case "int":
            return integer(at, context, what)
        case "str":
            return word(at, problems, what, "")
        case "choice":
            by_text = {_text(o): o for o in kind.options}
            picked = choice(at, problems, what, list(by_text))
            return None if picked is None else by_text[picked]
        case "optional":
            assert kind.of is not None
            if isinstance(at, ScalarNode) and at.null:
                return None
            return read_value(kind.of, at, what, context)
        case "either":
            assert kind.of is not None
            if isinstance(at, ScalarNode) and at.text in kind.options:
                return at.text
            return read_value(kind.of, at, what, context)
        case "list":
            assert kind.of is not None
            if isinstance(at, ListNode):
                return tuple(read_value(kind.of, i, what, context) for i in at.items)
            problems.add("wrong-type", f"{what} takes a list, not {kind_of(at)}", at, "write […]")
            return None
    problems.add("plugin-failed",
                 f"{what} is annotated {kind.options[0]}, which architecture files cannot write",
                 at, "a plugin's fields are Expr, bool, int, str, Literal, lists or optional ones")
    return None


def _text(option: Any) -> str:
    return str(option).lower() if isinstance(option, bool) else str(option)
