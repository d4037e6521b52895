"""YAML text as a tree of positioned nodes; scalars stay text, nothing is constructed.

The tree is built from parser events with a stack of its own, so that nesting, size and
aliases are refused before they cost anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Union

import yaml

from govcheck.errors import InputError, Problem
from govcheck.graph.blocks import Mark
from govcheck.spec.names import shown

MAX_DEPTH: Final = 64
MAX_EVENTS: Final = 500_000
MAX_PROBLEMS: Final = 500

LOADER: Final[type[Any]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_FORBIDDEN = re.compile(
    "[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


@dataclass(slots=True)
class ScalarNode:
    """Text; `start` and `end` are its place in the source, quotes included."""

    text: str
    plain: bool
    line: int
    column: int
    start: int
    end: int

    @property
    def null(self) -> bool:
        """Whether nothing is written here, or YAML's word for nothing."""
        return self.plain and self.text in ("", "~", "null")


@dataclass(slots=True)
class ListNode:
    """A sequence."""

    line: int
    column: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class MapNode:
    """A mapping as pairs in file order, repetitions kept."""

    line: int
    column: int
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    pending: Node | None = None


Node = Union[ScalarNode, ListNode, MapNode]


class Problems:
    """Everything wrong with one file, in the order of the file.

    Recording one too many raises `InputError` with all of them, which bounds the work that
    a hostile file can cause.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._found: dict[tuple[int, int, str, str], Problem] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def add(
        self, code: str, message: str, at: Node | None, hint: str = "", offset: int = -1
    ) -> None:
        """Record a problem at a node, or `offset` characters into its text."""
        line, column = (1, 1) if at is None else self.place(at, offset)
        self.at(code, message, line, column, hint)

    def at(self, code: str, message: str, line: int, column: int, hint: str = "") -> None:
        """Record a problem at a line and column, counted from 1."""
        where = f"{self.file}:{line}:{column}"
        self._keep((line, column, code, message), Problem(code, message, where, hint))

    def elsewhere(self, code: str, message: str, where: str, hint: str = "") -> None:
        """Record a problem that is not in the file, such as one of an option."""
        self._keep((0, 0, code, where + message), Problem(code, message, where, hint))

    def _keep(self, key: tuple[int, int, str, str], problem: Problem) -> None:
        self._found.setdefault(key, problem)
        if len(self._found) >= MAX_PROBLEMS:
            raise self.error()

    def error(self) -> InputError:
        """All of them as an exception."""
        found = [self._found[k] for k in sorted(self._found)]
        if len(found) >= MAX_PROBLEMS:
            found.append(Problem("too-many", f"reading stopped after {MAX_PROBLEMS} problems",
                                 self.file, "mend these first"))
        return InputError(found)

    def check(self) -> None:
        """Raise if anything was recorded.

        Raises:
            InputError: with all problems so far.
        """
        if self._found:
            raise self.error()

    def mark(self, at: Node) -> Mark:
        """The place of a node."""
        return Mark(self.file, at.line, at.column)

    def place(self, at: Node, offset: int = -1) -> tuple[int, int]:
        """Line and column of a node, or of one character of a scalar's text."""
        if not isinstance(at, ScalarNode) or offset < 0 or not at.text:
            return at.line, at.column
        raw = self.text[at.start : at.end]
        index = _raw_index(raw, at.text, offset)
        return advance(raw[:index], at.line, at.column)


def advance(text: str, line: int, column: int) -> tuple[int, int]:
    """Line and column after `text` that begins at the given ones."""
    ends = [m.end() for m in _LINE_BREAK.finditer(text)]
    return (line + len(ends), len(text) - ends[-1] + 1) if ends else (line, column + len(text))


def _raw_index(raw: str, value: str, offset: int) -> int:
    """Where character `offset` of a scalar's value is in its source; 0 if unclear."""
    found = raw.find(value)
    if found >= 0:
        return found + offset
    wanted = len("".join(value[:offset].split()))
    start = 1 if raw[:1] in "\"'" else (_block_header(raw) if raw[:1] in "|>" else 0)
    body = raw[start:].rstrip("\"'") if raw[:1] in "\"'" else raw[start:]
    if "".join(body.split()) != "".join(value.split()):
        return 0
    solid = [i for i, c in enumerate(body) if not c.isspace()]
    if wanted < len(solid):
        return start + solid[wanted]
    return start + (solid[-1] + 1 if solid else 0)


def _block_header(raw: str) -> int:
    end = _LINE_BREAK.search(raw)
    return end.end() if end else len(raw)


NEEDS: Final = "an architecture file has at least the keys govcheck, input and layers"


