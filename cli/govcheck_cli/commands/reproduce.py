"""``govcheck reproduce [KEY]``: results of the papers computed again, with verdicts."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from govcheck_cli import common, output, run_options

if TYPE_CHECKING:
    from govcheck.plugin.registry import Registry
    from govcheck.reproduce.protocol import Report, Reproduction
    from govcheck.reproduce.runner import Settings

ALL: Final = "all"
EXIT: Final = """\
Without KEY it lists the keys. With `all` it runs those that have no report of this version, seed
and size yet, so that an interrupted run goes on where it stopped.

exit code 0: every verdict was computed, whatever it is; 1: a key could not be computed, or a
number speaks against a statement that is called corrected; 2: bad input; 130: interrupted,
finished keys are kept"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXIT
    parser.add_argument("key", metavar="KEY", nargs="?", help="one key, or `all`")
    parser.add_argument("--quick", action="store_true", help="small sizes, same statements")
    parser.add_argument(
        "--seed", type=run_options.natural, default=0, metavar="S", help="default 0"
    )
    parser.add_argument(
        "--data-root", type=Path, metavar="FOLDER", help="folder of your data sets"
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("reports"), metavar="FOLDER",
        help="folder of the reports (default: reports)",
    )
    parser.add_argument(
        "--workers", type=run_options.natural, metavar="N", default=_cores(),
        help="with `all`: processes side by side (as many as there are cores)",
    )
    parser.add_argument(
        "--restart", action="store_true", help="with `all`: run also what has a report"
    )
    parser.add_argument(
        "--summary", action="store_true",
        help="print the table of all verdicts from the reports, in Markdown, and run nothing",
    )
    parser.add_argument(
        "--into", type=Path, metavar="FILE",
        help="with --summary: put the table into this Markdown file, between its marks",
    )
    parser.add_argument(
        "--archive", type=Path, metavar="FOLDER",
        help="with --summary: copy the reports there without drawings and tables, with errata.md",
    )
    common.add_json(parser)
    parser.set_defaults(run=run)


def _cores() -> int:
    # not everywhere can it be asked which of them this process may use
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def run(options: argparse.Namespace) -> int:
    """List, run, or sum up."""
    from govcheck.reproduce.runner import Settings

    if not options.summary and (options.into or options.archive):
        from govcheck.errors import InputError, Problem

        raise InputError(Problem("bad-option", "it goes with --summary",
                                 "--into" if options.into else "--archive", "add --summary"))
    if options.data_root is not None and not options.data_root.is_dir():
        from govcheck.errors import InputError, Problem

        raise InputError(Problem("data-root", f"there is no folder {options.data_root}",
                                 "--data-root", "see docs/reproduce.md for what it may hold"))
    with common.plugins() as plugins:
        registry = plugins.registry
        settings = Settings(options.output, options.quick, options.seed, options.data_root)
        if options.summary:
            return _summary(options, registry)
        if options.key is None:
            return _list(options, registry, settings)
        if options.key == ALL:
            return _all(options, registry, settings)
        if options.key not in registry.reproductions:
            raise common.no_such("key", options.key, [*registry.reproductions, ALL])
        return _one(options, registry, settings)


def _list(options: argparse.Namespace, registry: Registry, settings: Settings) -> int:
    from govcheck.reproduce.runner import finished

    found: list[dict[str, Any]] = []
    for name, cls in registry.reproductions.items():
        report = finished(cls, settings)
        found.append({
            "key": name,
            "title": cls.title,
            "reference": str(cls.reference),
            "computes": common.first_sentence(cls),
            "quick_seconds": cls.quick_seconds,
            "full_seconds": cls.full_seconds,
            "verdict": None if report is None else report.outcome.verdict,
        })
    if options.json:
        output.write_json(found)
        return 0
    from govcheck_cli.progress import duration

    page = output.make_page()
    table = page.table()
    table.add_column("key", no_wrap=True)
    table.add_column("what it computes")
    table.add_column("quick", no_wrap=True)
    table.add_column("full", no_wrap=True)
    shown = any(f["verdict"] for f in found)
    if shown:
        table.add_column("verdict")
    for f in found:
        row = [f["key"], f["computes"], duration(f["quick_seconds"]), duration(f["full_seconds"])]
        table.add_row(*map(str, row), *([f["verdict"] or ""] if shown else []))
    page.console.print(table)
    page.item("times are rough, of one core; --quick takes the small sizes")
    output.write(page.text())
    return 0


def _summary(options: argparse.Namespace, registry: Registry) -> int:
    from govcheck.reproduce import pages, record
    from govcheck.reproduce.runner import archive, collected, embed, write_errata

    reports = collected(options.output, list(registry.reproductions))
    if reports:
        write_errata(options.output, list(registry.reproductions))
    if options.archive is not None:
        archive(reports, options.archive)
    if options.into is not None:
        embed(reports, options.into)
    if options.json:
        output.write_json([record.as_json(r) for r in reports])
    elif options.into is None:
        output.write(pages.summary(reports))
    return 0


