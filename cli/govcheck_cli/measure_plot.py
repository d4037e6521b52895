"""A drawing of proven bounds beside measured values, and of their ratios."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from govcheck.errors import InputError, Problem
from govcheck_cli.figures import save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from govcheck.numeric.measure.table import Row

PROVEN: Final = "#0072B2"
MEASURED: Final = "#E69F00"
ALARM: Final = "#D55E00"
FORMS: Final = ("svg", "png")


def check(path: Path) -> None:
    """Refuse a name that says no format we write, or a folder that is not there.

    Raises:
        InputError: saying what is possible.
    """
    if path.suffix.lower().removeprefix(".") not in FORMS:
        raise InputError(Problem("plot-file", f"{path.name} has no ending that says a format",
                                 "--plot", "use .svg or .png"))
    if not path.parent.is_dir():
        raise InputError(Problem("plot-file", f"there is no folder {path.parent}", "--plot"))


def draw(rows: Sequence[Row], path: Path, title: str) -> None:
    """Draw bars on logarithmic axes: bound and measurement, and how many times apart.

    Args:
        rows: those with a bound and a positive measurement are drawn.
        path: .svg or .png.
        title: above.

    Raises:
        InputError: if there is nothing to draw or the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kept = [r for r in rows if r.bound and r.bound > 0 and r.ratio is not None]
    if not kept:
        raise InputError(Problem("no-plot", "no quantity has both a positive bound and a "
                                 "positive measurement", "--plot"))
    figure = Figure(figsize=(10, 1.9 + 0.34 * len(kept)), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    _values(left, kept)
    _ratios(right, kept)
    figure.suptitle(title)
    save(figure, path)


def _values(axes: Axes, rows: Sequence[Row]) -> None:
    places = range(len(rows))
    values = [r.bound or 0.0 for r in rows] + [r.measured.value for r in rows]
    least = min(values)
    axes.barh([p - 0.2 for p in places], [r.bound or 0.0 for r in rows], 0.38, left=0,
              color=PROVEN, label="proven")
    axes.barh([p + 0.2 for p in places], [r.measured.value for r in rows], 0.38,
              color=MEASURED, label="measured",
              xerr=[min(r.measured.error, r.measured.value / 2) for r in rows], ecolor="0.3")
    axes.set_xscale("log")
    axes.set_xlim(least / 10, 10 * max(values))
    names = [f"{r.quantity} {'≤' if r.sense == 'upper' else '≥'}" for r in rows]
    axes.set_yticks(list(places), names)
    axes.invert_yaxis()
    axes.set_xlabel("value")
    axes.grid(True, axis="x", linewidth=0.4, color="0.85")
    axes.set_axisbelow(True)
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=2,
                       fontsize="small", frameon=False)


def _ratios(axes: Axes, rows: Sequence[Row]) -> None:
    ratios = [r.ratio or 1.0 for r in rows]
    colors = [ALARM if r.status == "alarm" else "0.55" for r in rows]
    axes.barh(range(len(rows)), ratios, 0.6, color=colors)
    axes.axvline(1, color="black", linewidth=0.8)
    for place, ratio in enumerate(ratios):
        text = f"{ratio:.3g}" if ratio < 999 else f"{ratio:.1e}"
        axes.text(max(ratio, 1.0) * 1.15, place, text, va="center", fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(min(0.5, min(ratios) / 2), max(ratios) ** 1.25 * 10)
    axes.set_xlabel("ratio: times the bound is away (1: attained)")
    axes.grid(True, axis="x", linewidth=0.4, color="0.85")
    axes.set_axisbelow(True)
