"""Symmetric matrices written tile by tile, in memory or in files, and taken up again."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from govcheck.errors import InputError, Problem
from govcheck.kernels.dual import Array
from govcheck.writing import renamed

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
    """A matrix in a ``.npy`` file that appears under its name when it is complete.

    Until then it is in ``<path>.part``, with a note in ``<path>.part.json`` of how many tiles
    are written. A run that was killed loses what it did since the last note.

    Args:
        path: the file.
        n: number of rows.
        key: what the matrix is made from; work is taken up only where the key is the same.
        size: of a tile.
    """

    path: Path
    n: int
    key: str
    size: int

    @property
    def part(self) -> Path:
        """Where the matrix is until it is complete."""
        return self.path.with_name(self.path.name + ".part")

    @property
    def note(self) -> Path:
        """Where the progress is noted."""
        return self.path.with_name(self.path.name + ".part.json")

    def finished(self) -> int:
        """Number of tiles that an earlier run left."""
        try:
            state = json.loads(self.note.read_text())
            fits = state["key"] == self.key and state["size"] == self.size
            count = int(state["tiles"])
            if not fits or not 0 < count <= len(list(tiles(self.n, self.size))):
                return 0
            found = np.lib.format.open_memmap(self.part, mode="r")
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        same = found.shape == (self.n, self.n) and found.dtype == np.float64
        return count if same and not np.isfortran(found) else 0

    def write(
        self,
        name: str,
        tile: TileFunction,
        progress: Progress | None = None,
        *,
        restart: bool = False,
    ) -> Array:
        """Write the file, from where an earlier run stopped; the result is mapped from disk.

        Args:
            name: of the matrix.
            tile: its entries.
            progress: told how many tiles of how many are done.
            restart: throw away what an earlier run left.

        Raises:
            InputError: if the file cannot be written.
        """
        done = 0 if restart else self.finished()
        try:
            matrix = self._open(fresh=done == 0)
        except (OSError, ValueError) as error:
            raise self._failed(error) from None
        count, last = done, time.monotonic()

        def written(finished: int) -> None:
            nonlocal count, last
            count = finished
            if time.monotonic() - last > FLUSH_SECONDS:
                self._keep(matrix, count)
                last = time.monotonic()

        try:
            fill({name: matrix}, tile, self.size, progress, done, written)
        except KeyboardInterrupt:
            self._keep(matrix, count)
            raise
        try:
            matrix.flush()
            self.part.replace(self.path)
            self.note.unlink(missing_ok=True)
            result: Array = np.load(self.path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise self._failed(error) from None
        return result

    def _open(self, fresh: bool) -> np.memmap[tuple[int, int], np.dtype[np.float64]]:
        if fresh:
            self.note.unlink(missing_ok=True)
            self._room()
        matrix: np.memmap[tuple[int, int], np.dtype[np.float64]] = np.lib.format.open_memmap(
            self.part, mode="w+" if fresh else "r+", dtype=np.float64, shape=(self.n, self.n)
        )
        return matrix

    def _room(self) -> None:
        # a mapped file on a full disk kills the process where it is written to
        self.part.unlink(missing_ok=True)
        need, free = 8 * self.n**2 + 4096, shutil.disk_usage(self.path.absolute().parent).free
        if need > free:
            raise OSError(f"it takes {need / 2**20:.4g} MiB and {free / 2**20:.4g} MiB are free")

    def _keep(self, matrix: np.memmap[Any, Any], count: int) -> None:
        matrix.flush()
        state = {"key": self.key, "size": self.size, "tiles": count}
        with renamed(self.note) as fresh:
            fresh.write_text(json.dumps(state))

    def _failed(self, error: Exception) -> InputError:
        return InputError(
            Problem("kernel-file", f"the kernel cannot be written: {error}", str(self.path))
        )
