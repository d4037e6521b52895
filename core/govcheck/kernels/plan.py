"""How much memory a kernel takes, known before it is computed."""

from __future__ import annotations

import math
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from govcheck.kernels.gram import Job

PROBE: Final = 64
"""Rows of the tile that is tried; larger ones are extrapolated."""

SPECTRUM_COPIES: Final = 8
"""Matrices of n x n numbers at the peak of `spectrum`, the given one included."""

FALLBACK: Final = 4 << 30
SHARE: Final = 0.8


@dataclass(frozen=True)
class Plan:
    """Estimated peak memory in bytes, the program itself apart.

    Args:
        n: number of samples.
        count: number of matrices.
        tile: working memory of one tile.
        data: the samples, and what is computed once for all tiles.
        mapped: whether the matrices are written to files rather than kept.
        spectrum: whether eigenvalues are computed.
    """

    n: int
    count: int
    tile: int
    data: int
    mapped: bool
    spectrum: bool

    @property
    def peak(self) -> int:
        """The larger of computing the matrices and, after that, their eigenvalues."""
        return self.data + _peak(self.n, self.count, self.tile, self.mapped, self.spectrum)

    def largest(self, cap: int) -> int:
        """A number of samples for which the peak is within `cap`; 0 if none is known."""
        low, high = 0, self.n
        while low < high:
            k = (low + high + 1) // 2
            if self.data + _peak(k, self.count, self.tile, self.mapped, self.spectrum) <= cap:
                low = k
            else:
                high = k - 1
        return low


def _peak(n: int, count: int, tile: int, mapped: bool, spectrum: bool) -> int:
    square = 8 * n * n
    kept = 0 if mapped else count * square
    later = (SPECTRUM_COPIES - (not mapped)) * square if spectrum else 0
    return kept + max(tile, later)


def plan(job: Job, *, mapped: bool = False, spectrum: bool = True) -> Plan:
    """The memory that a job takes, from a small tile.

    Args:
        job: what is to be computed.
        mapped: whether the matrix is written to a file.
        spectrum: whether its eigenvalues are wanted.
    """
    side = min(job.n, job.tile)
    large = min(side, PROBE)
    tables = _measured(lambda: _first(job, large, mapped))
    tile = _measured(lambda: _tile(job, large))
    if large < side:
        small = large // 4
        slope = max(0, tile - _measured(lambda: _tile(job, small))) / (large**2 - small**2)
        tile += math.ceil(slope * (side**2 - large**2))
    return Plan(job.n, len(job.names), tile, tables + 2 * job.x.nbytes, mapped, spectrum)


def _first(job: Job, side: int, mapped: bool) -> None:
    """What is done once, for all tiles."""
    job.prepare()
    _tile(job, side)
    if not mapped:
        job.means()
    if job.map is None:
        some = slice(0, min(job.n, 12))
        job.on_tile(some, some, refined=True)


def _tile(job: Job, side: int) -> None:
    job.entries(slice(0, side), slice(job.n - side, job.n))


def _measured(work: Callable[[], None]) -> int:
    """Peak of the memory that some work allocates."""
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        work()
        return max(0, tracemalloc.get_traced_memory()[1] - before)
    finally:
        if not running:
            tracemalloc.stop()


def available() -> int:
    """A cautious share of the memory that is free, in bytes."""
    found = [_meminfo(), _number(Path("/sys/fs/cgroup/memory.max"))]
    known = [f for f in found if f is not None]
    if not known and hasattr(os, "sysconf"):
        try:
            known = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
        except (ValueError, OSError):
            known = []
    return int(SHARE * min(known)) if known else FALLBACK


def _meminfo() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
