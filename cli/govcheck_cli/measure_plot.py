"""A drawing of proven bounds beside measured values, and of their ratios."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from govcheck.errors import InputError, Problem
from govcheck.report.plot_data import plots_of
from govcheck.report.plots import FORMATS, save

if TYPE_CHECKING:
    from govcheck.numeric.measure.table import Row


def check(path: Path) -> None:
    """Refuse a name that says no format we write, or a folder that is not there.

    Raises:
        InputError: saying what is possible.
    """
    if path.suffix.lower().removeprefix(".") not in FORMATS:
        raise InputError(Problem("plot-file", f"{path.name} has no ending that says a format",
                                 "--plot", "use .svg, .png or .pdf"))
    if not path.parent.is_dir():
        raise InputError(Problem("plot-file", f"there is no folder {path.parent}", "--plot"))


def draw(rows: Sequence[Row], path: Path, title: str) -> None:
    """Draw bound and measurement on a logarithmic axis, and how many times they are apart.

    Args:
        rows: those with a bound and a positive measurement are drawn.
        path: .svg, .png or .pdf.
        title: above.

    Raises:
        InputError: if there is nothing to draw or the file cannot be written.
    """
    drawings = plots_of({"measurement": {"rows": [r.as_json() for r in rows]}})
    if not drawings:
        raise InputError(Problem("no-plot", "no quantity has both a positive bound and a "
                                 "positive measurement", "--plot"))
    save(drawings, path, title=title)
