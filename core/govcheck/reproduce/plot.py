"""Drawings as data, and drawing them: the same data makes the same SVG file."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Literal

from govcheck.report.plot_style import COLORS, FORMS, WIDTH, Form, steady

Style = Form
Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Curve:
    """Points to draw.

    Args:
        label: in the legend; empty for none.
        x, y: coordinates.
        low, high: a band around the curve; empty for none.
        style: how.
        color: position in the palette; curves of one colour belong together. The position in
            the panel if not given.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    style: Style = "line"
    color: int | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or len(self.low) != len(self.high):
            raise ValueError(f"curve {self.label!r} has coordinates without partner")
        if self.low and len(self.low) != len(self.x):
            raise ValueError(f"the band of curve {self.label!r} has another length")


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"


@dataclass(frozen=True)
class Plot:
    """A figure of panels in rows of `columns`, with what it shows in words."""

    caption: str
    panels: tuple[Panel, ...]
    columns: int = 3


def svg(plot: Plot) -> bytes:
    """Draw."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(plot.columns, len(plot.panels))
    rows = -(-len(plot.panels) // columns)
    out = io.BytesIO()
    with steady():
        figure = Figure(figsize=(4.6 * columns, 3.8 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False).flat
        for place, panel in zip(axes, plot.panels, strict=False):
            _panel(place, panel)
        for place in list(figure.axes)[len(plot.panels):]:
            place.set_visible(False)
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _panel(axes: Any, panel: Panel) -> None:
    for i, curve in enumerate(panel.curves):
        color = COLORS[(i if curve.color is None else curve.color) % len(COLORS)]
        axes.plot(curve.x, curve.y, color=color, linewidth=WIDTH, label=curve.label or None,
                  **FORMS[curve.style])
        if curve.low:
            axes.fill_between(curve.x, curve.low, curve.high, color=color, alpha=0.2, linewidth=0)
    axes.set_xscale(panel.x_scale)
    axes.set_yscale(panel.y_scale)
    axes.set_title(panel.title, fontsize="medium")
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.grid(True, which="major", linewidth=0.4, color="0.85")
    if any(c.label for c in panel.curves):
        axes.legend(fontsize="small", frameon=False)
