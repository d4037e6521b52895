"""``govcheck analyze ARCH``: bounds, data, verdicts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from govcheck.errors import InputError, Problem
from govcheck_cli import checks, common, output

if TYPE_CHECKING:
    from govcheck.analysis import Analysis

EXIT = """\
exit code 0: every theorem the file asks for applies by its corrected reading (or the file
names none) and the budget is kept; 1: one does not or is not; 2: bad input; 3: plugin problem under
--strict-plugins; 4: --attack found a value
beyond a bound"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXIT
    common.add_architecture(parser)
    common.add_json(parser)
    parser.add_argument(
        "--mode", choices=(*common.MODES, "both"), default="tight",
        help="how bounds are composed: tight (default), paper (as the paper prints them), "
        "coarse, sums, or both: tight with paper beside it",
    )
    parser.add_argument(
        "--attack", action="store_true",
        help="search the parameter set, at the data, for the largest values of what is bounded, "
        "and print how far each bound is from them (measured)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the searches (default 0)")
    parser.add_argument(
        "--seconds", type=float, default=10.0,
        help="time for all searches; each is made once at least (default 10)",
    )
    checks.arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Analyse a file and print the report."""
    with checks.reported(options):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    from govcheck.analysis import analyze, with_mode
    from govcheck.report.document import document
    from govcheck.report.terminal import render
    from govcheck_cli.main import NOT_HELD, OK, PLUGIN, VIOLATED

    with common.plugins() as plugins:
        arch = common.load(options, plugins.registry)
        both = options.mode == "both"
        result = analyze(arch, "tight" if both else options.mode, plugins.registry,
                         data=not options.no_data)
        others = {"paper": with_mode(result, "paper")} if both else {}
        report = document(result, others, plugins.registry.broken)
        budget = checks.read(options, arch, report, plugins.registry)
        beyond = options.attack and _attack(result, options, report)
    kept = checks.finish(options, arch, report, budget)
    for line in result.warnings:
        output.warn(line)
    if options.json:
        output.write_json(report)
    else:
        output.write(render(report, width=output.width(), color=output.colored(),
                            unicode=output.speaks_unicode()))
        if options.attack:
            output.write(_table(report["tightness"]))
        checks.show(report)
    if beyond:
        return VIOLATED
    if options.strict_plugins and (plugins.trouble or result.warnings):
        return PLUGIN
    return OK if kept and report["guarantees"]["hold"] else NOT_HELD


def _attack(result: Analysis, options: argparse.Namespace, report: dict[str, Any]) -> bool:
    """Put what searches find into the report; whether anything is beyond its bound."""
    if not 0 <= options.seconds < float("inf") or options.seed < 0:
        raise InputError(Problem("bad-search", "--seconds and --seed take numbers from 0 on",
                                 "--attack"))
    from govcheck.numeric.tightness import tightness

    found = []
    for t in tightness(result, seed=options.seed, seconds=options.seconds):
        output.note(f"searched {t.quantity}: {t.found:.6g} (bound {t.bound})")
        found.append(t.as_json())
    report["tightness"] = {"seed": options.seed, "rows": found}
    beyond = [row for row in found if not row["holds"]]
    for row in beyond:
        output.warn(f"{row['quantity']} was measured as {row['measured']!r}, beyond its bound "
                    f"{row['bound']}: the bound or the program is wrong")
    return bool(beyond)


def _table(part: dict[str, Any]) -> str:
    """The report of searches as text."""
    lines = ["", f"Tightness: bound over the most extreme value found (measured, seed "
             f"{part['seed']})",
             f"  {'quantity':<12}{'bound':>14}{'measured':>14}{'ratio':>12}  searches"]
    for row in part["rows"]:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.4g}"
        beyond = "" if row["holds"] else "  BEYOND THE BOUND"
        lines.append(f"  {row['quantity']:<12}{row['bound']:>14}{row['measured']:>14.6g}"
                     f"{ratio:>12}  {row['searches']}{beyond}")
    return "\n".join(lines)
