"""``govcheck badge ARCH``: one fact about an architecture as a small SVG picture."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from govcheck.errors import InputError, Problem
from govcheck.writing import write_whole
from govcheck_cli import checks, common, output

if TYPE_CHECKING:
    from govcheck.graph.architecture import Architecture
    from govcheck.plugin.registry import Registry
    from govcheck.report.badge import Badge

EXIT = """\
exit code 0: what the badge shows holds; 1: it does not, or there is no number, and the
badge is written all the same; 2: bad input"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXIT
    common.add_architecture(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--quantity", metavar="NAME",
                      help="a constant of the network or the loss, such as beta")
    what.add_argument("--theorem", metavar="NAME", help="the verdict of a theorem")
    what.add_argument("--budget", metavar="FILE", help="whether a budget is kept")
    parser.add_argument("-o", "--output", metavar="FILE", help="the SVG file (default: stdout)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Analyse a file and write the badge."""
    from govcheck.analysis import analyze
    from govcheck.report.document import document
    from govcheck_cli.main import NOT_HELD, OK, PLUGIN

    checks.targets(options, ("output",))
    with common.plugins() as plugins:
        arch = common.load(options, plugins.registry)
        result = analyze(arch, "tight", plugins.registry, data=not options.no_data)
        report = document(result, {}, plugins.registry.broken)
        badge = _badge(options, arch, report, plugins.registry)
    for line in result.warnings:
        output.warn(line)
    if options.output is None:
        output.write(badge.svg())
    else:
        write_whole(options.output, badge.svg(), hint=checks.FOLDER)
    if options.strict_plugins and (plugins.trouble or result.warnings):
        return PLUGIN
    return OK if badge.holds else NOT_HELD


def _badge(
    options: argparse.Namespace, arch: Architecture, report: dict[str, Any], registry: Registry
) -> Badge:
    from govcheck.report import badge
    from govcheck.spec.names import shown, suggest

    if options.quantity is not None:
        try:
            return badge.of_quantity(report, options.quantity)
        except KeyError as error:
            raise InputError(Problem(
                "unknown-quantity", f"there is no quantity {shown(options.quantity)}",
                "--quantity", suggest(options.quantity, error.args, "quantities"))) from None
    if options.theorem is not None:
        if options.theorem not in registry.theorems:
            raise common.no_such("theorem", options.theorem, registry.theorems, "--theorem")
        return badge.of_theorem(report, options.theorem)
    budget = checks.read(options, arch, report, registry)
    if budget is None:
        return badge.of_guarantees(report)
    from govcheck.report.budget_check import check

    return badge.of_budget(check(budget, report))
