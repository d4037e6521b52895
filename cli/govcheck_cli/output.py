"""Where output goes: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from govcheck.report.page import Page

MIN_WIDTH: Final = 60
MAX_WIDTH: Final = 120
DEFAULT_WIDTH: Final = 80


def write(text: str) -> None:
    """A result, with one newline at its end."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def write_json(value: Any) -> None:
    """A result as JSON and nothing else; ASCII where stdout cannot show more."""
    write(json.dumps(value, indent=2, ensure_ascii=not speaks_unicode()))


def warn(text: str) -> None:
    """One warning line."""
    sys.stderr.write(f"govcheck: warning: {' '.join(text.split())}\n")


def note(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"{' '.join(text.split())}\n")


def fail(lines: Iterable[object]) -> None:
    """Problems of the input, one on each line."""
    for line in lines:
        sys.stderr.write(f"govcheck: {line}\n")


def speaks_unicode(stream: TextIO | None = None) -> bool:
    """Whether the signs that reports use can be encoded."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "ascii"
    try:
        "≤≥✓✗…•".encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def colored() -> bool:
    """Whether escape sequences may be written: on a terminal, unless NO_COLOR is set."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


def width() -> int:
    """Columns of the terminal within reason; COLUMNS counts, a pipe has 80."""
    found = shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns
    return max(MIN_WIDTH, min(MAX_WIDTH, found))


def make_page() -> Page:
    """An empty page for a command's own output."""
    from govcheck.report.page import Page

    return Page(width(), colored(), speaks_unicode())