def _one(options: argparse.Namespace, registry: Registry, settings: Settings) -> int:
    from govcheck.reproduce import record, runner
    from govcheck_cli.progress import Progress

    cls = registry.reproductions[options.key]
    with Progress(options.key) as bar:
        report = runner.run(cls, settings, bar)
    runner.write_errata(settings.folder, registry.reproductions)
    if options.json:
        output.write_json(record.as_json(report))
    else:
        _print([report], settings)
    return _code([report], {})


def _all(options: argparse.Namespace, registry: Registry, settings: Settings) -> int:
    from govcheck.reproduce import record, runner, workers
    from govcheck_cli.main import INTERRUPTED

    classes = list(registry.reproductions.values())
    kept = {} if options.restart else {c.name: runner.finished(c, settings) for c in classes}
    found: dict[str, Report] = {k: r for k, r in kept.items() if r is not None}
    for key, report in found.items():
        output.note(f"govcheck: {key}: {report.outcome.verdict} (kept)")
    rest = [c for c in classes if c.name not in found]
    board = _Board(rest, settings.quick, found)
    try:
        with board.bar:
            if min(options.workers, len(rest)) > 1:
                workers.together(rest, settings, options.workers, board)
            else:
                workers.alone(rest, settings, board)
    except KeyboardInterrupt:
        output.fail([f"stopped in {' and '.join(board.running)}; {len(found)} finished keys are "
                     f"kept in {settings.folder}, and the same command goes on"])
        return INTERRUPTED
    reports = [found[c.name] for c in classes if c.name in found]
    if reports:
        runner.write_errata(settings.folder, list(registry.reproductions))
    if options.json:
        output.write_json({
            "reports": [record.as_json(r) for r in reports], "failed": board.failed})
    else:
        _print(reports, settings, board.failed)
    return _code(reports, board.failed)


class _Board:
    """What is said while keys are computed.

    Args:
        classes: that will be.
        quick: whether at the small size.
        found: gets their reports.
    """

    def __init__(
        self, classes: list[type[Reproduction]], quick: bool, found: dict[str, Report]
    ) -> None:
        from govcheck_cli.progress import Progress

        self.length = {c.name: c.quick_seconds if quick else c.full_seconds for c in classes}
        self.found = found
        self.failed: dict[str, str] = {}
        self.running: dict[str, float] = {}
        self.past = 0.0
        self.count = 0
        self.bar = Progress("")

    def begun(self, key: str) -> None:
        """See `workers.Listener`."""
        self.running[key] = 0.0
        self._say()

    def parts(self, key: str, done: int, of: int) -> None:
        """See `workers.Listener`."""
        self.running[key] = done / max(of, 1)
        self._say()

    def ended(self, key: str, found: Report | str) -> None:
        """See `workers.Listener`."""
        del self.running[key]
        self.past += self.length[key]
        self.count += 1
        self.bar.clear()
        if isinstance(found, str):
            self.failed[key] = found
            output.fail([f"{key}: failed: {found}"])
        else:
            self.found[key] = found
            output.note(f"govcheck: {key}: {found.outcome.verdict} ({found.seconds:.0f} s)")

    def _say(self) -> None:
        from govcheck_cli.progress import duration

        done = self.past + sum(self.length[k] * share for k, share in self.running.items())
        text = f"{self.count} of {len(self.length)} keys done, now "
        text += ", ".join(f"{k} ({100 * share:.0f} %)" for k, share in self.running.items())
        if done > 0:
            left = (sum(self.length.values()) - done) * self.bar.elapsed() / done
            text += f"; about {duration(left)} left"
        self.bar.say(text)


def _print(
    reports: list[Report], settings: Settings, failed: dict[str, str] | None = None
) -> None:
    page = output.make_page()
    for report in reports:
        page.title(f"{report.key}: {report.title}")
        page.field("verdict", report.outcome.verdict)
        for claim in report.outcome.claims:
            named = f" ({', '.join(claim.errata)})" if claim.errata else ""
            page.item(f"{claim.verdict}: {claim.statement}{named}")
            if claim.reason:
                page.item(f"no number: {claim.reason}")
            for pair in claim.pairs if len(reports) == 1 else ():
                page.item(_pair(pair))
    for key, why in (failed or {}).items():
        page.title(f"{key}: failed")
        page.item(why, "red")
    page.field("reports", str(settings.folder))
    output.write(page.text())


def _pair(pair: Any) -> str:
    from govcheck.reproduce.pages import READING, SIGN, number

    held = "holds" if pair.holds else "does not hold"
    return (f"   {pair.what}: {number(pair.computed)} {SIGN[pair.relation]} "
            f"{number(pair.published)} ({READING[pair.reading]}) {held}")


def _code(reports: list[Report], failed: dict[str, str]) -> int:
    from govcheck_cli.main import NOT_HELD, OK

    wrong = [r.key for r in reports if r.outcome.correction_fails]
    for key in wrong:
        output.fail([f"{key}: a number speaks against a statement that is called corrected"])
    return NOT_HELD if wrong or failed else OK
