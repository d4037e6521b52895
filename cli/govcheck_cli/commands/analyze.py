"""``govcheck analyze ARCH``: bounds, data, verdicts."""

from __future__ import annotations

import argparse
from typing import Any

from govcheck_cli import attack, checks, common, memory, output

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
    common.add_mode(parser)
    memory.add_option(parser)
    attack.arguments(parser)
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
        memory.analysis(options, arch)
        both = options.mode == "both"
        result = analyze(arch, "tight" if both else options.mode, plugins.registry,
                         data=not options.no_data)
        others = {"paper": with_mode(result, "paper")} if both else {}
        report = document(result, others, plugins.registry.broken)
        budget = checks.read(options, arch, report, plugins.registry)
        beyond = options.attack and attack.attack(result, options, report)
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
