"""Figures become files: complete or not at all, and the same bytes for the same input."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from govcheck.errors import InputError, Problem

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the name's ending says.

    Raises:
        InputError: if the file cannot be written.
    """
    import matplotlib as mpl

    form = path.suffix.lower().removeprefix(".")
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
    fresh = path.with_name(f".{path.name}.new")
    try:
        with mpl.rc_context({"svg.hashsalt": "govcheck", "svg.fonttype": "none"}):
            figure.savefig(fresh, format=form, dpi=150, metadata=metadata)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise InputError(Problem("plot-file", f"it cannot be written: {error.strerror}",
                                 str(path))) from None
