"""The report as SARIF 2.1.0: what does not hold, at its place in the YAML file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import govcheck
from govcheck.errors import Problem
from govcheck.graph.blocks import Mark
from govcheck.report.budget_check import decided
from govcheck.report.places import Places

Json = dict[str, Any]
Level = Literal["error", "warning", "note"]

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
BASE: Final = "SRCROOT"
_PLACE: Final = re.compile(r"(.*):([0-9]+):([0-9]+)", re.DOTALL)


@dataclass(frozen=True)
class Root:
    """The folder that places are relative to.

    Args:
        folder: absolute; that of the repository, for code hosts to find the files.
    """

    folder: Path

    @classmethod
    def of(cls, file: str) -> Root:
        """The nearest folder above the file that is a git work tree, else the current one."""
        here = Path(file).absolute().parent
        found = next((d for d in (here, *here.parents) if (d / ".git").exists()), None)
        return cls(found or Path.cwd())

    def uri(self, file: str) -> Json:
        """A file's place: relative where it lies in the folder."""
        path = Path(file).absolute()
        try:
            inside = path.resolve().relative_to(self.folder.resolve())
        except ValueError:
            return {"uri": path.as_uri()}
        return {"uri": quote(inside.as_posix()), "uriBaseId": BASE}


@dataclass
class _Log:
    root: Root
    rules: dict[str, Json] = field(default_factory=dict)
    results: list[Json] = field(default_factory=list)

    def rule(self, name: str, level: Level, short: str, full: str = "") -> None:
        """Describe a rule, once."""
        text = {"text": full or short}
        self.rules.setdefault(name, {
            "id": name, "shortDescription": {"text": short}, "fullDescription": text,
            "help": text, "defaultConfiguration": {"level": level},
        })

    def result(
        self, rule: str, level: Level, text: str, marks: Sequence[Mark], subject: str = ""
    ) -> None:
        """Something at one place or at several."""
        self.results.append({
            "ruleId": rule,
            "ruleIndex": list(self.rules).index(rule),
            "level": level,
            "message": {"text": _message(text)},
            "locations": [self._location(m) for m in marks[:1]],
            **({"relatedLocations": [
                {"id": i, **self._location(m)} for i, m in enumerate(marks[1:], 1)
            ]} if marks[1:] else {}),
            "partialFingerprints": {"govcheck/v1": f"{rule}@{subject}"},
        })

    def _location(self, mark: Mark) -> Json:
        where: Json = {"artifactLocation": self.root.uri(mark.file)}
        if mark.line >= 1:
            where["region"] = {"startLine": mark.line, "startColumn": max(1, mark.column)}
        return {"physicalLocation": where}

    def written(self, *, successful: bool) -> Json:
        """The whole log."""
        return {
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "govcheck",
                    "version": govcheck.__version__,
                    "rules": list(self.rules.values()),
                }},
                "invocations": [{"executionSuccessful": successful}],
                "originalUriBaseIds": {
                    BASE: {"description": {"text": "the folder of the repository"}},
                },
                "columnKind": "unicodeCodePoints",
                "results": self.results,
            }],
        }


def sarif(doc: Json, at: Places, root: Root) -> Json:
    """The report as a SARIF log.

    Every hypothesis that was decided is a rule, and every line of a budget. Results are those
    hypotheses, by the reading that decides the guarantee, that do not hold of theorems the
    file asks for; lines of a budget that are not kept; measurements beyond a bound; and, as
    notes, the errata of the theorems asked for. The same report gives the same log.

    Args:
        doc: from `govcheck.report.document`.
        at: marks of its architecture.
        root: what places are relative to.
    """
    log = _Log(root)
    asked = doc["guarantees"]["asked"] or ()
    names = dict.fromkeys(v["theorem"] for v in doc["theorems"])
    for v in filter(None, (decided(doc, n) for n in names)):
        _theorem(log, doc, v, at, v["theorem"] in asked)
    for name in asked:
        if name not in names:
            log.rule(f"{name}/decided", "error", "A theorem that is asked for is decided")
            log.result(f"{name}/decided", "error", f"{name} was not decided: its plugin failed",
                       [at.theorem(name)])
    _errata(log, (v for v in doc["theorems"] if v["theorem"] in asked), at)
    _budget(log, doc.get("budget"))
    _searches(log, doc.get("tightness"), at)
    return log.written(successful=True)


def sarif_of_problems(file: str, problems: Sequence[Problem], root: Root) -> Json:
    """An input that could not be read: each problem is a result at its place.

    Args:
        file: the architecture file, for problems of options.
        problems: what is wrong.
        root: what places are relative to.
    """
    log = _Log(root)
    for p in problems:
        rule = f"input/{p.code}"
        log.rule(rule, "error", f"Input: {p.code.replace('-', ' ')}")
        place = _PLACE.fullmatch(p.where)
        if place:
            mark = Mark(place[1], int(place[2]), int(place[3]))
        else:
            mark = Mark(p.where if p.where and Path(p.where).is_file() else file, 1, 1)
        text = p.message + (f" ({p.hint})" if p.hint else "")
        if not place and p.where and p.where != file:
            text = f"{p.where}: {text}"
        log.result(rule, "error", text, [mark], f"{p.where}")
    return log.written(successful=False)


def _theorem(log: _Log, doc: Json, v: Json, at: Places, asked: bool) -> None:
    for h in v["hypotheses"]:
        rule = f"{v['theorem']}/{h['key']}"
        log.rule(rule, "error" if asked else "note", _sentence(h["statement"]),
                 f"{v['title']}, {v['reference']['text']}: {h['statement']}. "
                 f"Decided by: {h['mode']}.")
        if asked and not h["holds"]:
            marks = at.failing(doc, v["theorem"], h)
            log.result(rule, "error", f"{v['title']}: {h['status']}: {h['statement']}. "
                       f"{h['evidence']}", marks, v["theorem"])


def _errata(log: _Log, verdicts: Iterable[Json], at: Places) -> None:
    said = set()
    for v in verdicts:
        for e in v["errata"]:
            if e["id"] in said:
                continue
            said.add(e["id"])
            rule = f"erratum/{e['id']}"
            log.rule(rule, "note", f"Erratum {e['id']} of a cited statement",
                     f"Printed: {e['printed']}. Correct: {e['corrected']}.")
            log.result(rule, "note", f"Erratum {e['id']} concerns {v['title']}. Printed: "
                       f"{e['printed']}. Correct: {e['corrected']}.",
                       [at.theorem(v["theorem"])], v["theorem"])


def _budget(log: _Log, part: Mapping[str, Any] | None) -> None:
    for line in part["lines"] if part else ():
        rule = f"budget/{line['key']}"
        log.rule(rule, "error", _sentence(line["wanted"]))
        if not line["holds"]:
            place = _PLACE.fullmatch(line["where"])
            assert place is not None
            log.result(rule, "error", f"{line['wanted']}: {line['reason']}",
                       [Mark(place[1], int(place[2]), int(place[3]))], line["key"])


def _searches(log: _Log, part: Mapping[str, Any] | None, at: Places) -> None:
    for row in part["rows"] if part else ():
        if row["holds"]:
            continue
        rule = f"search/{row['quantity']}"
        log.rule(rule, "error", f"No value beyond the bound of {row['quantity']} is found")
        log.result(rule, "error", f"{row['quantity']} was measured as {row['measured']!r}, beyond "
                   f"its bound {row['bound']}: the bound or the program is wrong", [at.start],
                   row["quantity"])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _message(text: str) -> str:
    """Plain text in which braces and brackets are no placeholders and no links."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "] (")
