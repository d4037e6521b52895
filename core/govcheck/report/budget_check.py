"""Whether a report keeps within a budget, decided from the document alone."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from govcheck.report.budget import Budget, Limit, Line
from govcheck.report.page import Page

Json = dict[str, Any]

_NORMS: Final = {
    "X_F": ("frobenius", "high"), "X_2": ("spectral", "high"), "Y_F": ("target_norm", "high"),
    "sigma_X": ("sigma", "low"), "sigma_X1": ("sigma_with_ones", "low"),
}
SOUND: Final = ("tight", "coarse")
"""Modes in which every constant is guaranteed, those that a theorem derives included."""

_RESTS: Final = ("assumed", "measured")


def check(budget: Budget, doc: Json) -> Json:
    """The part ``budget`` of a report.

    A line about a bound holds only if the number that the report prints, which is rounded to
    the safe side, is within the limit; a bound that is unknown or has no number does not.

    Args:
        budget: what is asked for.
        doc: from `govcheck.report.document`, with its part ``tightness`` for ratios.
    """
    lines = [_line(line, doc) for line in budget.lines]
    return {"file": budget.file, "holds": all(line["holds"] for line in lines), "lines": lines}


def _line(line: Line, doc: Json) -> Json:
    found: Json = {
        "key": line.key, "kind": line.kind, "where": str(line.mark), "wanted": _wanted(line),
        "limit": None if line.limit is None else line.limit.shown, "found": None, "reason": "",
    }
    match line.kind:
        case "bound":
            value, reason = _bound(line.subject, doc)
        case "data":
            value, reason = _data(line.subject, doc)
        case "ratio":
            value, reason = _ratio(line.subject, doc)
        case "conclusion":
            value, reason = _conclusion(line, doc)
        case "verdict":
            value, reason = _verdict(line, doc)
    found["found"] = value
    if not reason and line.limit is not None:
        reason = _beyond(line, line.limit, value)
    return found | {"reason": reason, "holds": not reason}


def _wanted(line: Line) -> str:
    if line.limit is None:
        wish = "applies" if line.verdict == "applies" else "does not fail"
        return f"{line.subject} {wish}" + ("" if line.assumptions else " without assumptions")
    sign = "<=" if line.limit.sense == "upper" else ">="
    what = {"ratio": f"bound/measured of {line.subject}",
            "conclusion": f"{line.conclusion} of {line.subject}"}.get(line.kind, line.subject)
    value = "" if line.limit.shown == line.limit.text.strip() else f" = {line.limit.shown}"
    return f"{what} {sign} {line.limit.text.strip()}{value}"


def _beyond(line: Line, limit: Limit, value: str | None) -> str:
    """Why a number is not within its limit; empty if it is."""
    assert value is not None
    if "Infinity" not in value and limit.keeps(Fraction(value)):
        return ""
    if line.kind == "ratio":
        return f"bound/measured is {value}"
    side = "at most" if limit.sense == "upper" else "at least"
    return f"it is only proved to be {side} {value}"


def _answer(answer: Json) -> tuple[str | None, str]:
    """The number of an answer, and why it cannot be used."""
    if answer["unknown"] is not None:
        return None, f"there is no bound: {answer['unknown']['reason']}"
    if answer["value"] is None:
        if answer["missing"]:
            return None, f"there is no number: no value for {', '.join(answer['missing'])}"
        return None, f"there is no number: {answer['problem']}"
    if not answer["guaranteed"]:
        return answer["value"], "constants of this mode are not guaranteed"
    return answer["value"], ""


def _bound(name: str, doc: Json) -> tuple[str | None, str]:
    mode = doc["modes"][0]["name"]
    quantity, on_layer, node = name.partition("@")
    if on_layer:
        layer = next(layer for layer in doc["layers"] if layer["node"] == node)
        return _answer(layer["bounds"][mode][quantity])
    for row in (*doc["bounds"]["network"], *doc["bounds"]["loss"]):
        if row["quantity"] == quantity:
            return _answer(row["answers"][mode])
    return None, "the file names no cost" if doc["architecture"]["cost"] is None else (
        "the report has no such constant")


def _data(name: str, doc: Json) -> tuple[str | None, str]:
    data = doc["data"]
    if data is None:
        return None, "no data is loaded"
    if name == "rank":
        return str(data["rank"]), ""
    norm, end = _NORMS[name]
    return data["norms"][norm][end], ""


def _ratio(name: str, doc: Json) -> tuple[str | None, str]:
    row = next((r for r in doc["tightness"]["rows"] if r["quantity"] == name), None)
    if row is None:
        return None, "it was not searched: there is no bound with a number, or no search for it"
    if not row["holds"]:
        return None, f"measured {row['measured']!r}, beyond the bound {row['bound']}"
    if row["ratio"] is None:
        return None, f"there is no ratio: bound {row['bound']}, measured {row['measured']!r}"
    return repr(row["ratio"]), ""


def decided(doc: Json, theorem: str) -> Json | None:
    """The verdict by the corrected reading, or by the only one there is."""
    verdicts: list[Json] = [v for v in doc["theorems"] if v["theorem"] == theorem]
    corrected = [v for v in verdicts if v["reading"] == "as_corrected"]
    return next(iter(corrected or verdicts), None)


def _verdict(line: Line, doc: Json) -> tuple[str | None, str]:
    v = decided(doc, line.subject)
    if v is None:
        return None, _not_decided(line.subject, doc)
    status: str = v["status"]
    if status == "fails" or (status != "applies" and line.verdict == "applies"):
        worst = sorted((h for h in v["hypotheses"] if not h["holds"]),
                       key=lambda h: h["status"] != "refuted")
        return status, f"{worst[0]['status']}: {worst[0]['statement']} ({worst[0]['evidence']})"
    if not line.assumptions:
        rests = [h["statement"] for h in v["hypotheses"] if h["status"] in _RESTS]
        if rests:
            return status, f"it rests on what is not proved: {'; '.join(rests)}"
    return status, ""


def _not_decided(theorem: str, doc: Json) -> str:
    asked = doc["guarantees"]["asked"]
    if asked is not None and theorem in asked:
        return "it was not decided: its plugin failed"
    return "it was not decided: the architecture file's list of theorems does not name it"


def _conclusion(line: Line, doc: Json) -> tuple[str | None, str]:
    v = decided(doc, line.subject)
    if v is None:
        return None, _not_decided(line.subject, doc)
    if v["status"] != "applies":
        return None, f"the theorem's verdict is {v['status']}, so that nothing follows from it"
    stated = {c["name"]: c for c in v["conclusions"]}
    if line.conclusion not in stated:
        return None, f"it is not among the conclusions: {', '.join(stated) or 'there are none'}"
    answer = stated[line.conclusion]
    if doc["modes"][0]["name"] not in SOUND:
        return answer["value"], f"conclusions count in the modes {' and '.join(SOUND)} only"
    if line.limit is not None and answer["sense"] != line.limit.sense:
        side = "above" if answer["sense"] == "upper" else "below"
        return answer["value"], f"it is bounded from {side}, the limit is for the other side"
    return _answer(answer)


def render(part: Json, *, width: int = 80, color: bool = False, unicode: bool = True) -> str:
    """The part of a report as text with lines of at most `width` characters."""
    page = Page(width, color, unicode)
    page.title(f"Budget {part['file']}")
    for line in part["lines"]:
        style = "green" if line["holds"] else "red"
        text = line["wanted"]
        if line["reason"]:
            text += f": {line['reason']}"
        elif line["found"] is not None and line["limit"] is not None:
            text += f" (found {line['found']})"
        page.hypothesis(page.mark(line["holds"], "refuted"),
                        "kept" if line["holds"] else "not kept", style, text)
    broken = sum(not line["holds"] for line in part["lines"])
    total = len(part["lines"])
    page.line(f"  all {total} lines are kept" if not broken
              else f"  {broken} of {total} lines are not kept", "bold")
    return page.text()
