"""``govcheck report ARCH -o FILE``: one document as HTML, Markdown, LaTeX or JSON."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from govcheck.errors import InputError, Problem
from govcheck_cli import attack, common, output, report_files

EXIT: Final = """\
exit code 0: every theorem the file asks for applies by its corrected reading (or the file
names none); 1: one does not; 2: bad input; 3: plugin problem under --strict-plugins;
4: --measure or --attack found a value beyond a bound

examples: govcheck report arch.yaml -o report.html -o report.tex
          govcheck report arch.yaml --measure -o report.json
          govcheck report report.json -o report.md       (nothing is computed again)"""

COMPUTING: Final = (
    ("--set", "overrides"), ("--no-data", "no_data"), ("--measure", "measure"),
    ("--attack", "attack"), ("--mode", "mode"), ("--draw", "draw"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXIT
    common.add_architecture(parser)
    common.add_json(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", action="append", default=[],
        help="file to write, .html, .md, .tex or .json; may be repeated",
    )
    common.add_mode(parser)
    parser.add_argument(
        "--measure", action="store_true",
        help="measure at the initial weights, as `govcheck measure` does, beside the bounds",
    )
    parser.add_argument(
        "--max-seconds", type=float, default=60.0, metavar="T",
        help="about where iterations of --measure stop with the errors they have (60)",
    )
    parser.add_argument(
        "--draw", metavar="FILE|RUNDIR", action="append", default=[], type=Path,
        help="draw what `measure --json` (also with --spectra) or `gram --depth --json` printed, "
        "or the run in a folder; may be repeated",
    )
    attack.arguments(parser)
    group = parser.add_argument_group("LaTeX")
    only = group.add_mutually_exclusive_group()
    only.add_argument("--fragment", action="store_const", const="fragment", dest="form",
                      help="a file to \\input in a paper, instead of a document")
    only.add_argument("--macros", action="store_const", const="macros", dest="form",
                      help="only the macros, one for each constant and one for its value")
    group.add_argument("--prefix", metavar="LETTERS", default="gov",
                       help="with which all macros begin (gov)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the document and write it in every format that is asked for."""
    from govcheck_cli.main import NOT_HELD, OK, PLUGIN, VIOLATED

    files = _check(options)
    trouble = False
    if _ready(options):
        from govcheck.report.full import read

        doc = read(Path(options.architecture))
    else:
        doc, trouble = _document(options)
    for path in files:
        report_files.write(doc, path, form=options.form or "document", prefix=options.prefix)
    if options.json:
        output.write_json(doc)
    if _beyond(doc):
        return VIOLATED
    if options.strict_plugins and trouble:
        return PLUGIN
    return OK if doc["guarantees"]["hold"] else NOT_HELD


def _ready(options: argparse.Namespace) -> bool:
    return Path(options.architecture).suffix.lower() == ".json"


def _check(options: argparse.Namespace) -> list[Path]:
    """The files to write, once the options make sense together.

    Raises:
        InputError: saying what to write instead.
    """
    files = report_files.targets(options.output)
    problems = []
    if not files and not options.json:
        problems.append(Problem("no-output", "nothing says where the report goes", "-o",
                                "write -o report.html, .md, .tex or .json, or --json"))
    if _ready(options):
        default: dict[str, Any] = {"mode": "tight", "overrides": [], "draw": []}
        problems += [
            Problem("bad-option", "a report in JSON is shown as it is, nothing is computed",
                    name, "give the architecture file")
            for name, key in COMPUTING if getattr(options, key) != default.get(key, False)
        ]
    problems += [
        Problem("report-file", f"{path} is the architecture file, which the report would replace",
                "-o", "give the report another name")
        for path in files if not _ready(options) and _same(path, Path(options.architecture))
    ]
    if options.no_data and (options.measure or options.attack):
        problems.append(Problem("bad-option", "what is measured needs the data", "--no-data",
                                "leave out one of them"))
    if not options.max_seconds > 0:
        problems.append(Problem("bad-option", "it takes a positive number of seconds",
                                "--max-seconds"))
    if not (options.prefix.isascii() and options.prefix.isalpha()):
        problems.append(Problem("bad-option", "names of macros are made of letters", "--prefix",
                                "write --prefix net"))
    if options.form and not any(f.suffix.lower() == ".tex" for f in files):
        problems.append(Problem("bad-option", "no file in LaTeX is asked for",
                                f"--{options.form}", "write -o report.tex"))
    if problems:
        raise InputError(problems)
    return files


def _same(path: Path, other: Path) -> bool:
    return path.resolve() == other.resolve()


def _document(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """The document, and whether plugins made trouble."""
    from govcheck.analysis import analyze, with_mode
    from govcheck.report.drawn import drawings
    from govcheck.report.full import full

    drawn = drawings(options.draw)
    with common.plugins() as plugins:
        arch = common.load(options, plugins.registry)
        both = options.mode == "both"
        result = analyze(arch, "tight" if both else options.mode, plugins.registry,
                         data=not options.no_data)
        others = {"paper": with_mode(result, "paper")} if both else {}
        found: dict[str, Any] = {}
        if options.measure:
            from govcheck_cli.measured import measured

            tight = result if result.mode.name == "tight" else with_mode(result, "tight")
            found["measurement"] = measured(tight, plugins.registry, seed=options.seed,
                                            max_seconds=options.max_seconds)
        if options.attack:
            attack.attack(result, options, found)
        doc = full(result, others, plugins.registry.broken, drawings=drawn, **found)
    for line in result.warnings:
        output.warn(line)
    return doc, bool(plugins.trouble or result.warnings)


def _beyond(doc: dict[str, Any]) -> bool:
    """Whether a measurement contradicts a bound."""
    searches = (doc.get("tightness") or {}).get("rows", ())
    return bool((doc.get("measurement") or {}).get("alarms")) or any(
        not r["holds"] for r in searches)