def parse(problems: Problems, loader: type[Any] = LOADER, needs: str = NEEDS) -> Node:
    """The tree of the one document in the text.

    Args:
        problems: the text, and where problems go.
        loader: the parser of PyYAML.
        needs: what a file of this kind has at least, for the message about an empty one.

    Raises:
        InputError: for text that is not YAML or that uses what an architecture file does
            not need: aliases, tags, several documents, deep nesting.
    """
    bad = _FORBIDDEN.search(problems.text)
    if bad:
        line, column = advance(problems.text[: bad.start()], 1, 1)
        problems.at(
            "not-text",
            f"character U+{ord(bad.group()):04X} is not allowed in YAML",
            line,
            column,
            "save the file as UTF-8 text",
        )
        raise problems.error()
    root: Node | None = None
    try:
        root = _build(yaml.parse(problems.text, Loader=loader), problems)
    except yaml.MarkedYAMLError as error:
        _not_yaml(error, problems)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        problems.add("not-yaml", f"this is not YAML: {str(error).splitlines()[0]}", None)
    if root is None or (isinstance(root, ScalarNode) and root.null):
        problems.check()
        problems.add(
            "empty",
            "the file is empty",
            None,
            needs,
        )
    problems.check()
    assert root is not None
    return root


def _not_yaml(error: yaml.MarkedYAMLError, problems: Problems) -> None:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    parts = " ".join(p for p in (error.context, error.problem) if p)
    hint = "look at the indentation, colons, quotes and brackets here and on the line before"
    if mark and problems.text[mark.index : mark.index + 1] == "\t":
        hint = "indent with spaces, not with tabs"
    problems.at("not-yaml", f"this is not YAML: {parts}", line, column, hint)


def _build(events: Iterator[yaml.Event], problems: Problems) -> Node | None:
    root: Node | None = None
    documents = 0
    stack: list[ListNode | MapNode] = []
    for count, event in enumerate(events):
        if count > MAX_EVENTS:
            _refuse(problems, event, "too-large", f"the file has more than {MAX_EVENTS} elements",
                    "use repeat for what occurs many times")
            raise problems.error()
        made: Node
        if isinstance(event, yaml.ScalarEvent):
            mark, end = event.start_mark, event.end_mark
            assert mark is not None and end is not None
            made = ScalarNode(event.value, event.style in (None, ""), mark.line + 1,
                              mark.column + 1, mark.index, end.index)
            if mark.index == end.index:
                _to_colon(made, problems.text)
        elif isinstance(event, yaml.CollectionStartEvent):
            mark = event.start_mark
            assert mark is not None
            kind = ListNode if isinstance(event, yaml.SequenceStartEvent) else MapNode
            made = kind(mark.line + 1, mark.column + 1)
            if len(stack) >= MAX_DEPTH:
                _refuse(problems, event, "too-deep",
                        f"nesting is deeper than {MAX_DEPTH} levels",
                        "use repeat for blocks that follow one another")
                raise problems.error()
        elif isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
            continue
        elif isinstance(event, yaml.AliasEvent):
            name = shown(str(event.anchor))
            _refuse(problems, event, "alias", f"alias {name}: anchors and aliases are not read",
                    "write the value out, or use repeat for a block that occurs many times")
            made = ScalarNode("", True, 1, 1, 0, 0)
        else:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    _refuse(problems, event, "documents", "a second YAML document begins here",
                            "an architecture file has one document: remove the line ---")
                    raise problems.error()
            continue
        if isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.AliasEvent):
            _plain_only(event, problems)
        if not stack:
            root = made
        else:
            _attach(stack[-1], made)
        if not isinstance(made, ScalarNode):
            stack.append(made)
    return root


def _to_colon(empty: ScalarNode, text: str) -> None:
    """Move an empty value behind the last word before it: the parsers differ in flow style."""
    at = empty.start
    while at > 0 and text[at - 1] in " \t\r\n":
        at -= 1
    gap = text[at : empty.start]
    breaks = gap.count("\n")
    if breaks:
        empty.line -= breaks
        empty.column = at - max(text.rfind("\n", 0, at), text.rfind("\r", 0, at))
    else:
        empty.column -= len(gap)
    empty.start = empty.end = at


def _attach(parent: ListNode | MapNode, made: Node) -> None:
    if isinstance(parent, ListNode):
        parent.items.append(made)
    elif parent.pending is None:
        parent.pending = made
    else:
        parent.pairs.append((parent.pending, made))
        parent.pending = None


def _plain_only(event: yaml.NodeEvent, problems: Problems) -> None:
    if event.anchor is not None:
        _refuse(problems, event, "alias",
                f"anchor {shown(str(event.anchor))}: anchors and aliases are not read",
                "remove the anchor and write the value out where it is used")
    tag = getattr(event, "tag", None)
    if tag is not None:
        _refuse(problems, event, "tag", f"tag {shown(str(tag))}: tags are not read",
                "remove the tag; each key knows what kind of value it takes")


def _refuse(problems: Problems, event: yaml.Event, code: str, message: str, hint: str) -> None:
    mark = event.start_mark
    assert mark is not None
    problems.at(code, message, mark.line + 1, mark.column + 1, hint)
