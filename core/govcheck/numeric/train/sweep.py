"""Many runs from one work queue: files, values of symbols, seeds.

Each run has a folder of its own, written as `train` writes it; it is finished when its
summary says so. Whoever takes a number from the counter does the run of that number, so that
one process, several on one machine and those that torchrun starts share one program. Started
again, a sweep leaves finished runs alone and goes on with the others where they stopped.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from govcheck.analysis import analyze
from govcheck.errors import InputError, Problem
from govcheck.graph.architecture import Architecture
from govcheck.loading import load
from govcheck.numeric.train.files import SUMMARY, read_json, write_json
from govcheck.numeric.train.loop import train
from govcheck.numeric.train.settings import read_settings
from govcheck.numeric.train.state import Progress, Saving

if TYPE_CHECKING:
    from govcheck.plugin.registry import Registry

MANIFEST: Final = "sweep.json"
RUNS: Final = "runs"
ERROR: Final = "error.json"
MAX_RUNS: Final = 100_000
WAIT: Final = 60.0
"""Seconds that a run waits for a process that is about to leave its folder."""

Counter = Callable[[], int]


@dataclass(frozen=True)
class Job:
    """One run.

    Args:
        index: its number, from 0.
        file: the architecture.
        symbols: values that replace those of the file.
        seed: of the initial weights and of the order of samples; the file's when None.
    """

    index: int
    file: str
    symbols: dict[str, str]
    seed: int | None

    @property
    def folder(self) -> str:
        """Name of its folder: number, file, values, seed."""
        parts = [Path(self.file).stem, *(f"{k}={v}" for k, v in self.symbols.items())]
        parts += [] if self.seed is None else [f"seed={self.seed}"]
        readable = re.sub(r"[^A-Za-z0-9=.+-]+", "_", ",".join(parts))
        return f"{self.index:05d}-{readable[:80]}"


@dataclass(frozen=True)
class Sweep:
    """What is to be done.

    Args:
        folder: of all runs.
        jobs: in the order in which they are begun.
        overrides: settings of all runs, see `read_settings`.
        saving: when checkpoints are written.
    """

    folder: Path
    jobs: tuple[Job, ...]
    overrides: dict[str, Any]
    saving: Saving

    def place(self, job: Job) -> Path:
        """Folder of a run."""
        return self.folder / RUNS / job.folder

    def finished(self, job: Job) -> dict[str, Any] | None:
        """The summary of a finished run."""
        found = read_json(self.place(job) / SUMMARY)
        return None if found is None or found.get("reason") == "interrupted" else found

    def failed(self, job: Job) -> list[str]:
        """Why a run could not begin."""
        found = read_json(self.place(job) / ERROR)
        return [] if found is None else [str(p) for p in found["problems"]]


def jobs(
    files: Sequence[str], symbols: Mapping[str, Sequence[str]], seeds: Sequence[int]
) -> tuple[Job, ...]:
    """All combinations; seeds change fastest, files slowest.

    Raises:
        InputError: for more than `MAX_RUNS`.
    """
    grids = [[(name, value) for value in values] for name, values in symbols.items()]
    total = len(files) * max(1, len(seeds))
    for grid in grids:
        total *= len(grid)
    if total > MAX_RUNS:
        raise InputError(Problem("too-many", f"{total} runs are above the limit of {MAX_RUNS}",
                                 "sweep", "choose fewer values"))
    starts: list[int | None] = [*seeds] or [None]
    every = itertools.product(files, itertools.product(*grids), starts)
    return tuple(Job(i, f, dict(values), s) for i, (f, values, s) in enumerate(every))


def read_job(job: Job, registry: Registry) -> Architecture:
    """The architecture of a run.

    Raises:
        InputError: with every problem of the file.
    """
    arch = load(job.file, registry=registry, overrides=job.symbols)
    return arch if job.seed is None else replace(arch, init=replace(arch.init, seed=job.seed))


def prepare(sweep: Sweep, registry: Registry, *, resume: bool) -> None:
    """Check every file with every value, and make the folder or see that it is of this sweep.

    Raises:
        InputError: with every problem of every run, or if the folder is of another sweep or
            was not asked to be resumed.
    """
    problems: dict[str, Problem] = {}
    seen = set()
    for job in sweep.jobs:
        key = (job.file, *job.symbols.items())
        if key in seen:
            continue
        seen.add(key)
        try:
            read_settings(read_job(job, registry), _overrides(sweep, job))
        except InputError as error:
            problems |= {str(p): p for p in error.problems}
    if problems:
        raise InputError(list(problems.values()))
    described = _describe(sweep)
    before = read_json(sweep.folder / MANIFEST)
    if before is None:
        try:
            (sweep.folder / RUNS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(Problem("folder", f"the folder cannot be made: {error.strerror}",
                                     str(sweep.folder), "choose another with -o")) from None
        write_json(sweep.folder / MANIFEST, described)
    elif before != described:
        differ = ", ".join(k for k in described if before.get(k) != described[k])
        raise InputError(Problem("other-run", f"the folder holds another sweep: {differ} differ",
                                 str(sweep.folder), "give the files and options of that sweep, "
                                 "or another -o"))
    elif not resume:
        raise InputError(Problem("exists", "the folder holds this sweep already",
                                 str(sweep.folder), "go on with it with --resume, or choose "
                                 "another folder with -o"))


def _describe(sweep: Sweep) -> dict[str, Any]:
    files = dict.fromkeys(j.file for j in sweep.jobs)
    return {
        "files": {f: hashlib.sha256(Path(f).read_bytes()).hexdigest() for f in files},
        "settings": {k: str(v) for k, v in sweep.overrides.items()},
        "runs": [asdict(j) for j in sweep.jobs],
    }


def _overrides(sweep: Sweep, job: Job) -> dict[str, Any]:
    return sweep.overrides | ({} if job.seed is None else {"seed": job.seed})


def work(
    sweep: Sweep,
    counter: Counter,
    registry: Registry,
    *,
    interrupted: Callable[[], bool],
    told: Callable[[int], None] | None = None,
    stepped: Callable[[Progress], None] | None = None,
) -> None:
    """Do runs until the counter is beyond the last one.

    Args:
        sweep: prepared.
        counter: the next number, each to one caller only.
        registry: the plugins.
        interrupted: asked after every step; True stops with a checkpoint.
        told: told the number of each run that is finished.
        stepped: told after every step.
    """
    while not interrupted() and (index := counter()) < len(sweep.jobs):
        job = sweep.jobs[index]
        if sweep.finished(job) is None:
            _run(sweep, job, registry, interrupted, stepped)
        if told is not None:
            told(index)


def _run(
    sweep: Sweep, job: Job, registry: Registry, interrupted: Callable[[], bool],
    stepped: Callable[[Progress], None] | None,
) -> None:
    place = sweep.place(job)
    error = place / ERROR
    try:
        arch = read_job(job, registry)
        settings = read_settings(arch, _overrides(sweep, job))
        analysis = analyze(arch, "tight", registry)
        train(analysis, settings, place, resume=True, saving=sweep.saving, progress=stepped,
              interrupted=interrupted, wait=WAIT)
    except InputError as bad:
        place.mkdir(parents=True, exist_ok=True)
        write_json(error, {"problems": [str(p) for p in bad.problems]})
    else:
        error.unlink(missing_ok=True)
