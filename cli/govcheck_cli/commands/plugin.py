"""``govcheck plugin list|check|new``: what is installed, whether it is right, a new one."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from govcheck_cli import common, output, plugin_check, plugin_new

if TYPE_CHECKING:
    from govcheck.plugin.registry import Registry


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="plugins, versions, what each provides, what broke")
    common.add_json(listing)
    listing.add_argument(
        "--strict-plugins", action="store_true", help="exit with 3 if any plugin is broken"
    )
    listing.set_defaults(run=run)
    plugin_check.arguments(actions.add_parser(
        "check", help="try to break what a layer, a theorem or a whole plugin declares"
    ))
    plugin_new.arguments(actions.add_parser("new", help="write a distribution with one layer"))


def run(options: argparse.Namespace) -> int:
    """Print the plugins."""
    from govcheck_cli.main import OK, PLUGIN

    with common.plugins() as plugins:
        found = _describe(plugins.registry)
    if options.json:
        output.write_json(found)
    else:
        _show(found)
    return PLUGIN if options.strict_plugins and plugins.trouble else OK


def _describe(registry: Registry) -> dict[str, Any]:
    return {
        "plugins": [
            {
                "name": p.name,
                "module": p.module,
                "distribution": p.distribution,
                "version": p.version,
                "provides": {kind: list(names) for kind, names in p.provides.items()},
            }
            for p in registry.plugins
        ],
        "broken": [dataclasses.asdict(b) for b in registry.broken],
    }


def _show(found: dict[str, Any]) -> None:
    page = output.make_page()
    for p in found["plugins"]:
        of = f" ({p['distribution']} {p['version']})" if p["distribution"] else ""
        page.line(f"{p['name']}{of}, module {p['module']}", "bold")
        for kind, names in p["provides"].items():
            if names:
                page.field(f"{len(names)} {kind}", ", ".join(names))
    for b in found["broken"]:
        of = f" ({b['distribution']})" if b["distribution"] else ""
        page.line(f"{b['plugin']}{of}: set aside at stage {b['stage']}", "bold red")
        page.field("error", b["error"])
    output.write(page.text())
