"""A report as blocks of text, formulas and tables, for renderings that are written in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Union


@dataclass(frozen=True)
class Text:
    """Words; may contain anything a user wrote."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Code:
    """A name as it is written in files and commands."""

    text: str


@dataclass(frozen=True)
class Math:
    """LaTeX for math mode."""

    tex: str


@dataclass(frozen=True)
class Number:
    """A decimal of the document."""

    text: str


@dataclass(frozen=True)
class Cite:
    """A place in the literature, as the document has it."""

    reference: dict[str, Any]


Inline = Union[Text, Code, Math, Number, Cite]
Inlines = tuple[Inline, ...]


@dataclass(frozen=True)
class Heading:
    """A title; level 1 is the report's."""

    level: int
    body: Inlines


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    body: Inlines


@dataclass(frozen=True)
class Items:
    """A list of points."""

    items: Sequence[Inlines]


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        head: titles of the columns.
        rows: their cells.
        widths: for each column its part of the line where its cells wrap; 0 for one that takes
            what it needs; negative for one that takes what it needs, aligned at the right.
    """

    head: Sequence[Inlines]
    rows: Sequence[Sequence[Inlines]]
    widths: Sequence[float]


@dataclass(frozen=True)
class Formula:
    """A name, a sign of relation and what the name stands for, all in LaTeX."""

    name: str
    relation: str
    tex: str


@dataclass(frozen=True)
class Formulas:
    """Displayed formulas, one below the other."""

    formulas: Sequence[Formula]


@dataclass(frozen=True)
class Lines:
    """Lines of code, each with its depth of indentation."""

    lines: Sequence[tuple[int, str]]


@dataclass(frozen=True)
class Fold:
    """Details under a title, closed at first where that is possible."""

    title: Inlines
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Figure:
    """A drawing by its key in the document."""

    key: str
    title: str
    alt: str


Block = Union[Heading, Paragraph, Items, Table, Formulas, Lines, Fold, Figure]


@dataclass
class Blocks:
    """Collects blocks."""

    found: list[Block] = field(default_factory=list)

    def heading(self, level: int, *body: Inline | str) -> None:
        """A title."""
        self.found.append(Heading(level, inlines(*body)))

    def paragraph(self, *body: Inline | str) -> None:
        """A paragraph; nothing without words."""
        if any(body):
            self.found.append(Paragraph(inlines(*body)))

    def items(self, items: Sequence[Inlines]) -> None:
        """Points; nothing without any."""
        if items:
            self.found.append(Items(items))

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[Inlines]], widths: Sequence[float]
    ) -> None:
        """A table; nothing without rows."""
        if rows:
            self.found.append(Table([inlines(h) for h in head], rows, widths))

    def formulas(self, formulas: Sequence[Formula]) -> None:
        """Displayed formulas; nothing without any."""
        if formulas:
            self.found.append(Formulas(formulas))

    def fold(self, title: Inlines, inside: Blocks) -> None:
        """Details; nothing without any."""
        if inside.found:
            self.found.append(Fold(title, inside.found))


def inlines(*parts: Inline | str) -> Inlines:
    """Parts of a line; bare strings are words."""
    return tuple(Text(p) if isinstance(p, str) else p for p in parts if p != "")
