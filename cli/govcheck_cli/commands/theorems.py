"""``govcheck theorems [NAME]``: what can be decided."""

from __future__ import annotations

import argparse
import inspect
from typing import TYPE_CHECKING, Any

from govcheck_cli import common, output

if TYPE_CHECKING:
    from govcheck.plugin.registry import Registry


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="one theorem")
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print all theorems, or one."""
    return common.list_or_show(options, "theorems", _describe, _show_all, _show_one)


def _describe(name: str, registry: Registry, full: bool) -> dict[str, Any]:
    cls = registry.theorems[name]
    owner = registry.owner("theorems", name)
    return {
        "name": name,
        "title": cls.title,
        "reference": str(cls.reference),
        "errata": list(cls.reference.errata),
        "readings": list(cls.readings),
        "plugin": owner.plugin,
        "distribution": owner.distribution,
        "doc": inspect.cleandoc(cls.__doc__ or ""),
    }


def _show_all(found: list[dict[str, Any]]) -> None:
    page = output.make_page()
    for t in found:
        page.line(t["name"], "bold")
        page.item(f"{t['title']}: {t['reference']}; readings {', '.join(t['readings'])}")
    output.write(page.text())


def _show_one(t: dict[str, Any]) -> None:
    page = output.make_page()
    page.line(t["name"], "bold")
    page.field("title", t["title"])
    page.field("reference", t["reference"])
    page.field("readings", ", ".join(t["readings"]))
    page.field("plugin", " of ".join(filter(None, (t["plugin"], t["distribution"]))))
    page.paragraphs(t["doc"])
    output.write(page.text())
