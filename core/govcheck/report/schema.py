"""JSON Schema (draft 2020-12) of the report document."""

from __future__ import annotations

from typing import Any, Final, get_args

from govcheck.bounds.answer import CauseKind
from govcheck.bounds.loss import LOSS_MEANING
from govcheck.report.document import FORMAT
from govcheck.report.schema_more import optional_parts
from govcheck.theorems.protocol import Mode, Reading, Status

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_BOOL: Final[Schema] = {"type": "boolean"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_STRINGS: Final[Schema] = {"type": "array", "items": _TEXT}
_DECIMAL: Final[Schema] = {
    "type": "string",
    "pattern": r"^-?([0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|Infinity)$",
}
_SENSE: Final[Schema] = {"enum": ["upper", "lower"]}


def report_schema() -> Schema:
    """The schema that every document of `govcheck.report.document` satisfies."""
    schema: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "govcheck report",
        **_object(
            govcheck_report={"const": FORMAT},
            govcheck={**_TEXT, "description": "version of the program"},
            architecture=_architecture(),
            symbols=_list(_ref("symbol")),
            parameter_set={**_TEXT, "description": "where the bounds hold, in words"},
            modes={
                **_list(_object(name=_TEXT, meaning=_TEXT, guaranteed=_BOOL)),
                "minItems": 1,
                "description": "columns; the first is the one the report is about",
            },
            data=_or_null(_data()),
            bounds=_object(
                network=_list(_quantity(_TEXT)),
                loss=_list(_quantity({"enum": list(LOSS_MEANING)})),
            ),
            layers=_list(
                _object(
                    node=_TEXT,
                    layer=_TEXT,
                    where=_TEXT,
                    input=_STRINGS,
                    bounds=_by_name(_by_name(_ref("answer"))),
                )
            ),
            definitions=_by_name(_list(_ref("definition"))),
            recurrences=_by_name(_list(_ref("recurrence"))),
            notation=_STRINGS,
            theorems=_list(_ref("verdict")),
            guarantees=_object(asked=_or_null(_STRINGS), hold=_BOOL, failed=_STRINGS),
            summary=_STRINGS,
            in_short=_STRINGS,
            warnings=_STRINGS,
            broken_plugins=_list(
                _object(plugin=_TEXT, distribution=_TEXT, stage=_TEXT, error=_TEXT)
            ),
        ),
        "$defs": _definitions(),
    }
    schema["properties"]["tightness"] = {
        **_tightness(), "description": "measured; only where searches were asked for"
    }
    schema["properties"]["budget"] = {
        **_budget(), "description": "only where the report was held against a budget"
    }
    schema["properties"] |= optional_parts()
    return schema


def _tightness() -> Schema:
    number: Schema = {"type": "number"}
    row = _object(
        quantity=_TEXT, sense=_SENSE, bound=_DECIMAL, measured=number, ratio=_or_null(number),
        holds=_BOOL, searches=_COUNT,
    )
    return _object(seed=_COUNT, rows=_list(row))


def _budget() -> Schema:
    line = _object(
        key={**_TEXT, "description": "place in the budget, such as bounds.beta"},
        kind={"enum": ["bound", "data", "ratio", "verdict", "conclusion"]},
        where=_TEXT,
        wanted={**_TEXT, "description": "what the line asks for, in words"},
        limit=_or_null(_DECIMAL),
        found={**_or_null(_TEXT), "description": "the number or verdict held against it"},
        reason={**_TEXT, "description": "why the line is not kept; empty if it is"},
        holds=_BOOL,
    )
    return _object(file=_TEXT, holds=_BOOL, lines=_list(line))


def _definitions() -> Schema:
    formula = {"text": _TEXT, "latex": _TEXT}
    return {
        "decimal": {
            **_DECIMAL,
            "description": "rounded up for upper bounds, down for lower bounds",
        },
        "count": _object(**formula, value=_or_null({"type": "string", "pattern": "^-?[0-9]+$"})),
        "range": _object(low=_ref("decimal"), high=_ref("decimal")),
        "symbol": _object(
            name=_TEXT,
            latex=_TEXT,
            meaning=_TEXT,
            origin={"enum": ["declared", "data", "weights", "free"]},
            value=_or_null(_TEXT),
            low=_or_null(_ref("decimal")),
            high=_or_null(_ref("decimal")),
        ),
        "reference": _object(source=_TEXT, place=_TEXT, errata=_STRINGS, text=_TEXT),
        "unknown": _object(
            reason=_TEXT,
            causes=_list(
                _object(
                    node=_TEXT,
                    quantity=_TEXT,
                    reason=_TEXT,
                    kind={"enum": list(get_args(CauseKind))},
                )
            ),
            more=_COUNT,
        ),
        "answer": _object(**_answer()),
        "closed_form": _object(mode=_TEXT, **_answer()),
        "conclusion": _object(name=_TEXT, name_latex=_TEXT, **_answer()),
        "definition": _object(name=_TEXT, name_latex=_TEXT, **formula, uses=_STRINGS),
        "recurrence": _object(
            times=_object(**formula),
            states=_list(
                _object(
                    name=_TEXT, name_latex=_TEXT, initial=_object(**formula),
                    step=_object(**formula),
                )
            ),
        ),
        "block": _block(),
        "verdict": _verdict(),
    }


