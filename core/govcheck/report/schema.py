"""JSON Schema (draft 2020-12) of the report document."""

from __future__ import annotations

from typing import Final, get_args

from govcheck.bounds.answer import CauseKind
from govcheck.bounds.loss import LOSS_MEANING
from govcheck.report.document import FORMAT
from govcheck.report.schema_more import optional_parts
from govcheck.report.schema_words import (
    BOOL,
    COUNT,
    NUMBER,
    SENSE,
    STRINGS,
    TEXT,
    Schema,
    by_name,
    items,
    or_null,
    record,
    ref,
)
from govcheck.theorems.protocol import Mode, Reading, Status

_DECIMAL: Final[Schema] = {
    "type": "string",
    "pattern": r"^-?([0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|Infinity)$",
}


def report_schema() -> Schema:
    """The schema that every document of `govcheck.report.document` satisfies."""
    schema: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "govcheck report",
        **record(
            govcheck_report={"const": FORMAT},
            govcheck={**TEXT, "description": "version of the program"},
            architecture=_architecture(),
            symbols=items(ref("symbol")),
            parameter_set={**TEXT, "description": "where the bounds hold, in words"},
            modes={
                **items(record(name=TEXT, meaning=TEXT, guaranteed=BOOL)),
                "minItems": 1,
                "description": "columns; the first is the one the report is about",
            },
            data=or_null(_data()),
            bounds=record(
                network=items(_quantity(TEXT)),
                loss=items(_quantity({"enum": list(LOSS_MEANING)})),
            ),
            layers=items(
                record(
                    node=TEXT,
                    layer=TEXT,
                    where=TEXT,
                    input=STRINGS,
                    bounds=by_name(by_name(ref("answer"))),
                )
            ),
            definitions=by_name(items(ref("definition"))),
            recurrences=by_name(items(ref("recurrence"))),
            notation=STRINGS,
            theorems=items(ref("verdict")),
            guarantees=record(asked=or_null(STRINGS), hold=BOOL, failed=STRINGS),
            summary=STRINGS,
            in_short=STRINGS,
            warnings=STRINGS,
            broken_plugins=items(
                record(plugin=TEXT, distribution=TEXT, stage=TEXT, error=TEXT)
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
    row = record(
        quantity=TEXT, sense=SENSE, bound=_DECIMAL, measured=NUMBER, ratio=or_null(NUMBER),
        holds=BOOL, searches=COUNT,
    )
    return record(seed=COUNT, rows=items(row))


def _budget() -> Schema:
    line = record(
        key={**TEXT, "description": "place in the budget, such as bounds.beta"},
        kind={"enum": ["bound", "data", "ratio", "verdict", "conclusion"]},
        where=TEXT,
        wanted={**TEXT, "description": "what the line asks for, in words"},
        limit=or_null(_DECIMAL),
        found={**or_null(TEXT), "description": "the number or verdict held against it"},
        reason={**TEXT, "description": "why the line is not kept; empty if it is"},
        holds=BOOL,
    )
    return record(file=TEXT, holds=BOOL, lines=items(line))


def _definitions() -> Schema:
    formula = {"text": TEXT, "latex": TEXT}
    return {
        "decimal": {
            **_DECIMAL,
            "description": "rounded up for upper bounds, down for lower bounds",
        },
        "count": record(**formula, value=or_null({"type": "string", "pattern": "^-?[0-9]+$"})),
        "range": record(low=ref("decimal"), high=ref("decimal")),
        "symbol": record(
            name=TEXT,
            latex=TEXT,
            meaning=TEXT,
            origin={"enum": ["declared", "data", "weights", "free"]},
            value=or_null(TEXT),
            low=or_null(ref("decimal")),
            high=or_null(ref("decimal")),
        ),
        "reference": record(source=TEXT, place=TEXT, errata=STRINGS, text=TEXT),
        "unknown": record(
            reason=TEXT,
            causes=items(
                record(
                    node=TEXT,
                    quantity=TEXT,
                    reason=TEXT,
                    kind={"enum": list(get_args(CauseKind))},
                )
            ),
            more=COUNT,
        ),
        "answer": record(**_answer()),
        "closed_form": record(mode=TEXT, **_answer()),
        "conclusion": record(name=TEXT, name_latex=TEXT, **_answer()),
        "definition": record(name=TEXT, name_latex=TEXT, **formula, uses=STRINGS),
        "recurrence": record(
            times=record(**formula),
            states=items(
                record(
                    name=TEXT, name_latex=TEXT, initial=record(**formula),
                    step=record(**formula),
                )
            ),
        ),
        "block": _block(),
        "verdict": _verdict(),
    }


def _answer() -> Schema:
    return {
        "sense": SENSE,
        "state": {
            "enum": ["value", "formula", "unknown"],
            "description": "a number; a formula whose symbols lack values; no bound",
        },
        "text": or_null(TEXT),
        "latex": or_null(TEXT),
        "uses": {**STRINGS, "description": "names used directly; see definitions"},
        "value": or_null(ref("decimal")),
        "missing": {**STRINGS, "description": "symbols without value"},
        "problem": {**TEXT, "description": "why there is no value although no symbol is missing"},
        "unknown": or_null(ref("unknown")),
        "guaranteed": BOOL,
        "rule": TEXT,
        "reference": ref("reference"),
        "note": TEXT,
    }


def _quantity(name: Schema) -> Schema:
    return record(
        quantity=name,
        name_latex=TEXT,
        meaning=TEXT,
        sense=SENSE,
        answers=by_name(ref("answer")),
        auxiliary={**BOOL, "description": "carried along to make other bounds smaller"},
        closed_form={
            **or_null(ref("closed_form")),
            "description": "a looser bound without recurrences",
        },
    )


def _architecture() -> Schema:
    return record(
        name=TEXT,
        file=TEXT,
        input=items(ref("count")),
        output=items(ref("count")),
        layers=ref("count"),
        distinct_layers=COUNT,
        parameters=ref("count"),
        cost=or_null(TEXT),
        tree=items(ref("block")),
    )


def _block() -> Schema:
    blocks = items(ref("block"))
    parameter = record(name=TEXT, shape=STRINGS)
    kinds = [
        record(
            kind={"const": "layer"}, node=TEXT, layer=TEXT, settings=by_name(TEXT),
            input=STRINGS, parameters=items(parameter),
        ),
        record(kind={"const": "repeat"}, node=TEXT, times=TEXT, body=blocks),
        record(kind={"const": "residual"}, node=TEXT, body=blocks),
        record(
            kind={"const": "parallel"}, node=TEXT, join={"enum": ["sum", "concat"]},
            branches=items(blocks),
        ),
        record(kind={"enum": ["sum", "concat"]}, node=TEXT),
    ]
    for kind in kinds:
        kind["properties"]["from"] = STRINGS
    return {"oneOf": kinds}


def _data() -> Schema:
    names = ("frobenius", "spectral", "sigma", "sigma_with_ones", "target_norm")
    return record(
        source=TEXT,
        sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
        seed=or_null({"type": "integer"}),
        samples=COUNT,
        features=COUNT,
        norms=record(**{n: ref("range") for n in names}),
        rank=COUNT,
        rank_exact=BOOL,
        floor=TEXT,
        independent={"enum": ["proved", "refuted", "unknown"]},
        explanation=TEXT,
        targets=TEXT,
    )


def _verdict() -> Schema:
    hypothesis = record(
        key=TEXT,
        statement=TEXT,
        mode={"enum": list(get_args(Mode))},
        status={"enum": list(get_args(Status))},
        holds=BOOL,
        evidence=TEXT,
        premises=STRINGS,
    )
    return record(
        theorem=TEXT,
        title=TEXT,
        reference=ref("reference"),
        reading={"enum": list(get_args(Reading))},
        status={"enum": ["applies", "fails", "undecided"]},
        summary=TEXT,
        hypotheses=items(hypothesis),
        conclusions=items(ref("conclusion")),
        errata=items(record(id=TEXT, printed=TEXT, corrected=TEXT, evidence=TEXT)),
        remarks=STRINGS,
    )
