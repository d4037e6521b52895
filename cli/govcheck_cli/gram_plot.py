"""Drawings of lambda_0 against depth and number of samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from govcheck.errors import InputError, Problem
from govcheck.report.plot_curves import depth
from govcheck.report.plots import save

if TYPE_CHECKING:
    from govcheck.kernels.survey import DepthRow


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
    plain = [
        {"depth": r.depth, "n": r.n, "lambda_min": r.smallest.value, "floor": r.smallest.floor,
         "certified_positive": r.smallest.certified_positive, "depth_free": r.depth_free}
        for r in rows
    ]
    drawings = depth({"rows": plain, "depth_symbol": symbol})
    if not drawings:
        raise InputError(Problem("no-plot", "no eigenvalue is positive, so there is nothing to "
                                 "draw on a logarithmic axis", "--plot"))
    save(drawings, path, title=title)
