"""``govcheck layers [NAME]``: what an architecture file can use, and what is declared of it."""

from __future__ import annotations

import argparse
import inspect
from typing import TYPE_CHECKING, Any

from govcheck_cli import common, output

if TYPE_CHECKING:
    from govcheck.plugin.layer import Layer
    from govcheck.plugin.registry import Registry
    from govcheck.spec.fields import Kind


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="one layer")
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print all layers, or one with its keys and bounds."""
    return common.list_or_show(options, "layers", _describe, _show_all, _show_one)


def _describe(name: str, registry: Registry, full: bool) -> dict[str, Any]:
    cls = registry.layers[name]
    owner = registry.owner("layers", name)
    found = {
        "name": name,
        "purpose": common.first_sentence(cls, name),
        "plugin": owner.plugin,
        "distribution": owner.distribution,
        "version": owner.version,
    }
    return found | _details(cls) if full else found


def _details(cls: type[Layer]) -> dict[str, Any]:
    from govcheck.bounds.answer import MEANING
    from govcheck.plugin.layer import declared_bounds
    from govcheck.spec.fields import field_specs

    fields = [
        {
            "key": f.key,
            "takes": _takes(f.kind),
            "required": f.required,
            "default": None if f.required else _shown(f.default),
        }
        for f in field_specs(cls)
    ]
    order = list(MEANING)
    declared = sorted(
        declared_bounds(cls),
        key=lambda d: (d[1].reading != "as_corrected", order.index(d[1].quantity)),
    )
    bounds = [
        {
            "quantity": spec.quantity,
            "sense": spec.sense,
            "method": attribute,
            "reference": str(spec.reference),
            "tight": spec.tight,
            "uses": sorted(spec.uses),
            "reading": spec.reading,
            "doc": inspect.cleandoc(getattr(cls, attribute).__doc__ or ""),
        }
        for attribute, spec in declared
    ]
    return {"doc": inspect.cleandoc(cls.__doc__ or ""), "fields": fields, "bounds": bounds}


def _takes(kind: Kind) -> str:
    if kind.tag == "choice":
        return " | ".join(map(str, kind.options))
    if kind.tag == "list" and kind.of is not None:
        return f"list of {_takes(kind.of)}"
    if kind.tag == "optional" and kind.of is not None:
        return f"{_takes(kind.of)}, or nothing"
    words = {"formula": "formula", "bool": "true or false", "int": "integer", "str": "text"}
    return words.get(kind.tag, ", ".join(map(str, kind.options)))


def _shown(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _show_all(found: list[dict[str, Any]]) -> None:
    page = output.make_page()
    several = len({f["plugin"] for f in found}) > 1
    table = page.table()
    table.add_column("layer", no_wrap=True)
    table.add_column("what it is")
    if several:
        table.add_column("plugin")
    for f in found:
        table.add_row(f["name"], f["purpose"], *([f["plugin"]] if several else []))
    page.console.print(table)
    output.write(page.text())


def _show_one(f: dict[str, Any]) -> None:
    page = output.make_page()
    page.line(f["name"], "bold")
    owner = " ".join(filter(None, (f["distribution"], f["version"])))
    page.field("plugin", f["plugin"] + (f" of {owner}" if owner else ""))
    page.paragraphs(f["doc"])
    page.title("Keys")
    for k in f["fields"]:
        default = "required" if k["required"] else f"default {k['default']}"
        page.field(k["key"], f"{k['takes']} ({default})")
    if not f["fields"]:
        page.item("none")
    page.title("Declared bounds")
    for b in f["bounds"]:
        printed = ", as printed and used in mode paper only" if b["reading"] == "as_printed" else ""
        tight = f"; tight: {b['tight']}" if b["tight"] else ""
        page.field(f"{b['quantity']} {page.sign(b['sense'])}",
                   f"{b['doc']} {b['reference']}{printed}{tight}")
    output.write(page.text())
