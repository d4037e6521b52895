import copy
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

import govcheck
from govcheck.errors import Problem
from govcheck.report.document import document
from govcheck.report.junit import junit, junit_of_problems

XSD = Path(__file__).parents[2] / "data/ci/junit-10.xsd"
XS = "{http://www.w3.org/2001/XMLSchema}"
TEXT = """
govcheck: 1
name: relu <&"'>
input: [2]
layers:
  - affine: {out: 3}
  - relu
  - affine: {out: 2}
cost: square
data: {sphere: {n: 2}}
theorems: [macdonald2022.corollary_4_3, macdonald2022.theorem_2_2]
"""
BUDGET = {
    "file": "budget.yaml", "holds": False, "lines": [
        {"key": "bounds.beta", "kind": "bound", "where": "budget.yaml:3:5", "wanted": "beta <= 1",
         "limit": "1", "found": None, "reason": 'no <bound> & "x" \x00\x1b\ud800', "holds": False},
        {"key": "bounds.J", "kind": "bound", "where": "budget.yaml:4:5", "wanted": "J <= 1",
         "limit": "1", "found": "0.5", "reason": "", "holds": True},
    ],
}
SEARCHES = {"seed": 0, "rows": [
    {"quantity": "J", "sense": "upper", "bound": "1", "measured": 2.0, "ratio": 0.5,
     "holds": False, "searches": 3},
]}


@pytest.fixture(scope="module")
def doc(registry):
    return document(govcheck.analyze(govcheck.loads(TEXT, registry=registry), registry=registry))


def check(text, tmp_path):
    """Hold a file against the schema: elements, their order of nesting, their attributes."""
    root = ElementTree.fromstring(text)
    kinds = {e.get("name"): e for e in ElementTree.parse(XSD).getroot().iter(f"{XS}element")
             if e.get("name")}
    for at in root.iter():
        kind = kinds[at.tag]
        attributes = {a.get("name"): a.get("use") for a in kind.iter(f"{XS}attribute")}
        assert set(at.keys()) <= set(attributes), at.tag
        assert {n for n, use in attributes.items() if use == "required"} <= set(at.keys())
        assert {c.tag for c in at} <= {e.get("ref") for e in kind.iter(f"{XS}element")}
    for suite in root.iter("testsuite"):
        cases = suite.findall("testcase")
        assert int(suite.get("tests")) == len(cases)
        for outcome, name in [("failure", "failures"), ("error", "errors"), ("skipped",) * 2]:
            assert int(suite.get(name)) == sum(c.find(outcome) is not None for c in cases)
        names = [(c.get("classname"), c.get("name")) for c in cases]
        assert len(set(names)) == len(names)
    if shutil.which("xmllint"):
        path = tmp_path / "junit.xml"
        path.write_text(text, encoding="utf-8")
        subprocess.run(["xmllint", "--noout", "--nonet", "--schema", XSD, path], check=True,
                       capture_output=True)
    return root


def test_one_case_for_each_hypothesis(doc, tmp_path):
    root = check(junit(doc), tmp_path)
    cases = {}
    for case in root.iter("testcase"):
        outcome = [c.tag for c in case if c.tag != "system-out"] or ["passed"]
        cases[case.get("classname"), case.get("name")] = outcome[0]
    wanted = {}
    for v in doc["theorems"]:
        for h in v["hypotheses"]:
            bad = "failure" if v["reading"] == "as_corrected" else "skipped"
            name = f"{h['key']}: {h['statement']}"
            wanted[f"{v['theorem']}.{v['reading']}", name] = "passed" if h["holds"] else bad
    assert cases == wanted
    assert set(wanted.values()) == {"passed", "failure", "skipped"}


def test_nothing_fails_that_the_file_does_not_ask_for(doc, tmp_path):
    free = {**doc, "guarantees": {"asked": None, "hold": True, "failed": []}}
    root = check(junit(free), tmp_path)
    assert not list(root.iter("failure")) and list(root.iter("skipped"))


def test_failures_agree_with_the_guarantees(doc, tmp_path):
    root = check(junit(doc), tmp_path)
    failing = {s.get("name").split(" ")[0] for s in root.iter("testsuite")
               if s.get("failures") != "0"}
    assert failing == set(doc["guarantees"]["failed"]) != set()


def test_a_theorem_that_was_not_decided_is_an_error(doc, tmp_path):
    lost = copy.deepcopy(doc)
    name = "macdonald2022.theorem_2_2"
    lost["theorems"] = [v for v in lost["theorems"] if v["theorem"] != name]
    root = check(junit(lost), tmp_path)
    (error,) = root.iter("error")
    assert "did not decide it" in error.get("message")


def test_budget_and_searches_with_signs_that_xml_does_not_hold(doc, tmp_path):
    text = junit({**doc, "budget": BUDGET, "tightness": SEARCHES})
    root = check(text, tmp_path)
    bad, good = root.iterfind("testsuite[@name='budget']/testcase")
    assert bad.find("failure").get("message") == 'no <bound> & "x" \ufffd\ufffd\ufffd'
    assert good.find("failure") is None and good.find("system-out").text == "found 0.5"
    (search,) = root.iterfind("testsuite[@name='searches']/testcase")
    assert search.find("failure").get("type") == "violation"
    assert text == junit({**doc, "budget": BUDGET, "tightness": SEARCHES})
    assert "time" not in {a for at in root.iter() for a in at.attrib}


def test_an_input_with_problems(tmp_path):
    problems = [Problem("unknown-layer", "no <layer>", "a.yaml:3:5", "x"), Problem("bad", "y")]
    root = check(junit_of_problems("a.yaml", problems), tmp_path)
    assert [e.get("message") for e in root.iter("error")] == list(map(str, problems))
