"""Errors a user can mend; each is one sentence with a place, a cause and a way out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input.

    Args:
        code: short stable identifier, such as ``unknown-layer``.
        message: one sentence.
        where: ``file:line:col``, or a file or option name.
        hint: the way out; may be empty.
    """

    code: str
    message: str
    where: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        tail = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{tail}"


class InputError(Exception):
    """Everything wrong with an input, at once; exit code 2."""

    def __init__(self, problems: list[Problem] | Problem) -> None:
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(map(str, self.problems)))
