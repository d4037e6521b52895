"""What of a torch module is not claimed, each with its place, all told at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from govcheck.errors import InputError, Problem

HINT = "write a layer with from_module for it, see docs/import.md"


@dataclass(frozen=True)
class Unclaimed:
    """A call, parameter or module that has no counterpart in architecture files.

    Args:
        path: of the module, as in ``named_modules``; empty for the outermost.
        what: the call, in words.
        why: the reason.
        where: ``file:line``; empty where it is not known.
    """

    path: str
    what: str
    why: str
    where: str = ""

    def problem(self) -> Problem:
        """The same as a problem of the input."""
        inside = f"{self.path}: " if self.path else ""
        return Problem("not-claimed", f"{inside}{self.what}: {self.why}", self.where)


class NotClaimedError(InputError):
    """A torch module that is not claimed completely; `items` lists everything."""

    def __init__(self, items: Iterable[Unclaimed]) -> None:
        self.items = list(dict.fromkeys(items))
        super().__init__([i.problem() for i in self.items])


def user_line(stack: str | None) -> str:
    """``file:line`` of the innermost frame of a stack trace that is not torch's own."""
    place = ""
    for line in (stack or "").splitlines():
        text = line.strip()
        if not text.startswith('File "') or "/torch/" in text:
            continue
        file, _, rest = text.removeprefix('File "').partition('", line ')
        place = f"{_shorter(file)}:{rest.split(',')[0]}"
    return place


def _shorter(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
