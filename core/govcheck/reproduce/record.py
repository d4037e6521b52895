"""Reports as JSON: written, and read back with every verdict computed anew."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from govcheck.errors import InputError, Problem
from govcheck.reproduce.plot import Curve, Panel, Plot
from govcheck.reproduce.protocol import Claim, Outcome, Pair, Report, Table
from govcheck.theorems.protocol import Erratum

FORMAT: Final = 1


def as_json(report: Report) -> dict[str, Any]:
    """The report as JSON values, with the verdicts that follow from its numbers."""
    outcome = report.outcome
    claims = []
    for claim in outcome.claims:
        shown = asdict(claim)
        for pair, written in zip(claim.pairs, shown["pairs"], strict=True):
            written["holds"] = pair.holds
        claims.append({"verdict": claim.verdict} | shown)
    return {
        "govcheck_reproduction": FORMAT,
        "key": report.key,
        "title": report.title,
        "reference": report.reference,
        "verdict": outcome.verdict,
        "identity": report.identity,
        "claims": claims,
        "errata": [asdict(e) for e in report.errata],
        "tables": [asdict(t) for t in outcome.tables],
        "notes": list(outcome.notes),
        "data": list(outcome.data),
        "plot": None if outcome.plot is None else asdict(outcome.plot),
        "seconds": report.seconds,
        "made_with": report.made_with,
    }


def read(path: Path) -> Report:
    """A report that was written before.

    Raises:
        InputError: if it is not one, or states a verdict that its numbers do not give.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _bad(path, f"it cannot be read: {error}") from None
    try:
        report = _report(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(path, f"it is not a report of this version: {error!r}") from None
    stated = [found["verdict"], *(c["verdict"] for c in found["claims"])]
    follows = [report.outcome.verdict, *(c.verdict for c in report.outcome.claims)]
    if stated != follows:
        raise _bad(path, "a verdict in it does not follow from its numbers")
    return report


def _bad(path: Path, message: str) -> InputError:
    return InputError(Problem("report", message, str(path), "compute it again, or remove it"))


def _report(found: dict[str, Any]) -> Report:
    if found["govcheck_reproduction"] != FORMAT:
        raise ValueError(f"format {found['govcheck_reproduction']!r}")
    claims = tuple(
        Claim(c["key"], c["statement"], tuple(_pair(p) for p in c["pairs"]), c["corrected"],
              c["reason"], tuple(c["errata"]), tuple(c["remarks"]))
        for c in found["claims"]
    )
    tables = tuple(
        Table(t["title"], tuple(t["header"]), tuple(map(tuple, t["rows"])))
        for t in found["tables"]
    )
    return Report(
        found["key"], found["title"], found["reference"], dict(found["identity"]),
        Outcome(claims, tables, _plot(found["plot"]), tuple(found["notes"]),
                tuple(found["data"])),
        tuple(Erratum(**e) for e in found["errata"]),
        found["seconds"], dict(found["made_with"]),
    )


def _pair(p: dict[str, Any]) -> Pair:
    return Pair(p["what"], p["computed"], p["published"], p["relation"], p["rtol"], p["atol"],
                p["reading"], p["source"])


def _plot(found: dict[str, Any] | None) -> Plot | None:
    if found is None:
        return None
    panels = tuple(
        Panel(p["title"], p["x_label"], p["y_label"], tuple(_curve(c) for c in p["curves"]),
              p["x_scale"], p["y_scale"])
        for p in found["panels"]
    )
    return Plot(found["caption"], panels, found["columns"])


def _curve(c: dict[str, Any]) -> Curve:
    return Curve(c["label"], tuple(c["x"]), tuple(c["y"]), tuple(c["low"]), tuple(c["high"]),
                 c["style"], c["color"])
