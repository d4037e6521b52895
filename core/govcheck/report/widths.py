"""How wide a formula is when it is set, counted in signs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from govcheck.bounds.expr import Expr
from govcheck.bounds.printing import latex

_SILENT: Final = re.compile(r"\\(?:mathrm|mathtt|widehat|left|right|,)|[{}^_&\s]")
_COMMAND: Final = re.compile(r"\\(?:[a-zA-Z]+|.)")


def signs(tex: str) -> int:
    """Signs that a piece of LaTeX without fractions shows, indices counted in full."""
    return len(_COMMAND.sub("x", _SILENT.sub("", tex)))


def width(e: Expr, args: Sequence[int]) -> int:
    """Width of an expression.

    Args:
        e: a node of the expression.
        args: widths of its arguments, each as it is shown.
    """
    match e.op:
        case "num":
            return max(len(str(e.payload.numerator)), len(str(e.payload.denominator)))
        case "add":
            return sum(args) + 3 * len(args) + 2
        case "mul":
            above = sum(w + 2 for w, x in zip(args, e.payload[1:], strict=True) if x > 0)
            below = sum(w + 2 for w, x in zip(args, e.payload[1:], strict=True) if x < 0)
            return max(above, below) + 2
        case "pow":
            return args[0] + args[1] + 2
        case "max" | "min" | "chs" | "fn":
            return sum(args) + 2 * len(args) + 4
        case "recur":
            return signs(latex(e.payload[0].state[e.payload[1]])) + args[0] + 2
    return signs(latex(e))
