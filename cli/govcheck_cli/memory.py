"""Commands say how much memory they will take, and refuse what is above ``--max-memory``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Final

from govcheck_cli import output

if TYPE_CHECKING:
    from govcheck.graph.architecture import Architecture

LARGE: Final = 256 << 20
"""Below this nothing is said."""

FALLBACK: Final = 2 << 30

LAYER: Final = 128 << 10
"""Bytes that the bounds of one layer take, with what is printed of them."""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--max-memory``."""
    parser.add_argument("--max-memory", metavar="SIZE", help="refuse work that takes more, such "
                        "as 500M or 4G (default: half of the machine's)")


def limit(options: argparse.Namespace) -> int:
    """The most bytes that may be taken.

    Raises:
        InputError: if what was written is no size.
    """
    from govcheck_cli.gram_options import size

    text: str | None = getattr(options, "max_memory", None)
    if text is not None:
        return size(text, "--max-memory")
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return FALLBACK


def analysis(options: argparse.Namespace, arch: Architecture) -> None:
    """Announce a large analysis, as `allow` does.

    Raises:
        InputError: if it is above the limit.
    """
    from govcheck.graph.blocks import leaves

    count = sum(1 for _ in leaves(arch.body))
    allow(options, f"the analysis of {count} layers", count * LAYER,
          "write equal blocks as one `repeat`")


def allow(options: argparse.Namespace, what: str, peak: int, smaller: str) -> None:
    """Announce work on stderr if it is large.

    Args:
        options: with ``max_memory``.
        what: the work, the subject of a sentence.
        peak: bytes it takes, the program itself apart.
        smaller: what needs less.

    Raises:
        InputError: if it is above the limit; it names `smaller`.
    """
    from govcheck.errors import InputError, Problem
    from govcheck_cli.gram_options import shown_size

    most = limit(options)
    if peak > most:
        raise InputError(Problem(
            "memory", f"{what} takes about {shown_size(peak)} of memory, more than "
            f"{shown_size(most)}", "--max-memory", f"{smaller}, or raise the limit"))
    if peak > LARGE:
        output.note(f"{what} takes about {shown_size(peak)} of memory")
