"""``govcheck verify CERTIFICATE``: check a proof that gradient descent converges."""

from __future__ import annotations

import argparse

from govcheck_cli import common, output

EXIT = """\
exit code 0: accepted; 1: an inequality fails; 2: the file is no certificate or too large.
The checker is one file that needs Python alone: govcheck/certify/checker.py"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXIT
    parser.add_argument("certificate", metavar="CERTIFICATE", help="file that certify wrote")
    parser.add_argument("--limit", type=float, default=1e9, metavar="N",
                        help="largest number of integer multiplications (default 1e9)")
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check the file and print each inequality."""
    from govcheck.certify import checker
    from govcheck.errors import InputError, Problem
    from govcheck_cli.main import NOT_HELD, OK

    limit = int(min(max(0, options.limit), 1e300))
    try:
        verdict = checker.check(checker.load(options.certificate), output.note, limit)
    except (OSError, checker.MalformedError) as error:
        raise InputError(Problem("no-certificate", str(error), options.certificate,
                                 "write one with govcheck certify")) from None
    if options.json:
        output.write_json({
            "accepted": verdict.accepted,
            "statement": verdict.statement,
            "inequalities": [x._asdict() for x in verdict.lines],
        })
    else:
        for line in verdict.lines:
            output.write(f"{'PASS' if line.holds else 'FAIL'} {line.name}: {line.text}")
        output.write(verdict.statement)
    return OK if verdict.accepted else NOT_HELD
