"""The report on a terminal, from the document only."""

from __future__ import annotations

import re
from typing import Any, Final

from govcheck.bounds.answer import UPPER
from govcheck.report.layers_table import layers_table
from govcheck.report.layout import ascii_only
from govcheck.report.page import Page
from govcheck.report.tree import tree

Json = dict[str, Any]

FORMULA_LINES: Final = 4
DEFINITION_LINES: Final = 3
MAX_DEFINITIONS: Final = 8
MAX_TREE: Final = 30
PART: Final = re.compile(r"[a-z][0-9]+")
"""Names that the document gives to parts of long formulas."""
HOLDS: Final = {
    "proved": "green", "verified on data": "green", "measured": "green", "assumed": "yellow",
    "refuted": "red", "unknown": "yellow",
}
STATUS: Final = {"applies": "green", "fails": "red", "undecided": "yellow"}


def render(doc: Json, *, width: int = 80, color: bool = False, unicode: bool = True) -> str:
    """The report as text with lines of at most `width` characters.

    Args:
        doc: from `govcheck.report.document`.
        width: of the terminal, at least 40.
        color: whether to use escape sequences.
        unicode: whether signs outside ASCII can be shown.
    """
    page = Page(width, color, unicode)
    shown = doc if unicode else ascii_only(doc)
    _heading(page, shown)
    _data(page, shown)
    _constants(page, shown)
    _formulas(page, shown)
    layers_table(page, shown)
    _theorems(page, shown)
    _warnings(page, shown)
    page.title("What this means")
    for sentence in shown["summary"]:
        page.item(sentence)
    page.title("In short")
    for sentence in shown["in_short"]:
        page.item(sentence)
    return page.text()


def _shape(dimensions: list[Json]) -> str:
    return "[" + ", ".join(_count(d) for d in dimensions) + "]"


def _count(c: Json) -> str:
    if c["value"] is None or c["value"] == c["text"]:
        return str(c["text"])
    return f"{c['text']} = {c['value']}"


def _heading(page: Page, doc: Json) -> None:
    arch = doc["architecture"]
    page.line(arch["name"], "bold")
    page.line(arch["file"], "dim")
    page.field("network", f"{_shape(arch['input'])} -> {_shape(arch['output'])}, "
               f"{_count(arch['layers'])} layers, {_count(arch['parameters'])} parameters")
    page.field("cost", arch["cost"] or "none")
    page.field("parameter set", doc["parameter_set"])
    declared = [s for s in doc["symbols"] if s["origin"] == "declared"]
    if declared:
        page.field("symbols", ", ".join(
            s["name"] + (f" = {s['value']}" if s["value"] is not None else " free")
            for s in declared))
    for mode in doc["modes"]:
        page.field(f"mode {mode['name']}", mode["meaning"])
    page.title("Structure")
    lines = ["  " * depth + label for depth, label in tree(arch["tree"], 1)]
    for line in lines[:MAX_TREE]:
        page.line(line, overflow="ellipsis")
    if len(lines) > MAX_TREE:
        page.line(f"  ... and {len(lines) - MAX_TREE} more lines", "dim")


def _data(page: Page, doc: Json) -> None:
    data = doc["data"]
    if data is None:
        return
    page.title("Data")
    page.field("source", data["source"])
    seed = "" if data["seed"] is None else f", seed {data['seed']}"
    page.field("sha256", data["sha256"][:16] + page.dots + seed)
    rank = f"{'' if data['rank_exact'] else 'at least '}{data['rank']}"
    page.field("samples", f"{data['samples']} of {data['features']} features; rank {rank}")
    n = data["norms"]
    up, down = page.sign("upper"), page.sign("lower")
    page.field("norms", f"|X|_F {up} {n['frobenius']['high']}, |X|_2 {up} "
               f"{n['spectral']['high']}, |Y|_F {up} {n['target_norm']['high']}")
    page.field("sigma(X)", f"{down} {n['sigma']['low']}; with a row of ones {down} "
               f"{n['sigma_with_ones']['low']}; floor of float64 {data['floor']}")
    page.field("independent", f"{data['independent']}: {data['explanation']}")
    page.field("targets", data["targets"])


def _constants(page: Page, doc: Json) -> None:
    modes = [m["name"] for m in doc["modes"]]
    for title, key in (("Constants of the network", "network"), ("Constants of the loss", "loss")):
        rows = [q for q in doc["bounds"][key] if not q["auxiliary"]]
        if not rows:
            continue
        page.title(title)
        table = page.table()
        table.add_column("", no_wrap=True)
        table.add_column("", no_wrap=True)
        for mode in modes:
            table.add_column(mode, no_wrap=True, justify="right")
        table.add_column("", style="dim", overflow="fold")
        for q in rows:
            cells = [page.cell(q["answers"].get(mode), 14) for mode in modes]
            table.add_row(q["quantity"], page.sign(q["sense"]), *cells, q["meaning"])
        page.console.print(table)
        page.reasons([(q["quantity"], q["answers"][modes[0]]) for q in rows])


