"""Derivations of the shown bounds as JSON, short enough to be embedded in a report."""

from __future__ import annotations

from typing import Any, Final

from govcheck.analysis import Analysis
from govcheck.bounds.answer import AUXILIARY
from govcheck.report.derivation import Gap, Step, abridged, derivation
from govcheck.report.document import reference
from govcheck.report.numbers import Numbers
from govcheck.report.schema_words import BOOL, SENSE, TEXT, by_name, items, record, ref

Json = dict[str, Any]
STEPS: Final = 16
LONGEST: Final = 1200


def derivations(analysis: Analysis, steps: int = STEPS) -> dict[str, list[Json]]:
    """The first and last steps to each known constant of the network and of the loss.

    A step is ``{number, quantity, node, local, sense, text, latex, value, rule, reference,
    note, premises}`` as in `govcheck.report.derivation.Step`, with ``text`` and ``latex`` null
    where the formula is longer than 1200 characters; steps left out are ``{gap: [first, last]}``.

    Args:
        analysis: what the report is about.
        steps: at most so many for each constant.
    """
    numbers = Numbers(analysis.env)
    return {
        q: [_step(s) for s in abridged(derivation(b, numbers), steps)]
        for q, b in analysis.bounds.items()
        if b.known and q not in AUXILIARY
    }


def derivations_schema() -> Json:
    """JSON Schema of what `derivations` returns, for the schema of the report document."""
    count: Json = {"type": "integer", "minimum": 1}
    maybe: Json = {"type": ["string", "null"]}
    step = record(
        number=count, quantity=TEXT, node=TEXT, local=BOOL, sense=SENSE, text=maybe, latex=maybe,
        value=maybe, rule=TEXT, reference=ref("reference"), note=TEXT, premises=items(count),
    )
    gap = record(gap={**items(count), "minItems": 2, "maxItems": 2})
    return by_name(items({"oneOf": [step, gap]}))


def _step(s: Step | Gap) -> Json:
    if isinstance(s, Gap):
        return {"gap": [s.first, s.last]}
    short = len(s.latex) <= LONGEST
    return {
        "number": s.number,
        "quantity": s.quantity,
        "node": s.node,
        "local": s.local,
        "sense": s.sense,
        "text": s.text if short else None,
        "latex": s.latex if short and s.known else None,
        "value": None if s.value is None else s.value.text,
        "rule": s.rule,
        "reference": reference(s.ref),
        "note": s.note,
        "premises": list(s.premises),
    }
