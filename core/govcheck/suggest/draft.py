"""An architecture file as plain data that can be edited and written again.

Scalars stay the text that they are in the file, so that nothing is rounded or retyped.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Union

import yaml

from govcheck.errors import InputError, Problem
from govcheck.spec.names import COMBINATORS
from govcheck.spec.source import check_text
from govcheck.spec.tree import ListNode, MapNode, Node, Problems, ScalarNode, parse

TEXT: Final = "tag:yaml.org,2002:str"
NOTHING: Final = ("", "~", "null")
Plain = Union[str, None, list[Any], dict[str, Any]]
Path = tuple[Union[str, int], ...]


class Word(str):
    """A scalar with its line in the file, 0 where an edit wrote it."""

    line: int = 0


@dataclass(frozen=True)
class Step:
    """One step of a network: a layer or a block.

    Args:
        path: where it is in the document.
        kind: its key, such as ``affine`` or ``residual``.
        line: in the file; 0 for one that an edit wrote.
        settings: what is written below the key; None if nothing is.
        within: kinds of the blocks around it, outermost first.
    """

    path: Path
    kind: str
    line: int
    settings: Plain
    within: tuple[str, ...]


class Draft:
    """A document to edit.

    Args:
        root: the whole document.
    """

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root

    def copy(self) -> Draft:
        """Another one with the same content."""
        return Draft(copy.deepcopy(self.root))

    def text(self) -> str:
        """The document as an architecture file, without the comments it may have had."""
        return str(yaml.dump(self.root, Dumper=_Dumper, sort_keys=False, width=98,
                             default_flow_style=None, allow_unicode=True))

    def steps(self) -> list[Step]:
        """All steps, outer before inner, in the order of the file."""
        return list(_steps(self.root.get("layers"), ("layers",), ()))

    def at(self, path: Path) -> Any:
        """What is at a path."""
        found: Any = self.root
        for key in path:
            found = found[key]
        return found

    def put(self, path: Path, value: Plain) -> None:
        """Write something at a path."""
        self.at(path[:-1])[path[-1]] = value

    def rename(self, step: Step, kind: str, settings: dict[str, str] | None = None) -> None:
        """Make another kind of step of one, with other settings; its id and edges are kept."""
        edges = {k: v for k, v in _mapping(step.settings).items() if k in ("id", "from")}
        merged = {**edges, **(settings or {})}
        self.put(step.path, {kind: merged} if merged else kind)

    def set(self, step: Step, **settings: str) -> None:
        """Write settings of a step, the others stay."""
        self.put(step.path, {step.kind: {**_mapping(step.settings), **settings}})

    def remove(self, step: Step) -> None:
        """Leave a step out."""
        del self.at(step.path[:-1])[step.path[-1]]


def setting(step: Step, key: str, default: str = "") -> str:
    """A setting of a step as text."""
    value = _mapping(step.settings).get(key, default)
    return value if isinstance(value, str) else default


def read(text: str, file: str = "<text>") -> Draft:
    """The document of a file.

    Raises:
        InputError: if it is not a mapping in YAML as architecture files use it.
    """
    problems = Problems(file, check_text(text, file))
    root = _plain(parse(problems))
    if not isinstance(root, dict):
        raise InputError(Problem("wrong-type", "the file is not a mapping", file,
                                 "an architecture file has at least the keys govcheck, input "
                                 "and layers"))
    return Draft(root)


def _plain(node: Node) -> Plain:
    if isinstance(node, ListNode):
        return [_plain(n) for n in node.items]
    if isinstance(node, MapNode):
        return {_key(k): _plain(v) for k, v in node.pairs}
    return None if node.null else _word(node)


def _key(node: Node) -> Word:
    return _word(node) if isinstance(node, ScalarNode) else Word("")


def _word(node: ScalarNode) -> Word:
    made = Word(node.text)
    made.line = node.line
    return made


def _mapping(settings: Plain) -> dict[str, Any]:
    return settings if isinstance(settings, dict) else {}


def _steps(sequence: Any, path: Path, within: tuple[str, ...]) -> Iterator[Step]:
    for i, item in enumerate(sequence if isinstance(sequence, list) else ()):
        here: Path = (*path, i)
        if isinstance(item, dict) and len(item) == 1:
            (kind, settings), = item.items()
        elif isinstance(item, str):
            kind, settings = item, None
        else:
            continue
        yield Step(here, str(kind), getattr(kind, "line", 0), settings, within)
        if kind not in COMBINATORS:
            continue
        inner = (*within, str(kind))
        if isinstance(settings, list):
            yield from _steps(settings, (*here, kind), inner)
        for k, branch in enumerate(_mapping(settings).get("branches") or ()):
            yield from _steps(branch, (*here, kind, "branches", k), inner)
        yield from _steps(_mapping(settings).get("block"), (*here, kind, "block"), inner)


class _Dumper(yaml.SafeDumper):
    """Writes scalars as they are: architecture files give no type to a scalar."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


# of its own: with the inherited ones a word such as 010 would be put in quotes
_Dumper.yaml_implicit_resolvers = {}


def _scalar(dumper: yaml.SafeDumper, word: str) -> yaml.ScalarNode:
    quote = "'" if word in NOTHING else None
    return dumper.represent_scalar(TEXT, str(word), style=quote)


for _kind in (str, Word):
    _Dumper.add_representer(_kind, _scalar)
_Dumper.add_representer(
    type(None), lambda dumper, _: dumper.represent_scalar(TEXT, "~")
)
