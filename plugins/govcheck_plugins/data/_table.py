"""Reading tables of numbers from comma-separated text."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from govcheck.plugin.data import MAX_ENTRIES, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# float() also takes underscores, other scripts' digits, nan and infinity
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


def read_table(path: Path, target: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Inputs, shape ``(N, columns - 1)``, and targets, shape ``(N,)``.

    Targets are int64 if all of them are written as integers. Empty lines are skipped.

    Args:
        path: file in UTF-8.
        target: name of the target column; empty for the last one.

    Raises:
        DataError: if the text is not a table of finite numbers.
        OSError: if the file cannot be read.
    """
    import numpy as np

    rows = _rows(path)
    if not rows:
        raise DataError(f"{path} is empty")
    header = None
    if not any(_NUMBER.fullmatch(cell) for cell in rows[0][1]):
        header = rows.pop(0)[1]
        if not rows:
            raise DataError(f"{path} has a header and no samples")
    width = len(header if header is not None else rows[0][1])
    if width < 2:
        raise DataError(f"{path} has one column; it takes inputs and a target")
    if len(rows) * width > MAX_ENTRIES:
        raise DataError(f"{path} has more than {MAX_ENTRIES} entries")
    at = _target_column(path, header, width, target)
    values = np.empty((len(rows), width))
    integers = True
    for i, (line, cells) in enumerate(rows):
        if len(cells) != width:
            raise DataError(
                f"{path}:{line}: {len(cells)} columns, but the rows above have {width}"
            )
        for j, cell in enumerate(cells):
            values[i, j] = _number(cell, path, line, j + 1)
        integers = integers and _INTEGER.fullmatch(cells[at]) is not None
    x = np.delete(values, at, axis=1)
    if integers:
        return x, np.array([int(cells[at]) for _, cells in rows], dtype=np.int64)
    return x, values[:, at]


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            return [
                (reader.line_num, [cell.strip() for cell in cells])
                for cells in reader
                if any(cell.strip() for cell in cells)
            ]
        except csv.Error as error:
            raise DataError(f"{path}:{reader.line_num}: {error}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not text in UTF-8: {error.reason}") from error


def _target_column(path: Path, header: list[str] | None, width: int, target: str) -> int:
    if not target:
        return width - 1
    if header is None:
        raise DataError(f"{path} has no header line, so there is no column named {target!r}")
    if header.count(target) != 1:
        problem = "several columns" if target in header else "no column"
        raise DataError(f"{path} has {problem} named {target!r}; it has {', '.join(header)}")
    return header.index(target)


def _number(cell: str, path: Path, line: int, column: int) -> float:
    value = float(cell) if _NUMBER.fullmatch(cell) else float("nan")
    # a number above the range of float64 becomes infinite
    if value - value != 0:
        shown = cell if len(cell) <= 40 else f"{cell[:37]}..."
        raise DataError(
            f"{path}:{line}: column {column} is {shown!r}, not a finite decimal number"
        )
    return value
