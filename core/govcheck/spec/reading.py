"""Small readers of nodes: mappings with known keys, words, integers, choices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from govcheck.spec.lookup import Lookup
from govcheck.spec.names import is_name, shown, suggest
from govcheck.spec.scope import Scope
from govcheck.spec.tree import ListNode, MapNode, Node, Problems, ScalarNode

Entries = dict[str, tuple[ScalarNode, Node]]
MAX_INTEGER: Final = 2**63 - 1


@dataclass
class Context:
    """What every reader of a part of the file needs."""

    problems: Problems
    scope: Scope
    registry: Lookup


def kind_of(at: Node) -> str:
    """What a node is, for messages."""
    if isinstance(at, ListNode):
        return "a list"
    if isinstance(at, MapNode):
        return "a mapping"
    return "nothing" if at.null else shown(at.text)


def entries(at: MapNode, problems: Problems, owner: str) -> Entries:
    """Key-value pairs by key; repeated keys and keys that are not text are problems."""
    found: Entries = {}
    for key, value in at.pairs:
        if not isinstance(key, ScalarNode):
            problems.add("wrong-type", f"a key of {owner} is {kind_of(key)}", key,
                         "keys are plain words")
        elif key.text in found:
            first = found[key.text][0]
            problems.add("duplicate-key", f"key {shown(key.text)} of {owner} is given twice", key,
                         f"the first is in line {first.line}; keep one of them")
        else:
            found[key.text] = (key, value)
    return found


def only(found: Entries, known: Collection[str], problems: Problems, owner: str) -> None:
    """Record a problem for every key that is not known."""
    for name, (key, _) in found.items():
        if name in known:
            continue
        if name == "<<":
            problems.add("alias", "merge keys (<<) are not read", key, "write the keys out")
            continue
        problems.add("unknown-key", f"{owner} has no key {shown(name)}", key,
                     suggest(name, known, f"keys of {owner}"))


def mapping(at: Node, problems: Problems, owner: str, example: str) -> Entries | None:
    """The entries of a node that must be a mapping."""
    if isinstance(at, MapNode):
        return entries(at, problems, owner)
    problems.add("wrong-type", f"{owner} takes a mapping, not {kind_of(at)}", at,
                 f"write {example}")
    return None


def word(at: Node, problems: Problems, what: str, example: str) -> str | None:
    """A non-empty printable text."""
    if not isinstance(at, ScalarNode) or at.null or not at.text:
        problems.add("wrong-type", f"{what} takes a word, not {kind_of(at)}", at,
                     f"write {example}" if example else "")
        return None
    if not at.text.isprintable():
        problems.add("wrong-value", f"{what} contains a character that does not print", at,
                     "use printable text on one line")
        return None
    return at.text


def name(at: Node, problems: Problems, what: str) -> str | None:
    """An identifier: a letter, then letters, digits, underscores."""
    text = word(at, problems, what, "")
    if text is None or is_name(text):
        return text
    problems.add("bad-name", f"{what} {shown(text)} is not a name", at,
                 "a letter, then letters, digits and underscores, at most 64 in all")
    return None


def boolean(at: Node, problems: Problems, what: str) -> bool | None:
    """`true` or `false`, nothing else."""
    if isinstance(at, ScalarNode) and at.text in ("true", "false"):
        return at.text == "true"
    truth = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false",
             "0": "false", "y": "true", "n": "false"}
    text = at.text.lower() if isinstance(at, ScalarNode) else ""
    meant = text if text in ("true", "false") else truth.get(text, "true or false")
    problems.add("wrong-type", f"{what} takes true or false, not {kind_of(at)}", at,
                 f"write {meant}")
    return None


def integer(at: Node, context: Context, what: str, *, least: int | None = None) -> int | None:
    """A number that is an integer, of at least `least`."""
    value = context.scope.formula(at, what)
    if value is None:
        return None
    number = value.number if value.is_number else None
    if number is None or number.denominator != 1:
        context.problems.add("wrong-type", f"{what} takes an integer, not {kind_of(at)}", at,
                             "write a whole number")
        return None
    if abs(number) > MAX_INTEGER:
        context.problems.add("wrong-value", f"{what} is too large", at,
                             f"at most {MAX_INTEGER}")
        return None
    if least is not None and number < least:
        context.problems.add("wrong-value", f"{what} is {number}, below {least}", at,
                             f"write an integer of at least {least}")
        return None
    return int(number)


def choice(at: Node, problems: Problems, what: str, options: Sequence[str]) -> str | None:
    """One of the given words."""
    listed = ", ".join(options)
    if not isinstance(at, ScalarNode) or at.null:
        problems.add("wrong-type", f"{what} takes one of {listed}, not {kind_of(at)}", at,
                     f"write {options[0]}")
        return None
    if at.text in options:
        return at.text
    problems.add("wrong-value", f"{what} takes one of {listed}, not {kind_of(at)}", at,
                 suggest(at.text, options, "choices"))
    return None


def named_choice(
    at: Node, problems: Problems, owner: str, example: str
) -> tuple[ScalarNode, Entries] | None:
    """``name`` or ``{name: {key: value}}``: the node of the name and the entries."""
    if isinstance(at, ScalarNode) and not at.null:
        return at, {}
    if not isinstance(at, MapNode):
        problems.add("wrong-type", f"{owner} takes a name, not {kind_of(at)}", at,
                     f"write {example}")
        return None
    found = entries(at, problems, owner)
    if len(found) != 1:
        problems.add("wrong-type", f"{owner} takes one name, not {len(found)}", at,
                     f"write {example}")
        return None
    ((key, value),) = found.values()
    if isinstance(value, ScalarNode) and value.null:
        return key, {}
    inner = mapping(value, problems, f"{key.text}", f"{{{key.text}: {{key: value}}}}")
    return None if inner is None else (key, inner)
