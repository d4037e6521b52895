"""Running keys and keeping their reports."""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from govcheck.errors import InputError, Problem
from govcheck.reproduce import pages, record
from govcheck.reproduce.plot import svg
from govcheck.reproduce.protocol import Context, Report, Reproduction, Tick, _silent
from govcheck.writing import write_whole

ERRATA: Final = "errata.md"
IDENTITY: Final = "identity.json"
UNWRITTEN: Final = "report-file"
ELSEWHERE: Final = "choose another folder with -o"
_ESTIMATE: Final = re.compile(rb"^ *(?:quick|full)_seconds.*\n", re.MULTILINE)
PACKAGES: Final = ("numpy", "scipy", "torch")


@dataclass(frozen=True)
class Settings:
    """How keys are run, and where reports go.

    Args:
        folder: of the reports.
        quick: whether the small sizes are wanted.
        seed: of everything random.
        data_root: folder of the user's data sets.
    """

    folder: Path = field(default_factory=lambda: Path("reports"))
    quick: bool = False
    seed: int = 0
    data_root: Path | None = None

    def context(self, key: str, tick: Tick = _silent) -> Context:
        """What a key is given."""
        return Context(key, self.seed, self.quick, self.data_root, tick, self.scratch(key))

    def scratch(self, key: str) -> Path:
        """Where a key keeps what it may go on from."""
        return self.folder / ".work" / f"{key}-{'quick' if self.quick else 'full'}-{self.seed}"


def identity(cls: type[Reproduction], settings: Settings) -> dict[str, Any]:
    """What a report depends on; one with another identity is out of date."""
    import govcheck

    return {
        "version": govcheck.__version__,
        "code": _code(cls),
        "seed": settings.seed,
        "size": "quick" if settings.quick else "full",
        "inputs": cls().inputs(settings.context(cls.name)),
    }


def _code(cls: type[Reproduction]) -> str:
    """Digest of a key's module and of the helpers beside it that it imports.

    What they say of their own running time does not count.
    """
    source = inspect.getsourcefile(cls)
    if source is None:
        return ""
    package = re.escape(cls.__module__.rpartition(".")[0])
    texts: dict[Path, bytes] = {}
    waiting = [Path(source)]
    while waiting:
        path = waiting.pop()
        if path in texts or not path.is_file():
            continue
        texts[path] = path.read_bytes()
        named = re.findall(rf"\b{package}\.(_\w+)", texts[path].decode())
        waiting += [path.parent / f"{name}.py" for name in named]
    digest = hashlib.sha256()
    for path in sorted(texts):
        digest.update(_ESTIMATE.sub(b"", texts[path]))
    return digest.hexdigest()[:12]


def finished(cls: type[Reproduction], settings: Settings) -> Report | None:
    """The report of a key, if it was made by this version, seed, size and these inputs."""
    path = settings.folder / f"{cls.name}.json"
    if not path.is_file():
        return None
    with suppress(InputError):
        report = record.read(path)
        if report.identity == identity(cls, settings):
            return report
    return None


def run(cls: type[Reproduction], settings: Settings, tick: Tick = _silent) -> Report:
    """Run one key and write its report: NAME.json, NAME.md and, with a plot, NAME.svg.

    Raises:
        InputError: if the user's data or the folder cannot be used.
    """
    _make(settings.folder)
    begin = time.monotonic()
    # before the run: what is changed on disk meanwhile did not make this report
    made_by = identity(cls, settings)
    scratch = settings.scratch(cls.name)
    stamp = _prepare(scratch, made_by)
    try:
        outcome = cls().run(settings.context(cls.name, tick))
    finally:
        # nothing in it, nothing to go on from
        with suppress(OSError):
            if list(scratch.iterdir()) == [stamp]:
                stamp.unlink()
            scratch.rmdir()
            scratch.parent.rmdir()
    report = Report(
        cls.name, cls.title, str(cls.reference), made_by, outcome,
        tuple(cls.errata), round(time.monotonic() - begin, 2),
        _made_with(),
    )
    write(report, settings.folder)
    with suppress(OSError):
        shutil.rmtree(scratch)
        scratch.parent.rmdir()
    return report


def _prepare(scratch: Path, made_by: dict[str, Any]) -> Path:
    """Make the folder of unfinished work, without what other code or data left there."""
    stamp, text = scratch / IDENTITY, json.dumps(made_by, sort_keys=True).encode()
    with suppress(OSError):
        if stamp.is_file() and stamp.read_bytes() != text:
            shutil.rmtree(scratch)
    _make(scratch)
    _replace(stamp, text)
    return stamp


def write(report: Report, folder: Path) -> None:
    """Write the files of a report; the JSON comes last and vouches for the others.

    Raises:
        InputError: if they cannot be written.
    """
    drawing = folder / f"{report.key}.svg"
    if report.outcome.plot is not None:
        _replace(drawing, svg(report.outcome.plot))
    else:
        drawing.unlink(missing_ok=True)
    _replace(folder / f"{report.key}.md", pages.page(report).encode())
    _write_json(report, folder)


def archive(reports: Iterable[Report], folder: Path) -> None:
    """Write what is worth keeping beside the code: claims, numbers, errata; no drawings, tables.

    Raises:
        InputError: if it cannot be written.
    """
    _make(folder)
    reports = list(reports)
    for report in reports:
        _write_json(replace_fields(
            report, outcome=replace_fields(report.outcome, tables=(), plot=None)), folder)
    write_errata(folder, [r.key for r in reports])


def embed(reports: Iterable[Report], path: Path) -> None:
    """Replace the table of verdicts in a Markdown file, between its marks.

    Raises:
        InputError: if it has no such marks, or cannot be read or written.
    """
    try:
        text = pages.embedded(path.read_text("utf-8"), pages.summary(reports))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(Problem("bad-file", f"no table can be put in: {why}", str(path),
                                 "see docs/reproduce.md")) from None
    _replace(path, text.encode())


def _write_json(report: Report, folder: Path) -> None:
    text = json.dumps(record.as_json(report), indent=1, ensure_ascii=False, allow_nan=False)
    _replace(folder / f"{report.key}.json", (text + "\n").encode())


def collected(folder: Path, order: Iterable[str]) -> list[Report]:
    """All reports of a folder: keys in the given order, then others by name.

    Raises:
        InputError: if one of them is damaged.
    """
    paths = {p.stem: p for p in sorted(folder.glob("*.json"))}
    names = [*(k for k in order if k in paths), *(k for k in paths if k not in set(order))]
    return [record.read(paths[k]) for k in names]


def write_errata(folder: Path, order: Iterable[str]) -> Path:
    """Write the page of errata from the reports of a folder."""
    path = folder / ERRATA
    _replace(path, pages.errata(collected(folder, list(order))).encode())
    return path


def _replace(path: Path, content: bytes) -> None:
    write_whole(path, content, UNWRITTEN, ELSEWHERE)


def _make(folder: Path) -> None:
    try:
        with suppress(FileNotFoundError):
            folder.mkdir(parents=True, exist_ok=True)
            return
        # another process has just removed the empty folder above
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(Problem(UNWRITTEN, f"it cannot be written: {error.strerror}", str(path),
                              ELSEWHERE))


def _made_with() -> dict[str, str]:
    found: Mapping[str, str] = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found = {**found, name: version(name)}
    return dict(found)
