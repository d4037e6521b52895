"""JSON Schema of the optional parts of a report: derivations, measurement, drawings."""

from __future__ import annotations

from typing import Final

from govcheck.report.derivations import derivations_schema
from govcheck.report.schema_words import (
    BOOL,
    COUNT,
    NUMBER,
    SENSE,
    STRINGS,
    TEXT,
    Schema,
    items,
    record,
)

_MAYBE: Final[Schema] = {"type": ["number", "null"]}


def optional_parts() -> dict[str, Schema]:
    """Schemas by key; a report need not have any of them."""
    return {
        "derivations": {
            **derivations_schema(), "description": "numbered steps to each known constant"
        },
        "measurement": {
            "anyOf": [_measurement(), {"type": "null"}],
            "description": "what `govcheck measure --json` prints; measured, not proved",
        },
        "plots": {"type": "array", "items": _plot(), "description": "drawings as numbers"},
    }


def _measurement() -> Schema:
    part = record(part=TEXT, seconds=NUMBER, bytes=COUNT)
    row = record(
        quantity=TEXT, meaning=TEXT, sense=SENSE,
        bound={"type": ["string", "null"], "description": "a decimal, rounded outward"},
        why_no_bound={"type": ["string", "null"]}, ratio=_MAYBE,
        status={"enum": ["holds", "alarm", "no bound", "no evidence"]}, measured=_measured(),
    )
    found = record(
        name=TEXT, data=TEXT, arithmetic=TEXT, seed=COUNT, point=TEXT, parameters=COUNT,
        set=TEXT, plan=items(part), rows=items(row), other=items(_measured()), notes=STRINGS,
        alarms=STRINGS,
    )
    found["properties"]["layers"] = {
        **items(row), "description": "each layer at the inputs that reach it"
    }
    return found


def _measured() -> Schema:
    found = record(
        quantity=TEXT, where=TEXT, value=_MAYBE, norm=TEXT, method=TEXT, error=_MAYBE,
        error_basis=TEXT, side=TEXT, floor=_MAYBE, evidence=BOOL, label=TEXT, dtype=TEXT,
        seed={"type": ["integer", "null"]}, seconds=NUMBER,
        expected=record(seconds=NUMBER, bytes=COUNT),
    )
    found["properties"]["arrays"] = {"type": "object", "additionalProperties": {"type": "array"}}
    return found


def _plot() -> Schema:
    axis: Schema = {
        "type": "object",
        "properties": {
            "label": TEXT,
            "scale": {"enum": ["linear", "log", "rows"]},
            "names": {**STRINGS, "description": "of the rows"},
        },
        "required": ["label", "scale"],
        "additionalProperties": False,
    }
    return record(
        key={**TEXT, "description": "unique, fit for an identifier"}, kind=TEXT, title=TEXT,
        alt={**TEXT, "description": "what it shows, in words with numbers"}, x=axis, y=axis,
        series=items({"type": "object"}),
        source={**TEXT, "description": "the part of the document whose numbers are drawn"},
    )
