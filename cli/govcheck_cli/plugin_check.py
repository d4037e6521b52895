"""``govcheck plugin check NAME``: run the conformance kit on installed plugins."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Final

from govcheck_cli import common, output

if TYPE_CHECKING:
    from govcheck.plugin.registry import Registry
    from govcheck.plugin.testing import Effort, Record

EFFORTS: Final = ("quick", "standard", "thorough")
STYLE: Final = {"failed": "bold red", "skipped": "dim", "expected failure": "yellow"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the action's arguments."""
    parser.add_argument(
        "name", metavar="NAME",
        help="a layer, a theorem, or a plugin or distribution for all of its layers and theorems",
    )
    parser.add_argument(
        "--effort", choices=EFFORTS, default="standard", help="how hard to search (standard)"
    )
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check, print the records, and say whether all is well."""
    from govcheck_cli.main import NOT_HELD, OK

    # the arrays are small; read when torch is loaded, which is later
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    records: list[Record] = []
    with common.plugins() as plugins:
        for found in _checked(plugins.registry, options.name, _effort(options.effort)):
            records += found
            if not options.json:
                _show(found)
    bad = sum(r.bad for r in records)
    if options.json:
        output.write_json([dataclasses.asdict(r) for r in records])
    else:
        output.write(f"{len(records)} checks, {bad} failed")
    return NOT_HELD if bad else OK


def _effort(name: str) -> Effort:
    from govcheck.plugin import testing

    efforts = dict(zip(EFFORTS, (testing.QUICK, testing.STANDARD, testing.THOROUGH), strict=True))
    return efforts[name]


def _checked(registry: Registry, name: str, effort: Effort) -> Iterator[list[Record]]:
    """Records of each layer and theorem that the name stands for."""
    from govcheck.plugin.testing import check_layer, check_theorem

    layers, theorems = _meant(registry, name)
    for layer in layers:
        yield check_layer(registry.layers[layer], effort=effort)
    for theorem in theorems:
        yield check_theorem(registry.theorems[theorem], registry=registry)


def _meant(registry: Registry, name: str) -> tuple[list[str], list[str]]:
    if name in registry.layers:
        return [name], []
    if name in registry.theorems:
        return [], [name]
    owned = [p for p in registry.plugins if name in (p.name, p.distribution)]
    if not owned:
        known = [*registry.layers, *registry.theorems]
        for p in registry.plugins:
            known += [p.name, p.distribution] if p.distribution else [p.name]
        raise common.no_such("plugin", name, dict.fromkeys(known))
    layers = [n for p in owned for n in p.provides["layers"]]
    return layers, [n for p in owned for n in p.provides["theorems"]]


def _show(records: list[Record]) -> None:
    page = output.make_page()
    for subject, group in groupby(records, key=lambda r: r.subject):
        page.line(subject, "bold")
        table = page.table()
        table.add_column("check", no_wrap=True)
        table.add_column("status", no_wrap=True)
        table.add_column("seconds", justify="right", no_wrap=True)
        table.add_column("found")
        for r in group:
            style = STYLE.get(r.status, "")
            table.add_row(r.check, r.status, f"{r.seconds:.2f}", r.message, style=style)
        page.console.print(table)
    output.write(page.text())