def _formulas(page: Page, doc: Json) -> None:
    mode = doc["modes"][0]["name"]
    file = doc["architecture"]["file"]
    rows = [q for table in doc["bounds"].values() for q in table if not q["auxiliary"]]
    known = [q for q in rows if q["answers"][mode]["text"] not in (None, "0", "1")]
    if not known:
        return
    page.title(f"Formulas (mode {mode})")
    cut = any_closed = False
    names: list[str] = []
    parts: dict[str, list[str]] = {}
    for q in known:
        answer = q["answers"][mode]
        cut |= _formula(page, f"{q['quantity']} {page.sign(q['sense'])} ", answer, FORMULA_LINES)
        names += answer["uses"]
        closed = q["closed_form"]
        if closed is not None and answer["value"] is None:
            any_closed = True
            head = f"  closed form, looser: {page.sign(q['sense'])} "
            cut |= _formula(page, head, closed, FORMULA_LINES)
            parts.setdefault(closed["mode"], []).extend(closed["uses"])
    for closed_mode, used in parts.items():
        unnamed = [d for d in doc["definitions"][closed_mode] if PART.fullmatch(d["name"])]
        cut |= _definitions(page, unnamed, set(), used)
    cut |= _definitions(page, doc["definitions"][mode], {q["quantity"] for q in rows}, names)
    cut |= _recurrences(page, doc["recurrences"][mode])
    if any_closed:
        page.item("in a closed form, q@b stands for the closed form of q", "dim")
    for meaning in doc["notation"]:
        page.item(meaning, "dim")
    if cut:
        page.item(f"in full: govcheck explain {file} QUANTITY, or --json", "dim")


def _formula(page: Page, head: str, answer: Json, limit: int) -> bool:
    return page.formula("  " + head, answer["text"], limit)


def _definitions(
    page: Page, definitions: list[Json], shown: set[str], names: list[str]
) -> bool:
    """Names used in the formulas above; those of the network's constants are above already."""
    by_name = {d["name"]: d for d in definitions}
    queue = [n for n in dict.fromkeys(names) if n in by_name and n not in shown]
    seen: set[str] = set()
    cut = False
    count = 0
    while queue:
        name = queue.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if count == MAX_DEFINITIONS:
            page.line("    ... and further names", "dim")
            return True
        cut |= _formula(page, f"  where {name} = ", by_name[name], DEFINITION_LINES)
        count += 1
        queue += [n for n in by_name[name]["uses"] if n in by_name]
    return cut


def _recurrences(page: Page, recurrences: list[Json]) -> bool:
    cut = False
    for r in recurrences[:2]:
        page.line(f"  recurrence over {r['times']['text']} copies:")
        for s in r["states"]:
            cut |= _formula(page, f"  {s['name']}[0] = ", s["initial"], DEFINITION_LINES)
            cut |= _formula(page, f"  {s['name']}[k+1] = ", s["step"], DEFINITION_LINES)
    if len(recurrences) > 2:
        page.line(f"    ... and {len(recurrences) - 2} more recurrences", "dim")
    return cut or len(recurrences) > 2


def _theorems(page: Page, doc: Json) -> None:
    """Corrected readings in full, printed ones with what is wrong, each erratum once."""
    verdicts = sorted(doc["theorems"], key=lambda v: v["reading"] != "as_corrected")
    names = list(dict.fromkeys(v["theorem"] for v in doc["theorems"]))
    verdicts.sort(key=lambda v: names.index(v["theorem"]))
    mode = doc["modes"][0]["name"]
    known = {d["name"]: d for d in doc["definitions"][mode]}
    shown = {
        q["quantity"]: q["answers"][mode]["text"] for rows in doc["bounds"].values() for q in rows
    }
    said: set[str] = set()
    for v in verdicts:
        _verdict(page, v, shown, known)
        for remark in v["remarks"]:
            if remark not in said and remark != v["summary"]:
                page.item(remark)
            said.add(remark)
    errata = {e["id"]: e for v in verdicts for e in v["errata"]}
    if errata:
        page.title("Errata of the cited statements")
    for e in errata.values():
        page.field(e["id"], f"printed: {e['printed']}")
        page.field("", f"correct: {e['corrected']}")


def _verdict(page: Page, v: Json, shown: Json, known: Json) -> None:
    corrected = v["reading"] == "as_corrected"
    page.title(v["title"])
    page.parts((f"  {v['reference']['text']}, {v['reading'].replace('_', ' ')}: ", ""),
               (v["status"], f"bold {STATUS[v['status']]}"))
    for h in v["hypotheses"]:
        if corrected or not h["holds"]:
            evidence = f" ({h['evidence']})" if h["evidence"] else ""
            page.hypothesis(page.mark(h["holds"], h["status"]), h["status"], HOLDS[h["status"]],
                            h["statement"] + evidence)
    listed = v["conclusions"] if corrected else []
    _conclusions(page, listed, shown, known)


def _conclusions(page: Page, conclusions: list[Json], shown: Json, known: Json) -> None:
    """Numbers on one line where their formulas are above already, the others one by one."""
    plain: list[str] = []
    names: list[str] = []
    for c in conclusions:
        if c["unknown"] is not None:
            page.item(f"{c['name']} is unknown: {c['unknown']['reason']}")
            continue
        number = "" if c["value"] is None else f" {page.sign(c['sense'])} {c['value']}"
        if c["text"] in (shown.get(c["name"]), c["value"]):
            plain.append(c["name"] + (number or " as above"))
            continue
        page.item(c["name"] + number)
        _formula(page, f"    {page.sign(c['sense'])} ", c, DEFINITION_LINES)
        names += c["uses"]
    if plain:
        page.item(", ".join(plain))
    for name in dict.fromkeys(names):
        if name in known and name.partition("@")[0] not in UPPER and name not in shown:
            _formula(page, f"    where {name} = ", known[name], DEFINITION_LINES)


def _warnings(page: Page, doc: Json) -> None:
    broken = [
        f"plugin {b['plugin']}" + (f" of {b['distribution']}" if b["distribution"] else "")
        + f" set aside at stage {b['stage']}: {b['error']}"
        for b in doc["broken_plugins"]
    ]
    if broken or doc["warnings"]:
        page.title("Warnings")
        for line in [*broken, *doc["warnings"]]:
            page.item(line, "yellow")
