"""What ``analyze`` writes for other projects' CI: budgets, JUnit and SARIF files."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from govcheck.errors import InputError, Problem
from govcheck.writing import json_text, write_whole
from govcheck_cli import output

if TYPE_CHECKING:
    from govcheck.graph.architecture import Architecture
    from govcheck.plugin.registry import Registry
    from govcheck.report.budget import Budget

FILES: Final = ("junit", "sarif")
FOLDER: Final = "look at the folder and its permissions"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options ``--budget``, ``--junit`` and ``--sarif``."""
    group = parser.add_argument_group("for continuous integration")
    group.add_argument("--budget", metavar="FILE",
                       help="limits on bounds, ratios and verdicts (YAML); exit code 1 if one "
                       "is not kept")
    group.add_argument("--junit", metavar="FILE", help="write a JUnit XML file, one test case "
                       "for each hypothesis and each line of the budget")
    group.add_argument("--sarif", metavar="FILE", help="write a SARIF 2.1.0 file with places in "
                       "the YAML files, errors of the input included")


@contextmanager
def reported(options: argparse.Namespace) -> Iterator[None]:
    """Problems of the input go into the files that are asked for, and are raised all the same."""
    targets(options, FILES)
    try:
        yield
    except InputError as error:
        raise InputError(_report_problems(options, error.problems)) from None


def _report_problems(options: argparse.Namespace, problems: list[Problem]) -> list[Problem]:
    """Write the problems; all of them with those of writing."""
    from govcheck.report.junit import junit_of_problems
    from govcheck.report.sarif import Root, sarif_of_problems

    file = options.architecture
    known = list(problems)
    texts: dict[str, str] = {}
    if options.junit:
        texts[options.junit] = junit_of_problems(file, problems)
    if options.sarif:
        texts[options.sarif] = json_text(sarif_of_problems(file, problems, Root.of(file)))
    for path, text in texts.items():
        try:
            write_whole(path, text, hint=FOLDER)
        except InputError as error:
            known += [p for p in error.problems if p not in known]
    return known


def targets(options: argparse.Namespace, names: Iterable[str]) -> None:
    """Refuse to write over what is read, or to the same file twice.

    Args:
        options: with ``architecture``, ``budget`` and the given names.
        names: options that name files to write.

    Raises:
        InputError: naming the options.
    """
    taken = {_same(f): f for f in (options.architecture, options.budget) if f}
    problems = []
    for name in names:
        path = getattr(options, name)
        if not path:
            continue
        if _same(path) in taken:
            problems.append(Problem("same-file", f"{path} is also {taken[_same(path)]}",
                                    f"--{name}", "give it a name of its own"))
        taken[_same(path)] = f"the file of --{name}"
    if problems:
        raise InputError(problems)


def _same(path: str) -> str:
    return os.path.realpath(path)


def read(
    options: argparse.Namespace, arch: Architecture, report: dict[str, Any], registry: Registry
) -> Budget | None:
    """The budget, if one is given.

    Raises:
        InputError: with every problem of the file.
    """
    if options.budget is None:
        return None
    from govcheck.report.budget import read_budget

    budget = read_budget(options.budget, arch, report, registry.theorems)
    if budget.searches is not None and not getattr(options, "attack", False):
        raise InputError(Problem("no-search", "a ratio needs measured values", str(budget.searches),
                                 "use govcheck analyze with --attack, or remove the ratios"))
    return budget


def finish(
    options: argparse.Namespace, arch: Architecture, report: dict[str, Any], budget: Budget | None
) -> bool:
    """Hold the report against the budget and write the files; whether the budget is kept."""
    if budget is not None:
        from govcheck.report.budget_check import check

        report["budget"] = check(budget, report)
    if options.junit:
        from govcheck.report.junit import junit

        write_whole(options.junit, junit(report), hint=FOLDER)
    if options.sarif:
        from govcheck.report.places import places
        from govcheck.report.sarif import Root, sarif

        text = json_text(sarif(report, places(arch), Root.of(arch.file)))
        write_whole(options.sarif, text, hint=FOLDER)
    return budget is None or bool(report["budget"]["holds"])


def show(report: dict[str, Any]) -> None:
    """The end of the report on a terminal: what the budget says."""
    if "budget" in report:
        from govcheck.report.budget_check import render

        output.write(render(report["budget"], width=output.width(), color=output.colored(),
                            unicode=output.speaks_unicode()))
