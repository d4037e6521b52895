"""The pieces a terminal report is made of: titles, fields, items, cells."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any, Literal

from govcheck.report.layout import abbreviated, to_ascii, wrap

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

Json = dict[str, Any]


class Page:
    """Collects text through a rich console; signs outside ASCII only where they can be shown.

    Args:
        width: of the lines.
        color: whether to use escape sequences.
        unicode: whether signs outside ASCII can be shown.
    """

    def __init__(self, width: int, color: bool, unicode: bool) -> None:
        from rich.console import Console

        self._out = StringIO()
        self.console: Console = Console(
            file=self._out, width=width, force_terminal=color,
            color_system="standard" if color else None, highlight=False, markup=False,
            emoji=False, legacy_windows=False,
        )
        self.unicode = unicode
        self.width = width
        self.dots = "…" if unicode else "..."

    def text(self) -> str:
        """Everything so far, without blanks at the ends of lines."""
        text = "\n".join(line.rstrip() for line in self._out.getvalue().splitlines()) + "\n"
        return text if self.unicode else to_ascii(text)

    def sign(self, sense: str) -> str:
        """The sign of an upper or a lower bound."""
        if sense == "upper":
            return "≤" if self.unicode else "<="
        return "≥" if self.unicode else ">="

    def mark(self, holds: bool, status: str) -> str:
        """One sign for a hypothesis."""
        if holds:
            return "✓" if self.unicode else "+"
        if status == "refuted":
            return "✗" if self.unicode else "x"
        return "?"

    def line(
        self, text: str, style: str = "", overflow: Literal["fold", "ellipsis"] = "fold"
    ) -> None:
        """One line, cut or folded at the width."""
        from rich.text import Text

        shown = Text(text, style=style)
        cut = overflow == "ellipsis"
        if cut and len(text) > self.width:
            shown = Text(text[: self.width - len(self.dots)] + self.dots, style=style)
        self.console.print(shown, overflow="fold", no_wrap=cut)

    def parts(self, *parts: tuple[str, str]) -> None:
        """One line of several styles."""
        from rich.text import Text

        self.console.print(Text.assemble(*parts), overflow="fold")

    def title(self, text: str) -> None:
        """A heading after an empty line."""
        self.console.print()
        self.line(text, "bold")

    def field(self, name: str, text: str) -> None:
        """A name and its value, which hangs."""
        self.hang(f"  {name:<14}", text, "")

    def item(self, text: str, style: str = "") -> None:
        """A paragraph with a bullet."""
        self.hang("  • " if self.unicode else "  - ", text, style)

    def hypothesis(self, mark: str, status: str, style: str, text: str) -> None:
        """A decided hypothesis: sign, status, statement."""
        from rich.text import Text

        self._row(Text(f"  {mark} {status:<17}", style=style), Text(text), 21)

    def paragraphs(self, text: str) -> None:
        """Paragraphs that empty lines divide, each filled."""
        for paragraph in text.split("\n\n"):
            self.hang("  ", " ".join(paragraph.split()), "")

    def formula(self, head: str, text: str, limit: int | None = None) -> bool:
        """A head and a formula that hangs behind it; whether it was cut at `limit` lines."""
        hang = len(head)
        if hang > self.width // 2:
            self.line(head.rstrip())
            hang = 6
        room = self.width - hang
        lines, cut = (wrap(text, room), False) if limit is None else abbreviated(text, room, limit)
        first = hang == len(head)
        if first:
            self.line(head + lines[0])
        for line in lines[1 if first else 0 :]:
            self.line(" " * hang + line)
        return cut

    def hang(self, head: str, text: str, style: str = "") -> None:
        """A head and a paragraph that hangs behind it."""
        from rich.text import Text

        self._row(Text(head), Text(text, style=style), len(head))

    def _row(self, head: RenderableType, body: RenderableType, width: int) -> None:
        from rich.table import Table

        grid = Table.grid(padding=0)
        grid.add_column(width=width, no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(head, body)
        self.console.print(grid)

    def table(self, *heads: str, fold: bool = False) -> Table:
        """An empty table without lines.

        Args:
            heads: of a column of names and of columns of numbers; more may be added.
            fold: whether long names go on in the next line.
        """
        from rich.table import Table

        table = Table(box=None, padding=(0, 1), pad_edge=True, header_style="bold")
        for head in heads[:1]:
            table.add_column(head, no_wrap=not fold, overflow="fold" if fold else "ellipsis")
        for head in heads[1:]:
            table.add_column(head, no_wrap=True, justify="right")
        return table

    def cell(self, answer: Json | None, room: int) -> str:
        """A number, a short formula, or a word for what there is instead."""
        if answer is None:
            return ""
        if answer["state"] == "value":
            return str(answer["value"])
        if answer["state"] == "unknown":
            return "unknown"
        return answer["text"] if len(answer["text"]) <= room else "formula"

    def reasons(self, answers: list[tuple[str, Json]]) -> None:
        """Below a table: why answers are unknown or have no value, each reason once."""
        why: dict[str, list[str]] = {}
        for name, answer in answers:
            if answer["unknown"] is not None:
                why.setdefault(answer["unknown"]["reason"], []).append(name)
            elif answer["problem"]:
                why.setdefault(answer["problem"], []).append(name)
        for reason, names in why.items():
            self.item(f"{', '.join(names)}: {reason}", "yellow")
