"""How drawings look: colours, markers and lines that are told apart without colour too."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito (2008), told apart with any colour vision; the first four on white and black."""

PROVEN: Final = COLORS[0]
MEASURED: Final = COLORS[1]
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
LINES: Final = ("-", "--", "-.")
WIDTH: Final = 1.4
INK: Final = "#010203"
"""Stands for the colour of text, which is the reader's in an SVG inside a page."""

FAINT: Final = 0.22
"""Opacity of grids and frames."""

Form = Literal["line", "dashed", "dotted", "points", "steps"]
FORMS: Final[dict[Form, dict[str, Any]]] = {
    "line": {"linestyle": "-"},
    "dashed": {"linestyle": "--"},
    "dotted": {"linestyle": ":"},
    "points": {"linestyle": "none", "marker": "o", "markersize": 4},
    "steps": {"linestyle": "-", "drawstyle": "steps-post"},
}


def steady() -> AbstractContextManager[None]:
    """Within it a file of the same drawing has the same bytes, and its text is text."""
    import matplotlib as mpl

    return mpl.rc_context(
        {"svg.hashsalt": "govcheck", "svg.fonttype": "none", "pdf.fonttype": 42}
    )


def nth(index: int) -> dict[str, Any]:
    """Colour, marker and line of the series number `index`; 21 differ."""
    return {
        "color": COLORS[index % len(COLORS)] if index % len(COLORS) < 6 else INK,
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[index // len(COLORS) % len(LINES)],
    }


def plain(axes: Axes, grid: Literal["x", "y", "both"]) -> None:
    """A faint grid below the data, two frame lines, everything in the colour of ink."""
    axes.grid(True, axis=grid, which="major", linewidth=0.5, color=INK, alpha=FAINT)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
        spine.set_linewidth(0.7)
    axes.tick_params(which="both", colors=INK, labelcolor=INK, labelsize=9, width=0.7)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set_color(INK)
        text.set_fontsize(10)


def log_ticks(axes: Axes, which: Literal["x", "y"]) -> None:
    """Ticks of a logarithmic axis: powers of 10, and values between where few are in sight."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    decades = abs(_log10(high) - _log10(low))
    subs = (1.0, 2.0, 5.0) if decades <= 2.5 else (1.0, 3.0) if decades <= 4 else (1.0,)
    axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=9 if which == "x" else 12))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))


def _log10(value: float) -> float:
    return math.log10(value) if value > 0 else 0.0


SUPERSCRIPT: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(value: float) -> str:
    """A tick: 0.01, 5, 1000, 10⁻⁴, 2·10⁶."""
    if value <= 0:
        return "0"
    exponent = math.floor(_log10(value) + 1e-9)
    mantissa = value / 10.0**exponent
    if -3 <= exponent <= 3:
        return f"{value:.6g}"
    head = "" if abs(mantissa - 1) < 1e-9 else f"{mantissa:.3g}·"
    return f"{head}10{str(exponent).translate(SUPERSCRIPT)}"


def rounded(value: float) -> str:
    """A positive number with two digits: 2.9·10⁴."""
    return power(float(f"{value:.2g}"))
