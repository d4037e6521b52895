"""Drawings of a report: matplotlib figures, SVG that goes into a page, and files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from govcheck.errors import InputError, Problem
from govcheck.report.plot_parts import short
from govcheck.report.plot_style import (
    COLORS,
    FAINT,
    INK,
    MEASURED,
    PROVEN,
    WIDTH,
    log_ticks,
    nth,
    plain,
    rounded,
    steady,
)
from govcheck.writing import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Plots = Mapping[str, Any] | Sequence[Mapping[str, Any]]

FORMATS: Final = ("svg", "png", "pdf")
COLUMN: Final = 7.2
"""Width of one drawing in inches."""

POINTS: Final[dict[str, dict[str, Any]]] = {
    "proven": {"marker": "s", "markersize": 6, "color": PROVEN},
    "measured": {"marker": "o", "markersize": 6, "color": MEASURED},
    "median": {"marker": "o", "markersize": 6, "color": MEASURED},
}
SETS: Final = (0, 2, 3, 4, 5)
"""Colours of points that stand beside measured ones."""

OFF: Final = 1e3
"""A floor that is so many times below the data would only squeeze it: it is said, not drawn."""

GAP: Final = 0.072
"""Least distance between labels at the right end, as a part of the height."""


def figure(plots: Plots, *, title: str | None = None, headings: bool = True) -> Figure:
    """Draw.

    Args:
        plots: one drawing from `govcheck.report.plot_data.plots_of`, or several side by side.
        title: above all of them.
        headings: whether each has its title above it.

    Returns:
        A figure that pyplot does not know of; nothing global changes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = [plots] if isinstance(plots, Mapping) else list(plots)
    width = COLUMN if len(drawn) == 1 else 0.8 * COLUMN
    made = Figure(figsize=(width * len(drawn), max(_height(p) for p in drawn)),
                  layout="constrained")
    FigureCanvasAgg(made)
    for axes, p in zip(made.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
        _draw(axes, p)
        if headings:
            axes.set_title(p["title"], fontsize=11, loc="left", color=INK,
                           pad=26 if p["y"]["scale"] == "rows" else 8)
    if title is not None:
        made.suptitle(title, color=INK)
    return made


def svg(plot: Mapping[str, Any], *, headings: bool = False, ground: str = "") -> str:
    """An ``<svg>`` element for a page: the same bytes for the same drawing.

    It has neither scripts nor style sheets nor ``style`` attributes, takes the colour of the
    text around it, and its identifiers begin with the drawing's key. ``<title>`` and
    ``<desc>`` say what it shows.

    Args:
        plot: from `govcheck.report.plot_data.plots_of`.
        headings: whether the title is drawn too.
        ground: colour behind it, for viewers that show it on a page of unknown colour; text is
            black then.
    """
    from govcheck.report.plot_svg import element

    made = figure(plot, headings=headings)
    out = io.StringIO()
    with steady():
        made.savefig(out, format="svg", metadata={"Date": None}, transparent=True)
    return element(out.getvalue(), plot["key"], plot["title"], plot["alt"], ground)


def save(plots: Plots, path: Path | str, *, title: str | None = None) -> None:
    """Write a drawing, or several side by side, to .svg, .png or .pdf.

    The file is complete or not there, and has the same bytes for the same drawing.

    Raises:
        InputError: for another ending, or if the file cannot be written.
    """
    path = Path(path)
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise InputError(Problem("plot-file", f"{path.name} has no ending that says a format",
                                 str(path), "use .svg, .png or .pdf"))
    made = figure(plots, title=title)
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
    with whole(path, "plot-file") as fresh, steady():
        made.savefig(fresh, format=form, dpi=150, metadata=metadata)


def _height(p: Mapping[str, Any]) -> float:
    return 1.5 + 0.3 * len(p["y"]["names"]) if p["y"]["scale"] == "rows" else 4.2


def _draw(axes: Axes, p: Mapping[str, Any]) -> None:
    if p["y"]["scale"] == "rows":
        _rows(axes, p)
    else:
        _curves(axes, p)
    axes.set_xlabel(p["x"]["label"])
    axes.set_ylabel(p["y"]["label"])
    plain(axes, "x" if p["y"]["scale"] == "rows" else "both")
    which: Literal["x", "y"]
    for which in ("x", "y"):
        if p[which]["scale"] == "log":
            log_ticks(axes, which)
    if p["kind"] == "depth":
        ticks = sorted({x for s in p["series"] for x in s["x"]})
        axes.set_xticks(ticks, [f"{t:g}" for t in ticks])


def _rows(axes: Axes, p: Mapping[str, Any]) -> None:
    """One line for each name: points, and bars between them."""
    names = p["y"]["names"]
    axes.set_xscale(p["x"]["scale"])
    groups = 0
    if p["kind"] == "sets":
        _spans(axes, p["series"])
    for s in p["series"]:
        if s["role"] == "ratio":
            _ratio(axes, s)
        elif s["role"] in ("range", "half"):
            thick = 1.2 if s["role"] == "range" else 7
            axes.hlines(s["y"], s["low"], s["high"], color=PROVEN, linewidth=thick,
                        label=s["label"], capstyle="butt")
        elif s["role"] in POINTS:
            axes.plot(s["x"], s["y"], linestyle="none", label=s["label"], zorder=3,
                      **POINTS[s["role"]])
        else:
            axes.plot(s["x"], s["y"], label=s["label"], linestyle="none", markersize=6, zorder=3,
                      color=COLORS[SETS[groups % 5]], marker="sD^vP"[groups % 5])
            groups += 1
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    _room(axes, p)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=5, fontsize=9,
                frameon=False, labelcolor=INK, borderaxespad=0.2, handletextpad=0.4,
                columnspacing=1.4)


