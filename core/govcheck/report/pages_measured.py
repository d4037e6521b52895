"""What was measured, searched, limited and derived, as blocks."""

from __future__ import annotations

import re
from typing import Any, Final

from govcheck.bounds.letters import quantity_latex
from govcheck.report.blocks import Blocks, Cite, Code, Figure, Inlines, Math, Number, Text
from govcheck.report.blocks import inlines as line
from govcheck.report.breaking import tex_width
from govcheck.report.pages_bounds import SIGN

Json = dict[str, Any]

ROOM: Final = 45.0
DIGITS: Final = 6
RATIO_DIGITS: Final = 4
EXPONENT: Final = re.compile(r"e([+-])0+")


def rounded(value: float | str | None, digits: int = DIGITS) -> Inlines:
    """A measured number with sensible digits."""
    if value is None:
        return (Text("–"),)
    return (Number(EXPONENT.sub(r"e\1", f"{float(value):.{digits}g}")),)


def figures(out: Blocks, doc: Json, *sources: str) -> None:
    """The drawings of these parts of the document."""
    for p in doc.get("plots") or ():
        if p["source"].partition(".")[0] in sources:
            out.found.append(Figure(p["key"], p["title"], p["alt"]))


def measurement(out: Blocks, doc: Json) -> None:
    """Proven and measured values side by side."""
    m = doc.get("measurement")
    if not m:
        return
    out.heading(2, "Proven and measured")
    out.paragraph(
        f"Measured at {m['point']}; bounds hold for {m['set']}; {m['arithmetic']}, seed "
        f"{m['seed']}. The ratio says how many times the bound is away from the measured value."
    )
    _compared(out, m["rows"])
    figures(out, doc, "measurement")
    if m.get("layers"):
        inside = Blocks()
        _compared(inside, m["layers"], where=True)
        out.fold(line("Layer by layer, at the inputs that reach it"), inside)
    others = [
        ((Code(o["quantity"]),), line(o["where"]), rounded(o["value"]), line(o["method"]))
        for o in m["other"]
    ]
    inside = Blocks()
    inside.table(("quantity", "where", "measured", "method"), others, (0.2, 0.24, -1, 0.24))
    out.fold(line("Further measurements"), inside)
    out.items([line(n) for n in m["notes"]])


def _compared(out: Blocks, rows: list[Json], *, where: bool = False) -> None:
    found: list[tuple[Inlines, ...]] = []
    for r in rows:
        bound: Inlines = (Text(r["why_no_bound"] or "–"),) if r["bound"] is None else (
            Math(SIGN[r["sense"]]), Text(" "), Number(r["bound"]))
        name = f"{r['quantity']}@{r['measured']['where']}" if where else r["quantity"]
        found.append(((Math(quantity_latex(r["quantity"])),), (Code(name),), bound,
                      rounded(r["measured"]["value"]), rounded(r["ratio"], RATIO_DIGITS),
                      line(r["status"])))
    widths = (0, 0.26 if where else 0, 0.2, -1, -1, 0.13)
    out.table(("", "", "bound", "measured", "ratio", ""), found, widths)


def tightness(out: Blocks, doc: Json) -> None:
    """How close searches come to the bounds."""
    part = doc.get("tightness")
    if not part:
        return
    out.heading(2, "Bounds and the most extreme values found")
    out.paragraph(
        f"A search over the parameter set, at the data, with seed {part['seed']}: measured, "
        "no proof that nothing more extreme exists."
    )
    rows = [
        ((Math(quantity_latex(r["quantity"])),), (Code(r["quantity"]),),
         (Math(SIGN[r["sense"]]), Text(" "), Number(r["bound"])), rounded(r["measured"]),
         rounded(r["ratio"], RATIO_DIGITS),
         line("" if r["holds"] else "beyond the bound"))
        for r in part["rows"]
    ]
    out.table(("", "", "bound", "found", "ratio", ""), rows, (0, 0, 0, -1, -1, 0.12))
    figures(out, doc, "tightness")


def budget(out: Blocks, doc: Json) -> None:
    """What a budget asks for, and whether it is kept."""
    part = doc.get("budget")
    if not part:
        return
    out.heading(2, "Budget")
    out.paragraph(Code(part["file"]), ": kept" if part["holds"] else ": not kept")
    rows = [
        (line("kept" if r["holds"] else "not kept"), line(r["wanted"]), line(r["found"] or "–"),
         line(r["reason"]))
        for r in part["lines"]
    ]
    out.table(("", "wanted", "found", ""), rows, (0.1, 0.32, 0.18, 0.3))


def derivations(out: Blocks, doc: Json) -> None:
    """Numbered steps to each constant."""
    found = doc.get("derivations")
    if not found:
        return
    out.heading(2, "Derivations")
    for quantity, steps in found.items():
        inside = Blocks()
        inside.items([_step(s) for s in steps])
        out.fold((Text("Steps to "), Code(quantity)), inside)


def _step(s: Json) -> Inlines:
    if "gap" in s:
        return line(f"({s['gap'][0]} to {s['gap'][1]} left out)")
    head: Inlines = (Text(f"({s['number']}) "), Code(f"{s['quantity']}@{s['node']}"), Text(" "))
    body: list[Any] = []
    if s["latex"] is not None and tex_width(s["latex"]) <= ROOM:
        body += [Math(f"{SIGN[s['sense']]} {s['latex']}"), Text(" ")]
    if s["value"] is not None and s["value"] != s["text"]:
        body += [Math(SIGN[s["sense"]]), Text(" "), Number(s["value"]), Text(" ")]
    premises = f", from {', '.join(f'({p})' for p in s['premises'])}" if s["premises"] else ""
    local = ", this layer alone" if s["local"] else ""
    return (*head, *body, Text(f"— {s['rule']}{local}{premises}; "), Cite(s["reference"]))
