"""The report as Markdown that GitHub renders, formulas included."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from govcheck.report.blocks import (
    Block,
    Cite,
    Code,
    Figure,
    Fold,
    Formula,
    Formulas,
    Heading,
    Inline,
    Inlines,
    Items,
    Lines,
    Math,
    Number,
    Paragraph,
    Table,
    Text,
)
from govcheck.report.breaking import RELATION, lines, tex_width
from govcheck.report.pages import pages

Json = dict[str, Any]
ROOM: Final = 80.0
"""Signs of a formula on a line."""
GROUP: Final = 12
"""Formulas in one block; very long blocks are slow to draw."""
NO_FIGURES: Final[Mapping[str, str]] = MappingProxyType({})
SPECIAL: Final = re.compile(r"([\\`*_{}\[\]#|~$])")
START: Final = re.compile(r"^([-+=>]|\d+[.)])")
NAME: Final = re.compile(r"\S*[_^*|@]\S*")
RELATIONS: Final = {"<=": "≤", ">=": "≥"}
BAR: Final = re.compile(r"\\\||(?<!\\)\|")


def render(doc: Json, *, figures: Mapping[str, str] = NO_FIGURES) -> str:
    """The report in Markdown.

    Formulas within lines are written between ``$`` and backticks, where no sign of Markdown
    counts, and displayed ones in blocks of code named math; user text is escaped.

    Args:
        doc: from `govcheck.report.full`.
        figures: path of each drawing by its key; drawings without are left out.
    """
    return _blocks(pages(doc), figures) + "\n"


def _blocks(blocks: Sequence[Block], figures: Mapping[str, str]) -> str:
    return "\n\n".join(filter(None, (_block(b, figures) for b in blocks)))


def _block(block: Block, figures: Mapping[str, str]) -> str:
    match block:
        case Heading(level, body):
            return f"{'#' * level} {_inline(body)}"
        case Paragraph(body):
            return _line(body)
        case Items(items):
            return "\n".join(f"- {_line(i)}" for i in items)
        case Formulas(formulas):
            return "\n\n".join(
                _display(formulas[i : i + GROUP]) for i in range(0, len(formulas), GROUP)
            )
        case Table():
            return _table(block)
        case Lines(listed):
            return _fenced("\n".join("  " * depth + text for depth, text in listed), "")
        case Fold(title, inside):
            return (
                f"<details>\n<summary>{_html(title)}</summary>\n\n{_blocks(inside, figures)}\n\n"
                "</details>"
            )
        case Figure(key, _, alt):
            return f"![{escape(alt)}](<{figures[key]}>)" if key in figures else ""


def _line(parts: Inlines) -> str:
    return START.sub(lambda m: _start(m.group()), _inline(parts))


def _start(text: str) -> str:
    return f"{text[:-1]}\\{text[-1]}"


def _inline(parts: Inlines, *, table: bool = False) -> str:
    return "".join(_part(p, table) for p in parts).strip()


def _part(part: Inline, table: bool) -> str:
    match part:
        case Text(text, strong):
            shown = _prose(text, table)
            return f"**{shown}**" if strong else shown
        case Code(text):
            return _code(text, table)
        case Math(tex):
            return f"$`{_bars(tex)}`$"
        case Number(text):
            return escape(text)
        case Cite(reference):
            return escape(str(reference["text"]))


def _html(parts: Inlines) -> str:
    """A title inside of HTML, where Markdown does not count."""
    text = "".join(p.text for p in parts if isinstance(p, (Text, Code)))
    return text.strip().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape(text: str) -> str:
    """Words as they are, whatever signs they contain."""
    plain = SPECIAL.sub(r"\\\1", " ".join(text.split("\n")))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _prose(text: str, table: bool) -> str:
    """Text with names and formulas as code."""
    return "".join(_word(w, table) for w in re.split(r"( +)", text.replace("\n", " ")))


def _word(word: str, table: bool) -> str:
    if word in RELATIONS:
        return RELATIONS[word]
    if not NAME.fullmatch(word) or len(word) < 2 or "`" in word or "$" in word:
        return escape(word)
    kept = word.rstrip(".,;:!?")
    while kept.endswith(")") and kept.count(")") > kept.count("("):
        kept = kept[:-1].rstrip(".,;:")
    bare = kept.lstrip("(") if kept.count("(") > kept.count(")") else kept
    head, tail = kept[: len(kept) - len(bare)], word[len(kept) :]
    whole = bare.count("(") == bare.count(")") and bare.count("|") % 2 == 0
    return escape(head) + (_code(bare, table) if bare and whole else escape(bare)) + escape(tail)


def _code(text: str, table: bool) -> str:
    plain = " ".join(text.split("\n"))
    if table:
        plain = plain.replace("|", r"\|")
    longest = max((len(run) for run in re.findall("`+", plain)), default=0)
    ticks = "`" * (longest + 1)
    space = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{ticks}{space}{plain}{space}{ticks}"


def _bars(tex: str) -> str:
    """A formula without upright bars, which would end the cell of a table."""
    return BAR.sub(lambda m: r"\Vert " if len(m.group()) == 2 else r"\vert ", tex)


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _display(formulas: Sequence[Formula]) -> str:
    rows = []
    for f in formulas:
        first, *more = lines(f.tex, ROOM, tex_width(f.name) + 2 * RELATION)
        rows.append(f"&{f.name} {f.relation} {first}")
        rows += [rf"&\qquad{{}} {line}" for line in more]
    body = " \\\\\n".join(_bars(row) for row in rows)
    return _fenced(f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}", "math")


def _table(t: Table) -> str:
    rule = ["---:" if w < 0 else "---" for w in t.widths]
    rows = [[_inline(h, table=True) for h in t.head], rule]
    rows += [[_inline(c, table=True) for c in row] for row in t.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
