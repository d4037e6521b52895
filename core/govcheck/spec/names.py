"""Which names a file may use, and how a wrong one is answered."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
MAX_NAME: Final = 64
FUNCTIONS: Final = ("sqrt", "exp", "log", "abs", "min", "max")
NORMALISATION: Final = "c_sigma"
CONSTANTS: Final = ("pi", "e")
SAMPLES: Final = "N"
DATA_NORMS: Final = ("X_F", "X_2", "X_max", "sigma_X", "sigma_X1", "Y_F")
RESERVED: Final = (*FUNCTIONS, *CONSTANTS, SAMPLES, *DATA_NORMS)
COMBINATORS: Final = ("repeat", "residual", "parallel", "sum", "concat")
INPUT_NAME: Final = "input"


def is_name(text: str) -> bool:
    """A letter, then letters, digits and underscores."""
    return len(text) <= MAX_NAME and NAME.fullmatch(text) is not None


def reserved(text: str) -> str:
    """What a name already stands for in formulas; empty for a name that is free."""
    if text in FUNCTIONS:
        return "a function"
    if text in CONSTANTS:
        return "a constant"
    if text in DATA_NORMS:
        return "a norm of the data"
    return "the number of samples" if text == SAMPLES else ""


def shown(text: str, limit: int = 40) -> str:
    """User text in quotes, short and printable."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "'" + "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut) + "'"


def suggest(word: str, known: Iterable[str], kind: str) -> str:
    """The hint for an unknown word: the nearest known one, else the list of them."""
    options = list(known)
    if len(word) <= MAX_NAME:
        # comparing is slow, and a file may declare thousands of names
        near = options if len(options) <= 300 else [o for o in options if o[:1] == word[:1]][:300]
        folded = {o.lower(): o for o in near}
        close = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
        if close:
            return f"did you mean {folded[close[0]]!r}?"
    if not options:
        return f"there are no {kind}"
    listed = ", ".join(options[:12]) + (", …" if len(options) > 12 else "")
    return f"{kind}: {listed}"