def _answer() -> Schema:
    return {
        "sense": _SENSE,
        "state": {
            "enum": ["value", "formula", "unknown"],
            "description": "a number; a formula whose symbols lack values; no bound",
        },
        "text": _or_null(_TEXT),
        "latex": _or_null(_TEXT),
        "uses": {**_STRINGS, "description": "names used directly; see definitions"},
        "value": _or_null(_ref("decimal")),
        "missing": {**_STRINGS, "description": "symbols without value"},
        "problem": {**_TEXT, "description": "why there is no value although no symbol is missing"},
        "unknown": _or_null(_ref("unknown")),
        "guaranteed": _BOOL,
        "rule": _TEXT,
        "reference": _ref("reference"),
        "note": _TEXT,
    }


def _quantity(name: Schema) -> Schema:
    return _object(
        quantity=name,
        name_latex=_TEXT,
        meaning=_TEXT,
        sense=_SENSE,
        answers=_by_name(_ref("answer")),
        auxiliary={**_BOOL, "description": "carried along to make other bounds smaller"},
        closed_form={
            **_or_null(_ref("closed_form")),
            "description": "a looser bound without recurrences",
        },
    )


def _architecture() -> Schema:
    return _object(
        name=_TEXT,
        file=_TEXT,
        input=_list(_ref("count")),
        output=_list(_ref("count")),
        layers=_ref("count"),
        distinct_layers=_COUNT,
        parameters=_ref("count"),
        cost=_or_null(_TEXT),
        tree=_list(_ref("block")),
    )


def _block() -> Schema:
    blocks = _list(_ref("block"))
    parameter = _object(name=_TEXT, shape=_STRINGS)
    kinds = [
        _object(
            kind={"const": "layer"}, node=_TEXT, layer=_TEXT, settings=_by_name(_TEXT),
            input=_STRINGS, parameters=_list(parameter),
        ),
        _object(kind={"const": "repeat"}, node=_TEXT, times=_TEXT, body=blocks),
        _object(kind={"const": "residual"}, node=_TEXT, body=blocks),
        _object(
            kind={"const": "parallel"}, node=_TEXT, join={"enum": ["sum", "concat"]},
            branches=_list(blocks),
        ),
        _object(kind={"enum": ["sum", "concat"]}, node=_TEXT),
    ]
    for kind in kinds:
        kind["properties"]["from"] = _STRINGS
    return {"oneOf": kinds}


def _data() -> Schema:
    names = ("frobenius", "spectral", "sigma", "sigma_with_ones", "target_norm")
    return _object(
        source=_TEXT,
        sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
        seed=_or_null({"type": "integer"}),
        samples=_COUNT,
        features=_COUNT,
        norms=_object(**{n: _ref("range") for n in names}),
        rank=_COUNT,
        rank_exact=_BOOL,
        floor=_TEXT,
        independent={"enum": ["proved", "refuted", "unknown"]},
        explanation=_TEXT,
        targets=_TEXT,
    )


def _verdict() -> Schema:
    hypothesis = _object(
        key=_TEXT,
        statement=_TEXT,
        mode={"enum": list(get_args(Mode))},
        status={"enum": list(get_args(Status))},
        holds=_BOOL,
        evidence=_TEXT,
        premises=_STRINGS,
    )
    return _object(
        theorem=_TEXT,
        title=_TEXT,
        reference=_ref("reference"),
        reading={"enum": list(get_args(Reading))},
        status={"enum": ["applies", "fails", "undecided"]},
        summary=_TEXT,
        hypotheses=_list(hypothesis),
        conclusions=_list(_ref("conclusion")),
        errata=_list(_object(id=_TEXT, printed=_TEXT, corrected=_TEXT, evidence=_TEXT)),
        remarks=_STRINGS,
    )


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _by_name(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
