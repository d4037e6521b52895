"""``govcheck compare A B [...]``: bounds, verdicts, spectra and losses side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from govcheck.errors import InputError, Problem
from govcheck_cli import common, output, run_options
from govcheck_cli.measured import taken
from govcheck_cli.progress import Progress

if TYPE_CHECKING:
    from govcheck.analysis import Analysis
    from govcheck.plugin.registry import Registry
    from govcheck.report.comparison import Side
    from govcheck.report.page import Page

EXIT = """\
exit code 0: compared, whatever came out; 2: bad input; 3: plugin problem under
--strict-plugins; 4: a measurement is beyond a proven bound"""
GROUPS = ("jacobian", "gram", "hessian")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXIT
    parser.add_argument("architectures", metavar="ARCH", nargs="+", help="architecture files")
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="overrides",
        help="value of a declared symbol in every file; may be repeated",
    )
    parser.add_argument("--no-data", action="store_true", help="do not load the data")
    parser.add_argument("--strict-plugins", action="store_true",
                        help="exit with 3 if any plugin is broken")
    common.add_json(parser)
    parser.add_argument("--mode", choices=common.MODES, default="tight",
                        help="how bounds are composed (tight)")
    parser.add_argument(
        "--measure", action="store_true",
        help="measure extreme singular values and eigenvalues at the initial weights too",
    )
    parser.add_argument(
        "--train", type=run_options.natural, metavar="STEPS", default=0,
        help="train each for so many steps, as its file says, and compare the losses",
    )
    parser.add_argument(
        "--step-size", metavar="auto|lambda_max|FORMULA", default="lambda_max",
        help="of --train (lambda_max: 1 over the largest eigenvalue of the Hessian at the start, "
        "measured, so that each network gets the step that suits it)",
    )
    parser.add_argument("--max-seconds", type=float, default=30.0, metavar="T",
                        help="of --measure, for each file (30)")
    parser.add_argument("--seed", type=run_options.natural, default=0, metavar="S",
                        help="of starts and probes of --measure (0)")
    parser.add_argument("--plot", metavar="FILE", type=Path,
                        help="draw the losses of --train, .svg, .png or .pdf")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Analyse all files and print them side by side."""
    from govcheck.report.comparison import comparison, plots
    from govcheck_cli.main import OK, PLUGIN, VIOLATED

    _check(options)
    with common.plugins() as plugins:
        labels = _labels(options.architectures)
        sides, alarms = [], []
        for file, label in zip(options.architectures, labels, strict=True):
            side, beyond = _side(options, file, label, plugins.registry)
            sides.append(side)
            alarms += [f"{label}: {line}" for line in beyond]
    found = comparison(sides)
    if options.plot is not None:
        from govcheck.report.plots import save

        save(plots(found), options.plot)
    if options.json:
        output.write_json(found)
    else:
        page = output.make_page()
        _show(page, found)
        output.write(page.text())
    for line in alarms:
        output.fail([f"ALARM: {line}"])
    if alarms:
        return VIOLATED
    return PLUGIN if options.strict_plugins and plugins.trouble else OK


def _check(options: argparse.Namespace) -> None:
    if len(options.architectures) < 2:
        raise InputError(Problem("one-file", "one file cannot be compared with itself",
                                 options.architectures[0], "name two or more"))
    if options.plot is not None and not options.train:
        raise InputError(Problem("bad-option", "it draws losses, so it needs --train STEPS",
                                 "--plot"))
    if (options.measure or options.train) and options.no_data:
        raise InputError(Problem("bad-option", "it goes neither with --measure nor with --train",
                                 "--no-data"))
    if not options.max_seconds > 0:
        raise InputError(Problem("bad-option", "it takes a positive number of seconds",
                                 "--max-seconds"))


def _labels(files: list[str]) -> list[str]:
    """Short names, with as much of the path as makes them different."""
    stems = [Path(f).stem for f in files]
    return [
        stem if stems.count(stem) == 1 else f"{file}#{1 + files[:i].count(file)}"
        if files.count(file) > 1 else file
        for i, (stem, file) in enumerate(zip(stems, files, strict=True))
    ]


def _side(
    options: argparse.Namespace, file: str, label: str, registry: Registry
) -> tuple[Side, list[str]]:
    import govcheck
    from govcheck.analysis import analyze
    from govcheck.report.comparison import Side
    from govcheck.report.document import document

    arch = govcheck.load(file, registry=registry, overrides=common.overrides(options.overrides))
    analysis = analyze(arch, options.mode, registry, data=not options.no_data)
    for line in analysis.warnings:
        output.warn(f"{label}: {line}")
    measured: dict[str, Any] | None = None
    alarms: list[str] = []
    if options.measure:
        measured, alarms = _measure(options, analysis, label, registry)
    losses: list[tuple[int, float]] = []
    how: dict[str, Any] | None = None
    if options.train:
        losses, how = _train(options, analysis, label)
    return Side(label, document(analysis), measured, losses, how), alarms


