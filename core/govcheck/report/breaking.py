"""Lines of a long LaTeX formula, broken between terms and, where needed, between factors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

SILENT: Final = frozenset((
    "mathrm", "mathtt", "widehat", "left", "right", ",", ";", "quad", "displaystyle",
))
WIDE: Final = {"min": 3.0, "max": 3.0, "exp": 3.0, "log": 3.0, "tanh": 4.0, "times": 1.7}
RELATION: Final = 1.7
INDEX: Final = 0.72
_COMMAND: Final = re.compile(r"\\(?:[a-zA-Z]+|.)")


def lines(tex: str, room: float, taken: float = 0.0) -> list[str]:
    """The formula in lines of at most `room` signs, where its form allows.

    Args:
        tex: the formula for math mode.
        room: signs on a line.
        taken: signs that stand before it on its first line.
    """
    found: list[str] = []
    line, left = "", room - taken
    for sign, term in _split(tex, (" + ", " - ")):
        wide = tex_width(term) + (RELATION if sign else 0.0)
        if line and wide > left:
            found.append(line)
            line, left = "", room
        if wide <= left:
            line += sign + term
            left -= wide
            continue
        *whole, line = _factors(sign, term, room, left)
        found += whole
        left = room - tex_width(line)
    return [part.strip() for part in (*found, line)]


def _factors(sign: str, term: str, room: float, left: float) -> list[str]:
    found, line = [], sign
    for i, (_, factor) in enumerate(_split(term, (r" \, ",))):
        wide = tex_width(factor)
        if i and wide > left:
            found.append(line)
            line, left = r"\times ", room - RELATION
        elif i:
            line += r" \, "
        line += factor
        left -= wide + 0.3
    return [*found, line]


def _split(tex: str, marks: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Parts between marks that stand outside of all groups, each with the mark before it."""
    depth, start, mark = 0, 0, ""
    i = 0
    while i < len(tex):
        here = next((m for m in marks if depth == 0 and i and tex.startswith(m, i)), None)
        if here is not None:
            yield mark, tex[start:i]
            mark, i = here, i + len(here)
            start = i
            continue
        token = _COMMAND.match(tex, i)
        word = token.group() if token else tex[i]
        depth += word in ("{", r"\left")
        depth -= word in ("}", r"\right")
        i += len(word)
    yield mark, tex[start:]


def tex_width(tex: str) -> float:
    """Width of a formula, in signs of ordinary size."""
    total, i = 0.0, 0
    while i < len(tex):
        c = tex[i]
        if tex.startswith(r"\frac", i):
            above, i = _group(tex, i + 5)
            below, i = _group(tex, i)
            total += max(tex_width(above), tex_width(below)) + 0.5
        elif c in "_^":
            index, i = _group(tex, i + 1)
            total += INDEX * tex_width(index)
        elif c == "\\":
            word = _COMMAND.match(tex, i)
            name = word.group()[1:] if word else ""
            i += len(name) + 1
            total += 0.0 if name in SILENT else WIDE.get(name, 1.0)
        else:
            total += 0.0 if c in "{} &" else RELATION if c in "+-=" else 1.0
            i += 1
    return total


def _group(tex: str, i: int) -> tuple[str, int]:
    """The group or sign at a position, and where it ends."""
    if i >= len(tex):
        return "", i
    if tex[i] != "{":
        word = _COMMAND.match(tex, i)
        one = word.group() if word else tex[i]
        return one, i + len(one)
    depth, k = 0, i
    while k < len(tex):
        if tex[k] == "\\":
            k += 1
        elif tex[k] in "{}":
            depth += 1 if tex[k] == "{" else -1
            if depth == 0:
                return tex[i + 1 : k], k + 1
        k += 1
    return tex[i + 1 :], len(tex)
