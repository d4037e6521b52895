"""Progress and drawings in notebooks."""

from __future__ import annotations

import json
import sys
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from govcheck.report.plots import figure, save, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS: Final = 0.25
"""Between two updates, and before the first."""


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this; IPython is not imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class Bar:
    """Progress below a notebook's cell, gone when the work is done; nothing elsewhere.

    It needs no widgets. Call it with what is done now and how many of how many parts are over.
    """

    def __init__(self) -> None:
        self._handle: Any = None
        self._begun = self._last = time.monotonic()
        self._here = in_notebook()

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            self._show("")

    def __call__(self, text: str, done: int, of: int) -> None:
        """Tell that `done` of `of` parts are finished."""
        now = time.monotonic()
        if not self._here or now - self._last < SECONDS:
            return
        self._last = now
        self._show(f'<progress value="{done}" max="{of}"></progress> {escape(text)} '
                   f"({done} of {of}, {now - self._begun:.0f} s)")

    def _show(self, content: str) -> None:
        display: Any = import_module("IPython.display").display
        bundle = {"text/html": content, "text/plain": ""}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


@dataclass(frozen=True, eq=False)
class Drawing:
    """One drawing of `govcheck.report.plot_data.plots_of`, shown by notebooks.

    Args:
        plot: its numbers and texts.
    """

    plot: Mapping[str, Any]

    @property
    def alt(self) -> str:
        """What it shows, in words."""
        return str(self.plot["alt"])

    def figure(self) -> Figure:
        """For changes by hand."""
        return figure(self.plot)

    def save(self, path: Path | str) -> None:
        """Write it to .svg, .png or .pdf.

        Raises:
            InputError: for another ending, or if the file cannot be written.
        """
        save(self.plot, path)

    def inline(self) -> str:
        """An ``<svg>`` for a page of several, in the colour of its text."""
        # identifiers must differ where drawings do
        mark = zlib.crc32(json.dumps(self.plot, sort_keys=True).encode())
        return svg({**self.plot, "key": f"{self.plot['key']}-{mark:08x}"}, headings=True)

    def _repr_svg_(self) -> str:
        return svg(self.plot, headings=True, ground="white")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"{self.plot['title']}: {self.alt}")


class Drawings(list[Drawing]):
    """Several drawings, one below the other."""

    def _repr_html_(self) -> str:
        return "".join(f"<div>{d.inline()}</div>" for d in self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("\n".join(f"{d.plot['key']}: {d.alt}" for d in self) or "nothing to draw")


@dataclass(frozen=True)
class Picture:
    """A finished picture, shown by notebooks.

    Args:
        content: an ``<svg>`` element.
        said: what it shows, in a few words.
    """

    content: str
    said: str

    def _repr_svg_(self) -> str:
        # its text is dark, and the page may be too
        begin = self.content.index(">") + 1
        ground = '<rect width="100%" height="100%" fill="white"/>'
        return self.content[:begin] + ground + self.content[begin:]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.said)
