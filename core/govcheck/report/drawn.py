"""Drawings of what other commands printed, for a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from govcheck.errors import InputError, Problem
from govcheck.report.plot_data import plots_of

Json = dict[str, Any]
HINT: Final = (
    "it takes what `measure --json` prints (also with --spectra or --chain), what `gram --depth "
    "--json` prints, or the folder of a run of train or measure --every"
)


def drawings(paths: Sequence[Path]) -> list[Json]:
    """The drawings of files and run folders, each with its file in ``source``.

    Args:
        paths: JSON that ``measure`` or ``gram --depth`` printed, or folders of runs.

    Raises:
        InputError: if one of them is something else, or shows nothing that can be drawn.
    """
    found: list[Json] = []
    for path in paths:
        part = _part(path)
        try:
            made = plots_of(part)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise _refused(path, f"it has not the parts that are drawn "
                           f"({type(error).__name__}: {error})") from None
        if not made:
            raise _refused(path, "there is nothing in it to draw")
        found += [{**p, "source": f"drawn.{next(iter(part))} of {path.name}"} for p in made]
    return found


def _part(path: Path) -> Json:
    if path.is_dir():
        from govcheck.numeric.train.files import run_document

        return {"training": run_document(path)}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _refused(path, f"it cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise _refused(path, f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise _refused(path, "it is no mapping")
    rows = found.get("rows")
    if isinstance(rows, list) and rows and isinstance(rows[0], dict) and "depth" in rows[0]:
        return {"gram": found}
    return {"measurement": found}


def _refused(path: Path, why: str) -> InputError:
    return InputError(Problem("bad-drawing", why, str(path), HINT))
