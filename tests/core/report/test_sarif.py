import json
from pathlib import Path
from urllib.parse import unquote

import jsonschema
import pytest

import govcheck
from govcheck.errors import Problem
from govcheck.graph.blocks import Mark
from govcheck.report.document import document
from govcheck.report.places import Places, places
from govcheck.report.sarif import Root, sarif, sarif_of_problems

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "data/ci/sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
TEXT = """\
govcheck: 1
name: nothing holds
input: [2]
layers:
  - affine: {out: 3}
  - residual:
      - relu
      - affine: {out: 3, id: inner}
  - affine: {out: 2}
cost: square
data: {sphere: {n: 2}}
theorems:
  - macdonald2022.corollary_4_3
  - macdonald2022.theorem_2_1
  - govcheck.theorem_a
"""


def validate(log):
    jsonschema.Draft4Validator(SCHEMA).validate(json.loads(json.dumps(log)))
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({r["id"] for r in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    return run


@pytest.fixture
def repository(tmp_path):
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "nets #1"
    folder.mkdir()
    file = folder / "a net ü%.yaml"
    file.write_text(TEXT, encoding="utf-8")
    return tmp_path, file


@pytest.fixture
def logged(repository, registry):
    _, file = repository
    arch = govcheck.load(file, registry=registry)
    doc = document(govcheck.analyze(arch, registry=registry))
    return doc, places(arch), Root.of(str(file)), validate(sarif(doc, places(arch),
                                                                 Root.of(str(file))))


def at(result, root):
    """File, line and column of a result's places."""
    for where in (*result["locations"], *result.get("relatedLocations", ())):
        place = where["physicalLocation"]
        assert place["artifactLocation"]["uriBaseId"] == "SRCROOT"
        file = root / unquote(place["artifactLocation"]["uri"])
        yield file, place["region"]["startLine"], place["region"]["startColumn"]


def test_results_are_the_hypotheses_that_fail_what_is_asked(logged):
    doc, _, _, run = logged
    wanted = {f"{v['theorem']}/{h['key']}" for v in doc["theorems"] for h in v["hypotheses"]
              if v["reading"] == "as_corrected" and not h["holds"]}
    errors = [r for r in run["results"] if r["level"] == "error"]
    assert {r["ruleId"] for r in errors} == wanted and len(wanted) >= 4
    notes = {r["ruleId"] for r in run["results"] if r["level"] == "note"}
    errata = {f"erratum/{e['id']}" for v in doc["theorems"] for e in v["errata"]}
    assert notes == errata != set()


def test_places_are_where_the_words_are(logged, repository):
    root, file = repository
    _, _, _, run = logged
    lines = TEXT.splitlines()
    seen = {}
    for result in run["results"]:
        for found, line, column in at(result, root):
            assert found == file
            seen.setdefault(result["ruleId"], []).append(lines[line - 1][column - 1 :])
    assert seen["macdonald2022.corollary_4_3/f_bounded"][0].startswith("affine: {out: 3}")
    assert any(w.startswith("affine: {out: 3, id: inner}") for ws in seen.values() for w in ws)
    assert seen["macdonald2022.corollary_4_3/Jf_lipschitz"] == ["relu"]
    assert seen["govcheck.theorem_a/region"] == ["govcheck.theorem_a"]


def test_places_follow_causes_of_unknown_bounds():
    marks = Places("a.yaml", {"relu": Mark("a.yaml", 7, 3), "b": Mark("a.yaml", 9, 3)},
                   {"t": Mark("a.yaml", 20, 5)})
    unknown = {"causes": [{"node": "relu"}, {"node": "cost"}]}
    doc = {"modes": [{"name": "tight"}],
           "bounds": {"loss": [{"quantity": "beta", "answers": {"tight": {"unknown": unknown}}}],
                      "network": []}}
    hypothesis = {"evidence": "no bound of beta: 1", "premises": ["beta@loss"]}
    assert marks.failing(doc, "t", hypothesis) == [Mark("a.yaml", 7, 3)]
    assert marks.failing(doc, "t", hypothesis | {"premises": []}) == [Mark("a.yaml", 20, 5)]
    named = hypothesis | {"evidence": "b, relu: kink; b is odd; c is even"}
    assert [m.line for m in marks.failing(doc, "t", named)] == [7, 9]


def test_not_asked_is_no_result(logged):
    doc, marks, root, _ = logged
    free = {**doc, "guarantees": {"asked": None, "hold": True, "failed": []}}
    run = validate(sarif(free, marks, root))
    assert run["results"] == [] and run["tool"]["driver"]["rules"]


def test_budget_lines_and_searches(logged):
    doc, marks, root, before = logged
    line = {"key": "bounds.beta", "where": "b:x.yaml:3:5", "wanted": "beta <= 1",
            "reason": "see {0} and [M](1)", "holds": False}
    row = {"quantity": "J", "bound": "1", "measured": 2.0, "holds": False}
    whole = {**doc, "budget": {"lines": [line, line | {"key": "bounds.J", "holds": True}]},
             "tightness": {"rows": [row, row | {"quantity": "D", "holds": True}]}}
    run = validate(sarif(whole, marks, root))
    budget, search = run["results"][len(before["results"]) :]
    assert budget["message"]["text"] == "beta <= 1: see {{0}} and [M] (1)"
    place = budget["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 3, "startColumn": 5}
    assert place["artifactLocation"]["uri"].startswith("file://")
    assert search["ruleId"] == "search/J"
    assert {r["id"] for r in run["tool"]["driver"]["rules"]} >= {"budget/bounds.J"}
    assert "search/D" not in {r["id"] for r in run["tool"]["driver"]["rules"]}


def test_problems_of_the_input(repository):
    root, file = repository
    problems = [
        Problem("unknown-layer", "there is no layer {x}", f"{file}:5:7", "hint"),
        Problem("bad-set", "it takes NAME=VALUE", "--set"),
        Problem("unreadable", "cannot be read", str(file)),
    ]
    log = sarif_of_problems(str(file), problems, Root.of(str(file)))
    run = validate(log)
    assert run["invocations"] == [{"executionSuccessful": False}]
    found = [next(at(r, root)) for r in run["results"]]
    assert found == [(file, 5, 7), (file, 1, 1), (file, 1, 1)]
    texts = [r["message"]["text"] for r in run["results"]]
    assert texts[0] == "there is no layer {{x}} (hint)" and texts[1].startswith("--set: ")


def test_the_root_is_the_work_tree_or_the_current_folder(tmp_path, monkeypatch):
    file = tmp_path / "a" / "b" / "c.yaml"
    monkeypatch.chdir(tmp_path)
    assert Root.of(str(file)).folder == tmp_path
    (tmp_path / "a" / ".git").mkdir(parents=True)
    assert Root.of(str(file)).uri(str(file)) == {"uri": "b/c.yaml", "uriBaseId": "SRCROOT"}
    assert Root.of("a/b/c.yaml").uri("a/b/../b/c.yaml")["uri"] == "b/c.yaml"


def test_the_same_report_gives_the_same_log(logged):
    doc, marks, root, run = logged
    assert sarif(doc, marks, root)["runs"] == [run]
    assert str(root.folder) not in json.dumps(run)
