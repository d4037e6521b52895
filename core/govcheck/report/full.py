"""The whole document of a report: analysis, and what was searched, measured and drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from govcheck.analysis import Analysis
from govcheck.errors import InputError, Problem
from govcheck.plugin.loader import Broken
from govcheck.report.derivations import derivations
from govcheck.report.document import NONE, document
from govcheck.report.plot_data import plots_of, unique

Json = dict[str, Any]
FAULTS: Final = 3
LONGEST: Final = 160


def full(
    analysis: Analysis,
    others: Mapping[str, Analysis] = NONE,
    broken: Sequence[Broken] = (),
    *,
    tightness: Json | None = None,
    measurement: Json | None = None,
    drawings: Sequence[Json] = (),
) -> Json:
    """The document that `govcheck report` renders.

    Args:
        analysis, others, broken: see `govcheck.report.document.document`.
        tightness: ``{seed, rows}`` of searches.
        measurement: what ``govcheck measure --json`` prints.
        drawings: of other results, see `govcheck.report.drawn.drawings`.
    """
    doc = document(analysis, others, broken)
    doc["derivations"] = derivations(analysis)
    if tightness is not None:
        doc["tightness"] = tightness
    doc["measurement"] = measurement
    doc["plots"] = unique([*plots_of(doc), *drawings])
    return doc


def read(path: Path) -> Json:
    """A document that was written before.

    Raises:
        InputError: if the file cannot be read or is no report, with the place that is wrong.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(Problem("no-file", f"it cannot be read: {error.strerror}",
                                 str(path))) from None
    except ValueError as error:
        raise InputError(Problem("bad-report", f"this is no JSON: {error}", str(path),
                                 "write one with `govcheck report ARCH -o FILE.json`")) from None
    wrong = _faults(found)
    if wrong:
        raise InputError([
            Problem("bad-report", f"this is no report of this version: {text}", str(path),
                    "write it anew with `govcheck report ARCH -o FILE.json`")
            for text in wrong
        ])
    return dict(found)


def _faults(found: object) -> list[str]:
    from jsonschema import Draft202012Validator

    from govcheck.report.schema import report_schema

    errors = sorted(Draft202012Validator(report_schema()).iter_errors(found),
                    key=lambda e: len(e.absolute_path))
    return [f"{e.json_path[:120]}: {_short(e.message)}" for e in errors[:FAULTS]]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