def _spans(axes: Axes, drawn: Sequence[Mapping[str, Any]]) -> None:
    """A faint bar from the least to the largest value of each line."""
    for row in sorted({y for s in drawn for y in s["y"]}):
        values = [x for s in drawn for x, y in zip(s["x"], s["y"], strict=True) if y == row]
        axes.plot([min(values), max(values)], [row, row], color=INK, alpha=FAINT, linewidth=4,
                  solid_capstyle="butt")


def _ratio(axes: Axes, s: Mapping[str, Any]) -> None:
    """Bars from measured to proven, as long as the ratio on a logarithmic axis, with it."""
    for y, low, high, value, alarm in zip(s["y"], s["low"], s["high"], s["value"], s["alarm"],
                                          strict=True):
        axes.plot([low, high], [y, y], color=INK, alpha=0.9 if alarm else 0.3, linewidth=4,
                  solid_capstyle="butt")
        text = f"× {short(value)}" if value < 9999 else f"× {rounded(value)}"
        axes.annotate(f"✖ beyond the bound, {text}" if alarm else text, (high, y), (8, 0),
                      textcoords="offset points", va="center", fontsize=9, color=INK,
                      fontweight="bold" if alarm else "normal", annotation_clip=False)


def _room(axes: Axes, p: Mapping[str, Any]) -> None:
    """Limits of values: whole of the data, and for ratios room for their text."""
    numbers = [v for s in p["series"] for part in ("x", "low", "high") for v in s.get(part, ())]
    low, high = min(numbers), max(numbers)
    if p["x"]["scale"] == "log":
        spread = max(high / low, 10.0)
        right = 0.16 if p["kind"] == "bounds" else 0.04
        axes.set_xlim(low / spread**0.04, high * spread**right)
    else:
        axes.set_xlim(min(0.0, low) - 0.01 * high, 1.04 * high)


def _curves(axes: Axes, p: Mapping[str, Any]) -> None:
    ends = []
    groups = allowed = 0
    many = sum(s["role"] == "group" for s in p["series"]) > 1
    for s in p["series"]:
        look = _look(s, groups)
        groups += s["role"] == "group"
        if s["role"] == "share":
            axes.plot(s["x"], s["y"], label=s["label"], **look)
            if "low" in s:
                axes.fill_between(s["x"], s["low"], s["high"], color=look["color"], alpha=0.25,
                                  linewidth=0)
            continue
        if s["role"] == "floor" and max(s["y"]) * OFF < _least(p):
            axes.annotate(f"floor: at most {rounded(max(s['y']))}, off the scale", (0.01, 0.02),
                          xycoords="axes fraction", fontsize=9, color=INK)
            continue
        if s["role"] == "allowed":
            look["linestyle"] = ("--", "-.", ":")[allowed % 3]
            allowed += 1
            if p["kind"] == "along" and many:
                look["color"] = nth(groups - 1)["color"]
        axes.plot(s["x"], s["y"], label=s["label"], **look)
        hollow = [k for k, h in enumerate(s.get("hollow", ())) if h]
        if hollow:
            axes.plot([s["x"][k] for k in hollow], [s["y"][k] for k in hollow],
                      color=look["color"], marker=look["marker"], linestyle="none",
                      markersize=look["markersize"], markerfacecolor="white")
        ends.append((s, look))
    axes.set_xscale(p["x"]["scale"])
    axes.set_yscale(p["y"]["scale"])
    if p["kind"] == "distribution":
        axes.set_ylim(0, 1.03)
    else:
        _labels(axes, ends)


def _least(p: Mapping[str, Any]) -> float:
    return float(min(y for s in p["series"] if s["role"] != "floor" for y in s["y"]))


def _look(s: Mapping[str, Any], index: int) -> dict[str, Any]:
    if s["role"] == "group":
        # evenly sparse markers, so that lines of many points stay lines
        return nth(index) | {"linewidth": WIDTH, "markersize": 5,
                             "markevery": max(1, len(s["x"]) // 12) if len(s["x"]) > 24 else 1}
    return {
        "measured": {"color": MEASURED, "linewidth": 1.8, "linestyle": "-"},
        "allowed": {"color": PROVEN, "linewidth": 1.6, "linestyle": "--"},
        "floor": {"color": INK, "linewidth": 1, "linestyle": ":"},
        "share": {"color": PROVEN, "linewidth": 1.6, "linestyle": "-"},
    }[str(s["role"])]


def _labels(axes: Axes, ends: Sequence[tuple[Mapping[str, Any], dict[str, Any]]]) -> None:
    """Names at the right ends of curves, with a piece of each, moved apart where they meet."""
    inside = axes.transAxes.inverted()
    named = [(float(inside.transform(axes.transData.transform((s["x"][-1], s["y"][-1])))[1]), s,
              look) for s, look in ends if s["label"]]
    named.sort(key=lambda n: n[0])
    gap = min(GAP, 1 / max(1, len(named) - 1))
    places: list[float] = []
    for at, _, _ in named:
        places.append(max(at, places[-1] + gap) if places else max(at, 0.0))
    over = (places[-1] - 1.0) if places else 0.0
    for k in range(len(places) - 1, -1, -1):
        if over > 0:
            ceiling = 1.0 - gap * (len(places) - 1 - k)
            places[k] = min(places[k], ceiling)
    for place, (_, s, look) in zip(places, named, strict=True):
        axes.plot([1.02, 1.045, 1.07], [place] * 3, transform=axes.transAxes, clip_on=False,
                  **look | {"markevery": [1], "linewidth": 1.6})
        axes.annotate(s["label"], (1.082, place), xycoords="axes fraction", va="center",
                      fontsize=9, color=INK, annotation_clip=False)


__all__ = ["FORMATS", "figure", "save", "svg"]
