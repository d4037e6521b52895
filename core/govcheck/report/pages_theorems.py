"""Verdicts of a report as blocks."""

from __future__ import annotations

from typing import Any

from govcheck.report.blocks import Blocks, Cite, Code, Formula, Inlines, Text
from govcheck.report.blocks import inlines as line
from govcheck.report.pages_bounds import PLAIN, SIGN, named, shown, why

Json = dict[str, Any]


def theorems(out: Blocks, doc: Json) -> None:
    """Each verdict with its hypotheses and conclusions, then the errata, each once."""
    verdicts = doc["theorems"]
    if not verdicts:
        return
    out.heading(2, "Theorems")
    order = list(dict.fromkeys(v["theorem"] for v in verdicts))
    known = {
        q["quantity"]: a["text"] for table in doc["bounds"].values() for q in table
        if (a := q["answers"].get(doc["modes"][0]["name"])) is not None
    }
    said: set[str] = set()
    for v in sorted(verdicts, key=lambda v: (order.index(v["theorem"]),
                                             v["reading"] != "as_corrected")):
        if v["reading"] == "as_corrected":
            _verdict(out, v, known)
        else:
            inside = Blocks()
            _verdict(inside, v, known, heading=False)
            out.fold(line(f"{v['title']}, as printed: {v['status']}"), inside)
        remarks = [r for r in v["remarks"] if r not in said and r != v["summary"]]
        out.items([line(r) for r in remarks])
        said |= set(remarks)
    errata = {e["id"]: e for v in verdicts for e in v["errata"]}
    if errata:
        out.heading(3, "Errata of the cited statements")
        out.table(("", "printed", "correct"), [
            (line(e["id"]), line(e["printed"]), line(e["corrected"])) for e in errata.values()
        ], (0, 0.42, 0.42))


def _verdict(out: Blocks, v: Json, known: Json, *, heading: bool = True) -> None:
    if heading:
        out.heading(3, v["title"])
    reading = v["reading"].replace("_", " ")
    out.paragraph(Cite(v["reference"]), f", {reading}: ", Text(v["status"], strong=True), ". ",
                  v["summary"])
    rows: list[tuple[Inlines, ...]] = [
        ((Text(h["status"], strong=not h["holds"]),), line(h["statement"]), line(h["evidence"]))
        for h in v["hypotheses"]
    ]
    out.table(("status", "hypothesis", "evidence"), rows, (0.14, 0.4, 0.36))
    _conclusions(out, v["conclusions"], known)


def _conclusions(out: Blocks, conclusions: list[Json], known: Json) -> None:
    rows: list[tuple[Inlines, ...]] = []
    fresh: list[Formula] = []
    for c in conclusions:
        unknown = line(why(c)) if c["unknown"] is not None else line(c["note"])
        rows.append((named(c), (Code(c["name"]),), shown(c), unknown))
        if c["text"] not in (*PLAIN, c["value"], known.get(c["name"])):
            fresh.append(Formula(c["name_latex"], SIGN[c["sense"]], c["latex"]))
    out.table(("conclusion", "", "", ""), rows, (0, 0.2, 0, 0.32))
    out.formulas(fresh)