def _measure(
    options: argparse.Namespace, analysis: Analysis, label: str, registry: Registry
) -> tuple[dict[str, Any], list[str]]:
    _, result = taken(analysis, registry, groups=GROUPS, seed=options.seed,
                      max_seconds=options.max_seconds, label=label)
    return result.as_json(), [row.sentence for row in result.alarms]


def _train(
    options: argparse.Namespace, analysis: Analysis, label: str
) -> tuple[list[tuple[int, float]], dict[str, Any]]:
    from govcheck.numeric.train import read_settings, train

    settings = read_settings(analysis.architecture,
                             {"steps": options.train, "step_size": options.step_size})
    losses: list[tuple[int, float]] = []
    with Progress(f"training {label}") as bar:
        def tell(now: Any) -> None:
            losses.append((now.step, now.loss))
            bar(now.step, now.steps)

        outcome = train(analysis, settings, progress=tell)
    losses.insert(0, (0, outcome.first_loss))
    about = run_options.document(analysis, settings)
    return losses, {
        "method": about["method"], "start": about["start"],
        "step_size": outcome.step_size.value, "step_size_source": outcome.step_size.source,
        "stopped": outcome.reason,
    }


def _show(page: Page, doc: dict[str, Any]) -> None:
    labels = [a["label"] for a in doc["architectures"]]
    for a in doc["architectures"]:
        page.field(a["label"], f"{a['name']}: {_count(a['layers'])} layers, "
                   f"{_count(a['parameters'])} parameters, {a['parameter_set']}; "
                   f"{a['data'] or 'no data'}")
    for line in doc["remarks"]:
        page.item(line, "yellow")
    _bounds(page, doc["bounds"], labels)
    _verdicts(page, doc["verdicts"], labels)
    if doc["spectra"]:
        _spectra(page, doc["spectra"], labels)
    if doc["training"] is not None:
        _losses(page, doc["training"], labels)


def _count(count: dict[str, Any]) -> str:
    return str(count["value"] or count["text"])


def _bounds(page: Page, rows: list[dict[str, Any]], labels: list[str]) -> None:
    page.title("Proven bounds (* the sharpest)")
    table = page.table()
    table.add_column("")
    table.add_column("")
    for label in labels:
        table.add_column(label, justify="right", overflow="fold")
    for row in rows:
        cells = []
        for label in labels:
            c = row["sides"].get(label)
            shown = "" if c is None else c["value"] or c["state"]
            cells.append(f"{shown} *" if label in row["best"] else f"{shown}  ")
        table.add_row(row["quantity"], page.sign(row["sense"]), *cells)
    page.console.print(table)


def _verdicts(page: Page, rows: list[dict[str, Any]], labels: list[str]) -> None:
    if not rows:
        return
    page.title("Theorems, as corrected")
    for row in rows:
        page.line(f"{row['title']} ({row['reference']})", "bold")
        for label in labels:
            v = row["sides"].get(label)
            if v is None:
                page.item(f"{label}: not asked for", "dim")
                continue
            first = f"; fails first: {v['fails_first']}" if v["fails_first"] else ""
            page.item(f"{label}: {v['status']}{first}",
                      "green" if v["status"] == "applies" else "")


def _spectra(page: Page, rows: list[dict[str, Any]], labels: list[str]) -> None:
    page.title("Spectra at the initial weights (measured)")
    table = page.table()
    table.add_column("")
    for label in labels:
        table.add_column(label, justify="right", overflow="fold")
    table.add_column("", style="dim", overflow="fold")
    for row in rows:
        cells = [f"{row['sides'][n]['value']:.6g}" if n in row["sides"] else "" for n in labels]
        table.add_row(row["quantity"], *cells, row["meaning"])
    page.console.print(table)


def _losses(page: Page, part: dict[str, Any], labels: list[str]) -> None:
    page.title("Loss along training (measured)")
    table = page.table()
    table.add_column("step", justify="right")
    shown = [n for n in labels if n in part["losses"]]
    for label in shown:
        table.add_column(label, justify="right", overflow="fold")
    steps = part["steps"]
    for k in sorted({round(i * (len(steps) - 1) / 8) for i in range(9)}):
        table.add_row(str(steps[k]), *(f"{part['losses'][n][k]:.6g}" for n in shown))
    page.console.print(table)
    for label in shown:
        how = part["how"][label]
        page.item(f"{label}: {how['method']}, step {how['step_size']:.6g} "
                  f"({how['step_size_source']}), start {how['start']}", "dim")
