"""Symmetric matrices written tile by tile, in memory or in files, and taken up again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from govcheck.errors import InputError, Problem
from govcheck.kernels.dual import Array

TileFunction = Callable[[slice, slice], Mapping[str, Array]]
Progress = Callable[[int, int], None]

FLUSH_SECONDS: Final = 2.0


def tiles(n: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the tiles on and above the diagonal."""
    starts = range(0, n, size)
    for i in starts:
        for j in starts:
            if j >= i:
                yield slice(i, min(n, i + size)), slice(j, min(n, j + size))


def fill(
    out: Mapping[str, Array],
    tile: TileFunction,
    size: int,
    progress: Progress | None = None,
    begin: int = 0,
    written: Callable[[int], None] | None = None,
) -> None:
    """Write symmetric matrices.

    Args:
        out: n x n arrays by name.
        tile: the entries of a block of rows and columns, by name.
        size: of a tile.
        progress: told how many tiles of how many are done.
        begin: number of tiles that are there already.
        written: told the number of finished tiles after each.
    """
    n = len(next(iter(out.values())))
    places = list(tiles(n, size))
    for index, (rows, columns) in enumerate(places):
        if index < begin:
            continue
        entries = tile(rows, columns)
        for name, matrix in out.items():
            block = entries[name]
            if rows == columns:
                block = np.triu(block) + np.triu(block, 1).T
            else:
                matrix[columns, rows] = block.T
            matrix[rows, columns] = block
        if written is not None:
            written(index + 1)
        if progress is not None:
            progress(index + 1, len(places))


@dataclass
class Stored:
    """A matrix in a ``.npy`` file, with a note beside it of how far it is written.

    Args:
        path: the file; the note is ``<path>.part``.
        n: number of rows.
        key: what the matrix is made from; work is taken up only where the key is the same.
        size: of a tile.
    """

    path: Path
    n: int
    key: str
    size: int

    @property
    def note(self) -> Path:
        """Where the progress is noted."""
        return self.path.with_name(self.path.name + ".part")

    def finished(self) -> int:
        """Number of tiles that an earlier run left."""
        try:
            state = json.loads(self.note.read_text())
            fits = state["key"] == self.key and state["size"] == self.size
            return int(state["tiles"]) if fits and self.path.exists() else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def write(self, name: str, tile: TileFunction, progress: Progress | None = None) -> Array:
        """Write the file, from where an earlier run stopped; the result is mapped from disk.

        Raises:
            InputError: if the file cannot be written.
        """
        done = self.finished()
        try:
            matrix = np.lib.format.open_memmap(
                self.path,
                mode="r+" if done else "w+",
                dtype=np.float64,
                shape=(self.n, self.n),
            )
        except (OSError, ValueError) as error:
            raise InputError(
                Problem("kernel-file", f"the kernel cannot be written: {error}", str(self.path))
            ) from None
        last = time.monotonic()

        def written(count: int) -> None:
            nonlocal last
            if time.monotonic() - last > FLUSH_SECONDS:
                self._keep(matrix.flush, count)
                last = time.monotonic()

        try:
            fill({name: matrix}, tile, self.size, progress, done, written)
        except KeyboardInterrupt:
            matrix.flush()
            raise
        matrix.flush()
        self.note.unlink(missing_ok=True)
        return matrix

    def _keep(self, flush: Callable[[], None], count: int) -> None:
        flush()
        state = {"key": self.key, "size": self.size, "tiles": count}
        fresh = self.note.with_name(self.note.name + ".new")
        fresh.write_text(json.dumps(state))
        fresh.replace(self.note)
