"""Drawings of lambda_0 against depth and number of samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from govcheck.errors import InputError, Problem
from govcheck_cli.figures import save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from govcheck.kernels.survey import DepthRow

COLORS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito (2008), told apart with any colour vision."""

LAMBDA: Final = r"$\lambda_0$"
STYLES: Final = ("-", "--", "-.")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")

Value = Callable[["DepthRow"], "float | None"]


def draw(rows: Sequence[DepthRow], path: Path, title: str, symbol: str = "H") -> None:
    """Draw lambda_0, and lambda_0 (H/alpha_H)^2 where it exists, on logarithmic axes.

    Values that are not certified positive are hollow; those that are not positive have no
    place on a logarithmic axis and are left out.

    Args:
        rows: of the table.
        path: .svg, .png or .pdf.
        title: above the drawing.
        symbol: name of the depth.

    Raises:
        InputError: if the file cannot be written or there is nothing to draw.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(rows)
    if not any(r.smallest.value > 0 for r in rows):
        raise InputError(Problem("no-plot", "no eigenvalue is positive, so there is nothing to "
                                 "draw on a logarithmic axis", "--plot"))
    figure = Figure(figsize=(1.2 + 4.6 * len(panels), 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels,
                           strict=True):
        _panel(axes, rows, symbol, *panel)
    figure.suptitle(title)
    save(figure, path)


def _panels(rows: Sequence[DepthRow]) -> list[tuple[str, Value, str]]:
    """What to draw: against what, which value, its name."""
    depths, counts = {r.depth for r in rows}, {r.n for r in rows}
    found: list[tuple[str, Value, str]] = []
    if len(depths) > 1 or len(counts) == 1:
        found.append(("depth", lambda r: r.smallest.value, LAMBDA))
        if any(r.depth_free is not None for r in rows):
            found.append(("depth", lambda r: r.depth_free, r"$\lambda_0\,H^2/\alpha_H^2$"))
    if len(counts) > 1:
        found.append(("n", lambda r: r.smallest.value, LAMBDA))
    return found


def _panel(
    axes: Axes, rows: Sequence[DepthRow], symbol: str, against: str, value: Value, name: str
) -> None:
    by_depth = against == "depth"
    groups = sorted({r.n if by_depth else r.depth or 0 for r in rows})
    for i, group in enumerate(groups):
        own = [r for r in rows if (r.n if by_depth else r.depth or 0) == group]
        points = [(r.depth or 0 if by_depth else r.n, value(r), r) for r in own]
        kept = [(at, y, r) for at, y, r in points if y is not None and y > 0]
        label = f"n = {group}" if by_depth else f"H = {group}" if group else None
        _line(axes, kept, i, label)
    if (by_depth and name == r"$\lambda_0$") or not by_depth:
        floors = sorted({(r.depth or 0 if by_depth else r.n): r.smallest.floor
                         for r in rows}.items())
        axes.plot([f[0] for f in floors], [f[1] for f in floors], color="0.5", linestyle=":",
                  linewidth=1, label="floor")
    axes.set_yscale("log")
    ticks = sorted({r.depth or 0 for r in rows} if by_depth else {r.n for r in rows})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.minorticks_off()
    axes.set_xlabel(f"depth {symbol}" if by_depth else "samples n")
    axes.set_ylabel(name)
    axes.grid(True, which="major", linewidth=0.4, color="0.85")
    axes.legend(fontsize="small", frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14),
                ncols=4)


def _line(axes: Axes, points: list[Any], index: int, label: str | None) -> None:
    color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
    style = STYLES[index // len(COLORS) % len(STYLES)]
    axes.plot([p[0] for p in points], [p[1] for p in points], color=color, marker=marker,
              linestyle=style, linewidth=1.4, markersize=5, label=label)
    hollow = [p for p in points if not p[2].smallest.certified_positive]
    axes.plot([p[0] for p in hollow], [p[1] for p in hollow], color=color, marker=marker,
              linestyle="none", markersize=5, markerfacecolor="white")
