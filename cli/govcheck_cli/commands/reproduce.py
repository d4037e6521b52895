"""``govcheck reproduce [KEY]``: results of the papers computed again, with verdicts."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from govcheck_cli import common, output, run_options

if TYPE_CHECKING:
    from govcheck.plugin.registry import Registry
    from govcheck.reproduce.protocol import Report, Reproduction, Tick
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
        "--restart", action="store_true", help="with `all`: run also what has a report"
    )
    parser.add_argument(
        "--summary", action="store_true",
        help="print the table of all verdicts from the reports, in Markdown, and run nothing",
    )
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List, run, or sum up."""
    from govcheck.reproduce.runner import Settings

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
    page.item("times are rough, on two cores; --quick takes the small sizes")
    output.write(page.text())
    return 0


def _summary(options: argparse.Namespace, registry: Registry) -> int:
    from govcheck.reproduce import pages, record
    from govcheck.reproduce.runner import collected, write_errata

    reports = collected(options.output, list(registry.reproductions))
    if reports:
        write_errata(options.output, list(registry.reproductions))
    if options.json:
        output.write_json([record.as_json(r) for r in reports])
    else:
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
    from govcheck.errors import InputError
    from govcheck.reproduce import record, runner
    from govcheck_cli.main import DEBUG, INTERRUPTED

    names = list(registry.reproductions)
    classes = list(registry.reproductions.values())
    kept = {} if options.restart else {c.name: runner.finished(c, settings) for c in classes}
    rest = _Rest([c for c in classes if kept.get(c.name) is None], settings.quick)
    reports: list[Report] = []
    failed: dict[str, str] = {}
    for cls in classes:
        report = kept.get(cls.name)
        if report is not None:
            output.note(f"govcheck: {cls.name}: {report.outcome.verdict} (kept)")
            reports.append(report)
            continue
        try:
            report = runner.run(cls, settings, rest.begin(cls))
        except KeyboardInterrupt:
            output.fail([f"stopped in {cls.name}; {len(reports)} finished keys are kept in "
                         f"{settings.folder}, and the same command goes on"])
            return INTERRUPTED
        except Exception as error:
            # one key's failure is told at the end and keeps no other key from running
            if os.environ.get(DEBUG, "") not in ("", "0"):
                raise
            what = str(error) if isinstance(error, InputError) else f"{error!r}"
            failed[cls.name] = " ".join(what.split())
            output.fail([f"{cls.name}: failed: {failed[cls.name]}"])
            continue
        finally:
            rest.end(cls)
        reports.append(report)
        output.note(f"govcheck: {cls.name}: {report.outcome.verdict} ({report.seconds:.0f} s)")
    if reports:
        runner.write_errata(settings.folder, names)
    if options.json:
        output.write_json({"reports": [record.as_json(r) for r in reports], "failed": failed})
    else:
        _print(reports, settings, failed)
    return _code(reports, failed)


class _Rest:
    """Progress within a key together with what the keys after it will take."""

    def __init__(self, classes: list[type[Reproduction]], quick: bool) -> None:
        self.left = {c.name: c.quick_seconds if quick else c.full_seconds for c in classes}
        self.count, self.begun, self.taken, self.expected = len(classes), 0, 0.0, 0.0
        self.bar: Any = None

    def begin(self, cls: type[Reproduction]) -> Tick:
        """The listener of a key that begins."""
        from govcheck_cli.progress import Progress, duration

        self.begun += 1
        self.start = time.monotonic()
        own = self.left.pop(cls.name)
        self.own = own
        pace = self.taken / self.expected if self.expected else 1.0
        after = sum(self.left.values()) * pace
        label = f"{cls.name} ({self.begun} of {self.count}"
        label += f", the others about {duration(after)})" if self.left else ")"
        self.bar = Progress(label)
        self.bar.__enter__()
        listener: Tick = self.bar
        return listener

    def end(self, cls: type[Reproduction]) -> None:
        """That it has ended, however."""
        self.taken += time.monotonic() - self.start
        self.expected += self.own
        self.bar.__exit__(None, None, None)


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
