"""The report as JUnit XML: one test case for each hypothesis and each line of a budget."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from xml.etree import ElementTree

from govcheck.errors import Problem
from govcheck.report.budget_check import decided

Json = dict[str, Any]

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class _Case:
    classname: str
    name: str
    outcome: Literal["passed", "failure", "error", "skipped"] = "passed"
    kind: str = ""
    message: str = ""
    out: str = ""


def junit(doc: Json) -> str:
    """The report as an XML document that ``junit-10.xsd`` of Jenkins describes.

    A hypothesis that does not hold is a failure where the file asks for its theorem, by the
    reading that decides the guarantee, and skipped everywhere else. There are no times and
    dates: the same report gives the same bytes.

    Args:
        doc: from `govcheck.report.document`.
    """
    file = doc["architecture"]["file"]
    asked = doc["guarantees"]["asked"] or ()
    suites = [
        (f"{v['theorem']} ({v['reading'].replace('_', ' ')})",
         [_hypothesis(v, h, asked, doc) for h in v["hypotheses"]])
        for v in doc["theorems"]
    ]
    missing = [n for n in asked if decided(doc, n) is None]
    suites += [
        (n, [_Case(n, "decided", "error", "not decided",
                   "the file asks for it, and its plugin did not decide it")])
        for n in missing
    ]
    if "budget" in doc:
        suites.append(("budget", [_budget(line) for line in doc["budget"]["lines"]]))
    if "tightness" in doc:
        suites.append(("searches", [_search(row) for row in doc["tightness"]["rows"]]))
    return _written(file, suites)


def junit_of_problems(file: str, problems: Sequence[Problem]) -> str:
    """An input that could not be read: each problem is an error.

    Args:
        file: the architecture file.
        problems: what is wrong.
    """
    cases = [_Case("input", f"{p.where}: {p.code}" if p.where else p.code, "error", p.code, str(p))
             for p in problems]
    return _written(file, [("input", cases)])


def _hypothesis(v: Json, h: Json, asked: Iterable[str], doc: Json) -> _Case:
    classname = f"{v['theorem']}.{v['reading']}"
    name = f"{h['key']}: {h['statement']}"
    evidence = f"{h['status']} ({h['mode']}): {h['evidence']}"
    if h["holds"]:
        return _Case(classname, name, out=evidence)
    counts = v["theorem"] in asked and decided(doc, v["theorem"]) is v
    return _Case(classname, name, "failure" if counts else "skipped", h["status"],
                 h["evidence"] or h["status"], evidence)


def _budget(line: Json) -> _Case:
    name = f"{line['key']}: {line['wanted']}"
    found = "" if line["found"] is None else f"found {line['found']}"
    if line["holds"]:
        return _Case("budget", name, out=found)
    return _Case("budget", name, "failure", "budget", line["reason"],
                 f"{line['where']}: {line['reason']}")


def _search(row: Json) -> _Case:
    out = f"bound {row['bound']}, measured {row['measured']!r} in {row['searches']} searches"
    if row["holds"]:
        return _Case("searches", row["quantity"], out=out)
    return _Case("searches", row["quantity"], "failure", "violation",
                 f"measured {row['measured']!r}, beyond the bound {row['bound']}", out)


def _written(file: str, suites: Sequence[tuple[str, list[_Case]]]) -> str:
    root = ElementTree.Element("testsuites", {"name": _text(f"govcheck {file}")})
    for name, cases in suites:
        suite = ElementTree.SubElement(root, "testsuite", {
            "name": _text(name), **_counts(cases), "file": _text(file),
        })
        for case in cases:
            at = ElementTree.SubElement(suite, "testcase", {
                "classname": _text(case.classname), "name": _text(case.name),
            })
            if case.outcome != "passed":
                ElementTree.SubElement(at, case.outcome, {
                    "type": _text(case.kind), "message": _text(case.message),
                })
            if case.out:
                ElementTree.SubElement(at, "system-out").text = _text(case.out)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False).join(
        ('<?xml version="1.0" encoding="UTF-8"?>\n', "\n"))


def _counts(cases: Sequence[_Case]) -> dict[str, str]:
    def count(outcome: str) -> str:
        return str(sum(c.outcome == outcome for c in cases))

    return {"tests": str(len(cases)), "failures": count("failure"), "errors": count("error"),
            "skipped": count("skipped")}


def _text(text: str) -> str:
    """Text without characters that XML 1.0 cannot hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
