"""JSON Schema of the optional parts of a report: derivations, measurement, drawings."""

from __future__ import annotations

from typing import Any, Final

from govcheck.report.derivations import derivations_schema

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_BOOL: Final[Schema] = {"type": "boolean"}
_NUMBER: Final[Schema] = {"type": "number"}
_MAYBE: Final[Schema] = {"type": ["number", "null"]}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_STRINGS: Final[Schema] = {"type": "array", "items": _TEXT}
_SENSE: Final[Schema] = {"enum": ["upper", "lower"]}


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
    part = _object(part=_TEXT, seconds=_NUMBER, bytes=_COUNT)
    row = _object(
        quantity=_TEXT, meaning=_TEXT, sense=_SENSE,
        bound={"type": ["string", "null"], "description": "a decimal, rounded outward"},
        why_no_bound={"type": ["string", "null"]}, ratio=_MAYBE,
        status={"enum": ["holds", "alarm", "no bound", "no evidence"]}, measured=_measured(),
    )
    found = _object(
        name=_TEXT, data=_TEXT, arithmetic=_TEXT, seed=_COUNT, point=_TEXT, parameters=_COUNT,
        set=_TEXT, plan=_list(part), rows=_list(row), other=_list(_measured()), notes=_STRINGS,
        alarms=_STRINGS,
    )
    found["properties"]["layers"] = {
        **_list(row), "description": "each layer at the inputs that reach it"
    }
    return found


def _measured() -> Schema:
    found = _object(
        quantity=_TEXT, where=_TEXT, value=_MAYBE, norm=_TEXT, method=_TEXT, error=_MAYBE,
        error_basis=_TEXT, side=_TEXT, floor=_MAYBE, evidence=_BOOL, label=_TEXT, dtype=_TEXT,
        seed={"type": ["integer", "null"]}, seconds=_NUMBER,
        expected=_object(seconds=_NUMBER, bytes=_COUNT),
    )
    found["properties"]["arrays"] = {"type": "object", "additionalProperties": {"type": "array"}}
    return found


def _plot() -> Schema:
    axis: Schema = {
        "type": "object",
        "properties": {
            "label": _TEXT,
            "scale": {"enum": ["linear", "log", "rows"]},
            "names": {**_STRINGS, "description": "of the rows"},
        },
        "required": ["label", "scale"],
        "additionalProperties": False,
    }
    return _object(
        key={**_TEXT, "description": "unique, fit for an identifier"}, kind=_TEXT, title=_TEXT,
        alt={**_TEXT, "description": "what it shows, in words with numbers"}, x=axis, y=axis,
        series=_list({"type": "object"}),
        source={**_TEXT, "description": "the part of the document whose numbers are drawn"},
    )


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object", "properties": properties, "required": list(properties),
        "additionalProperties": False,
    }
