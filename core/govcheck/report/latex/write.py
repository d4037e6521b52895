"""Blocks as LaTeX that needs no more than article, amsmath, booktabs and graphicx."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from govcheck.report.bibliography import WORKS
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
from govcheck.report.latex.escape import code, escape, prose

LEVELS: Final = {2: "section*", 3: "subsection*", 4: "paragraph"}
ROOM: Final = 62.0
"""Signs of a formula on a line of 160 mm."""
NARROW: Final = 48.0
"""Signs of a formula on a line of article's own width."""
SMALLER: Final = ((1.0, ""), (1.11, r"\small"), (1.25, r"\footnotesize"))
LETTERS: Final = 84.0
"""Letters of small print on a line of that width."""
TALLEST: Final = 22.0
"""Lines of a table that is not broken; longer ones leave gaps at the ends of pages."""
CAPTION: Final = 400
"""Longest text below a drawing."""
DECIMAL: Final = re.compile(r"(-?[0-9.]+)e([+-]?)([0-9]+)")


class Writer:
    """Writes blocks.

    Args:
        figures: name of the file of each drawing by its key; drawings without are left out.
        room: signs of a formula on a line.
    """

    def __init__(self, figures: Mapping[str, str], room: float = ROOM) -> None:
        self._figures = figures
        self._room = room

    def blocks(self, blocks: Sequence[Block]) -> str:
        """Several blocks."""
        return "\n\n".join(filter(None, (self._block(b) for b in blocks)))

    def _block(self, block: Block) -> str:
        match block:
            case Heading(level, body):
                if level == 1:
                    return ""
                return rf"\{LEVELS[level]}{{{inline(body)}}}"
            case Paragraph(body):
                return rf"\noindent {inline(body)}"
            case Items(items):
                points = "\n".join(rf"\item {{}}{inline(i)}" for i in items)
                return f"\\begin{{itemize}}\n{points}\n\\end{{itemize}}"
            case Formulas(formulas):
                return _display(formulas, self._room)
            case Table():
                return _table(block)
            case Lines(listed):
                return "\n".join(
                    rf"{{\footnotesize\noindent\hspace*{{{depth}em}}\hangindent={depth + 2}em "
                    rf"{code(text)}\par}}"
                    for depth, text in listed
                )
            case Fold(title, inside):
                return rf"\paragraph{{{inline(title)}}}\mbox{{}}\par" + "\n" + self.blocks(inside)
            case Figure(key, title, alt):
                return self._figure(key, title, alt)

    def _figure(self, key: str, title: str, alt: str) -> str:
        if key not in self._figures:
            return ""
        # the title stands in the drawing
        said = alt if len(alt) <= CAPTION else f"{title}."
        return "\n".join([
            r"\begin{center}",
            rf"\includegraphics[width=\linewidth]{{{self._figures[key]}}}",
            r"\par\smallskip",
            rf"\begin{{minipage}}{{0.9\linewidth}}\small {prose(said)}",
            r"\end{minipage}",
            r"\end{center}",
        ])


def inline(parts: Inlines) -> str:
    """Parts of a line."""
    return "".join(map(_part, parts))


def _part(part: Inline) -> str:
    match part:
        case Text(text, strong):
            return rf"\textbf{{{prose(text)}}}" if strong else prose(text)
        case Code(text):
            return code(text)
        case Math(tex):
            return f"${tex}$"
        case Number(text):
            return f"${number(text)}$"
        case Cite(reference):
            return cite(reference)


def number(text: str) -> str:
    """A decimal of the document for math mode."""
    found = DECIMAL.fullmatch(text)
    if found:
        digits, sign, exponent = found.groups()
        return rf"{digits}\cdot 10^{{{'-' if sign == '-' else ''}{exponent}}}"
    return {"Infinity": r"\infty", "-Infinity": r"-\infty"}.get(text, text)


def cite(reference: Mapping[str, object]) -> str:
    """A place in the literature, cited where there is an entry for it."""
    source, place = str(reference["source"]), str(reference["place"])
    errata = reference["errata"]
    tail = escape(f" (erratum {', '.join(map(str, errata))})") if isinstance(
        errata, list) and errata else ""
    if source not in WORKS:
        return prose(str(reference["text"]))
    return rf"\cite[{{{prose(place)}}}]{{{WORKS[source].key}}}{tail}"


def _display(formulas: Sequence[Formula], room: float) -> str:
    rows: list[str] = []
    for f in formulas:
        first, *more = lines(f.tex, room, tex_width(f.name) + 2 * RELATION)
        rows.append(f"&{_smaller(f'{f.name} {f.relation} {first}', room)} &&")
        rows += [rf"&\qquad{{}} {_smaller(line, room)} &&" for line in more]
    body = " \\\\\n".join(rows)
    return f"\\begin{{flalign*}}\n{body}\n\\end{{flalign*}}"


def _smaller(line: str, room: float) -> str:
    """A line that cannot be broken and is too wide, in smaller letters."""
    wide = tex_width(line)
    size = next((size for factor, size in SMALLER if wide <= factor * room), r"\scriptsize")
    return rf"\text{{{size}$\displaystyle {line}$}}" if size else line


def _table(t: Table) -> str:
    head = " & ".join(rf"\textbf{{{inline(h)}}}" for h in t.head)
    columns = "".join(_column(w) for w in t.widths)
    titled = any(t.head)
    return "\n\n".join(_part_of_table(part, t.widths, head if titled else "", columns)
                       for part in _fitting(t))


def _column(width: float) -> str:
    if width > 0:
        return rf"p{{{width}\linewidth}}"
    return "r" if width < 0 else "l"


def _part_of_table(
    rows: Sequence[Sequence[Inlines]], widths: Sequence[float], head: str, columns: str
) -> str:
    top = [head + r" \tabularnewline", r"\midrule"] if head else []
    body = [
        " & ".join((r"\raggedright " if w > 0 else "") + inline(c)
                   for w, c in zip(widths, row, strict=True)) + r" \tabularnewline"
        for row in rows
    ]
    return "\n".join([
        r"\par\medskip\noindent{\small\setlength{\tabcolsep}{3pt}%",
        rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule", *top, *body,
        r"\bottomrule", r"\end{tabular}\par}\medskip",
    ])


def _fitting(t: Table) -> list[list[Sequence[Inlines]]]:
    """The rows in parts that fit a page."""
    parts: list[list[Sequence[Inlines]]] = [[]]
    height = 0.0
    for row in t.rows:
        tall = max((_height(c, w) for c, w in zip(row, t.widths, strict=True)), default=1.0)
        if height + tall > TALLEST and parts[-1]:
            parts.append([])
            height = 0.0
        parts[-1].append(row)
        height += tall
    return parts


def _height(cell: Inlines, width: float) -> float:
    length = sum(len(getattr(p, "text", "")) or 12 for p in cell)
    return 1.0 if width <= 0 else 1.0 + length // (LETTERS * width)
