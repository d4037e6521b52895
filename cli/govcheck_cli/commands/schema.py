"""``govcheck schema``: JSON Schema of architecture files or of reports."""

from __future__ import annotations

import argparse

from govcheck_cli import common, output


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--report", action="store_true", help="of the output of analyze --json, not of ARCH"
    )
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a schema, which is JSON with or without ``--json``."""
    if options.report:
        from govcheck.report.schema import report_schema

        output.write_json(report_schema())
        return 0
    from govcheck.spec.schema import schema

    with common.plugins() as plugins:
        output.write_json(schema(plugins.registry))
    return 0
