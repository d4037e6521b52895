"""Laying out plain text: formulas broken where they read best, Unicode where it is understood."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

_ASCII: Final = {
    "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "→": "->", "⇒": "=>", "·": "*", "×": "x",
    "−": "-", "–": "-", "—": "-", "…": "...", "‖": "||", "√": "sqrt", "∞": "oo", "∇": "grad ",
    "∂": "d", "Σ": "Sum", "Π": "Prod", "∈": "in", "∘": "o", "²": "^2", "³": "^3", "ᵀ": "^T",
    "½": "1/2", "“": '"', "”": '"', "‘": "'", "’": "'", "ℓ": "l", "ℝ": "R",
}


def wrap(text: str, width: int) -> list[str]:
    """Break a formula into lines, where it is nested least in the second half of the line."""
    lines: list[str] = []
    rest = text
    while len(rest) > width:
        cut = _best_break(rest, width)
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*lines, rest]


def _best_break(text: str, width: int) -> int:
    depth, best, least = 0, width, 0
    for i, c in enumerate(text[:width]):
        depth += (c in "([") - (c in ")]")
        if c in " *,/" and i >= width // 2 and (best == width or depth <= least):
            best, least = i + 1, depth
    return best


def abbreviated(text: str, width: int, limit: int) -> tuple[list[str], bool]:
    """At most `limit` lines of a formula, and whether anything is left out."""
    # a formula of many pages is not wrapped to the end only to be cut
    lines = wrap(text[: width * (limit + 2)], width)
    if len(lines) <= limit and len(text) <= width * (limit + 2):
        return lines, False
    kept = lines[:limit]
    kept[-1] = kept[-1][: width - 4].rstrip() + " ..."
    return kept, True


def ascii_only(value: Any) -> Any:
    """A JSON value with every string in ASCII."""
    if isinstance(value, str):
        return value if value.isascii() else to_ascii(value)
    if isinstance(value, list):
        return [ascii_only(v) for v in value]
    if isinstance(value, dict):
        return {k: ascii_only(v) for k, v in value.items()}
    return value


def to_ascii(text: str) -> str:
    """Text with every sign outside ASCII written in ASCII; it may become longer."""
    return "".join(c if c.isascii() else _ASCII.get(c) or _plain(c) for c in text)


def _plain(c: str) -> str:
    """A letter without its accent, a Greek letter by name, else a question mark."""
    base = unicodedata.normalize("NFKD", c).encode("ascii", "ignore").decode()
    if base:
        return base
    name = unicodedata.name(c, "")
    greek = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name)
    if greek:
        return greek[2].lower() if greek[1] == "SMALL" else greek[2].capitalize()
    return "?"
