"""``govcheck analyze ARCH``: bounds, data, verdicts."""

from __future__ import annotations

import argparse

from govcheck_cli import common, output

EXIT = """\
exit code 0: every theorem the file asks for applies by its corrected reading (or the file
names none); 1: one does not; 2: bad input; 3: plugin problem under --strict-plugins"""


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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Analyse a file and print the report."""
    from govcheck.analysis import analyze, with_mode
    from govcheck.report.document import document
    from govcheck.report.terminal import render
    from govcheck_cli.main import NOT_HELD, OK, PLUGIN

    with common.plugins() as plugins:
        arch = common.load(options, plugins.registry)
        both = options.mode == "both"
        result = analyze(arch, "tight" if both else options.mode, plugins.registry,
                         data=not options.no_data)
        others = {"paper": with_mode(result, "paper")} if both else {}
        report = document(result, others, plugins.registry.broken)
    for line in result.warnings:
        output.warn(line)
    if options.json:
        output.write_json(report)
    else:
        output.write(render(report, width=output.width(), color=output.colored(),
                            unicode=output.speaks_unicode()))
    if options.strict_plugins and (plugins.trouble or result.warnings):
        return PLUGIN
    return OK if report["guarantees"]["hold"] else NOT_HELD
