"""Derivations as part of a document."""

import jsonschema
import pytest

from govcheck.report.derivation import derivation
from govcheck.report.derivations import LONGEST, derivations, derivations_schema
from govcheck.report.schema import report_schema


@pytest.fixture(scope="module")
def found(analysis):
    return derivations(analysis, 8)


def test_each_known_constant_ends_with_itself(analysis, both, found):
    rows = {q["quantity"]: q for part in both["bounds"].values() for q in part
            if not q["auxiliary"] and q["answers"]["tight"]["unknown"] is None}
    assert set(found) == set(rows)
    for q, steps in found.items():
        last = steps[-1]
        assert last["quantity"] == q and last["value"] == rows[q]["answers"]["tight"]["value"]
        assert len(steps) <= 9
        numbers = [n for s in steps for n in (s["gap"] if "gap" in s else [s["number"]])]
        assert numbers == sorted(numbers) and numbers[0] == 1
        assert numbers[-1] == len(derivation(analysis.bounds[q]))


def test_long_formulas_are_left_out(found):
    steps = [s for part in found.values() for s in part if "gap" not in s]
    assert all(s["latex"] is None or len(s["latex"]) <= LONGEST for s in steps)
    assert any(s["latex"] for s in steps)


def test_schema(found):
    schema = {**derivations_schema(), "$defs": report_schema()["$defs"]}
    jsonschema.Draft202012Validator(schema).validate(found)
    broken = {"J": [{"gap": [1]}]}
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(broken))
