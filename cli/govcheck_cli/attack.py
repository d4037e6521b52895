"""Searches for the most extreme values of what is bounded, and their options."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from govcheck.errors import InputError, Problem
from govcheck_cli import output

if TYPE_CHECKING:
    from govcheck.analysis import Analysis


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options ``--attack``, ``--seed`` and ``--seconds``."""
    parser.add_argument(
        "--attack", action="store_true",
        help="search the parameter set, at the data, for the largest values of what is bounded, "
        "and print how far each bound is from them (measured)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the searches (default 0)")
    parser.add_argument(
        "--seconds", type=float, default=10.0,
        help="time for all searches; each is made once at least (default 10)",
    )


def attack(result: Analysis, options: argparse.Namespace, report: dict[str, Any]) -> bool:
    """Put what searches find into the report; whether anything is beyond its bound."""
    if not 0 <= options.seconds < float("inf") or options.seed < 0:
        raise InputError(Problem("bad-search", "--seconds and --seed take numbers from 0 on",
                                 "--attack"))
    from govcheck.numeric.tightness import tightness

    found = []
    for t in tightness(result, seed=options.seed, seconds=options.seconds):
        output.note(f"searched {t.quantity}: {t.found:.6g} (bound {t.bound})")
        found.append(t.as_json())
    report["tightness"] = {"seed": options.seed, "rows": found}
    beyond = [row for row in found if not row["holds"]]
    for row in beyond:
        output.warn(f"{row['quantity']} was measured as {row['measured']!r}, beyond its bound "
                    f"{row['bound']}: the bound or the program is wrong")
    return bool(beyond)
