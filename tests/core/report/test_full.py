import json

import jsonschema
import pytest

from govcheck.errors import InputError
from govcheck.report.full import read
from govcheck.report.schema import report_schema


def errors(doc):
    plain = json.loads(json.dumps(doc))
    validator = jsonschema.Draft202012Validator(report_schema())
    return [e.json_path for e in validator.iter_errors(plain)]


def test_the_schema_itself_is_valid():
    jsonschema.Draft202012Validator.check_schema(report_schema())


def test_whole_documents_follow_the_schema(small_full, both_full):
    assert errors(small_full) == [] and errors(both_full) == []
    assert small_full["measurement"] is None and small_full["derivations"]
    assert {p["key"] for p in both_full["plots"]} >= {"measured", "tightness", "modes"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d["measurement"]["rows"][0].update(bound=1.0),
        lambda d: d["measurement"]["rows"][0].update(status="fine"),
        lambda d: d["measurement"].update(extra=1),
        lambda d: d["plots"][0].pop("alt"),
        lambda d: d["plots"][0]["x"].update(scale="cubic"),
        lambda d: d["derivations"]["beta"][0].update(number="1"),
    ],
)
def test_the_schema_refuses_other_parts(both_full, spoil):
    doc = json.loads(json.dumps(both_full))
    spoil(doc)
    assert errors(doc)


def test_a_document_is_read_again(both_full, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(both_full), encoding="utf-8")
    assert read(path) == json.loads(json.dumps(both_full))


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "no JSON"), ("[]", "no report"), ('{"govcheck_report": 99}', "no report")],
)
def test_other_files_are_refused_with_the_place(tmp_path, text, said):
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "nothing.json")
