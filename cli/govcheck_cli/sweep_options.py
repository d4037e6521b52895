"""Lists of values and seeds on the command line."""

from __future__ import annotations

from collections.abc import Iterable

from govcheck.errors import InputError, Problem

MAX_SEEDS = 100_000


def values(pairs: Iterable[str]) -> dict[str, list[str]]:
    """Values by symbol from ``NAME=V,V,...``; commas in parentheses belong to formulas.

    Raises:
        InputError: for text of another form and for a name given twice.
    """
    found: dict[str, list[str]] = {}
    problems = []
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        parts = split(text)
        if not (name and equals and all(parts)):
            problems.append(Problem("bad-set", f"it takes NAME=V,V, not {pair!r}", "--set",
                                    "write --set m=64,128"))
        elif name in found:
            problems.append(Problem("bad-set", f"{name} is set twice", "--set",
                                    f"write all of its values at once: --set {name}=1,2"))
        found[name] = parts
    if problems:
        raise InputError(problems)
    return found


def split(text: str) -> list[str]:
    """The parts between commas outside of parentheses."""
    parts, depth = [""], 0
    for c in text:
        depth += (c == "(") - (c == ")")
        if c == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts]


def seeds(text: str) -> list[int]:
    """Seeds from ``0..3,7``: 0, 1, 2, 3, 7.

    Raises:
        InputError: for text of another form and for a seed given twice.
    """
    found: list[int] = []
    try:
        for part in text.split(","):
            first, dots, last = part.strip().partition("..")
            low = int(first)
            high = int(last) if dots else low
            if low < 0 or high < low or high - low >= MAX_SEEDS:
                raise ValueError(part)
            found += range(low, high + 1)
    except ValueError:
        raise InputError(Problem("bad-option", f"it takes numbers and ranges, not {text!r}",
                                 "--seeds", "write 0..3 or 0,2,5")) from None
    if len(set(found)) < len(found):
        raise InputError(Problem("bad-option", "a seed is given twice", "--seeds",
                                 "keep one of them"))
    return found
