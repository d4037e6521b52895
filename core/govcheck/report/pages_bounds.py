"""Constants, formulas and layers of a report as blocks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from govcheck.bounds.letters import quantity_latex
from govcheck.report.blocks import Blocks, Code, Formula, Inlines, Math, Number, Table, Text
from govcheck.report.blocks import inlines as line
from govcheck.report.breaking import tex_width
from govcheck.report.formulas import reachable

Json = dict[str, Any]

SIGN: Final = {"upper": r"\le", "lower": r"\ge"}
CELL: Final = 16.0
"""Width up to which a formula stands in a table."""
COLUMNS: Final = 5
PLAIN: Final = (None, "0", "1")


def named(q: Json) -> Inlines:
    """The letter of a constant."""
    return (Math(q["name_latex"]),)


def shown(answer: Json | None, *, sign: bool = True) -> Inlines:
    """A cell with a bound: its number, or its formula if that is short, or why neither."""
    if answer is None:
        return (Text("–"),)
    if answer["value"] is not None:
        number = Number(answer["value"])
        found: Inlines = (Math(SIGN[answer["sense"]]), Text(" "), number) if sign else (number,)
    elif answer["state"] == "unknown":
        return (Text("unknown"),)
    elif not answer["uses"] and tex_width(answer["latex"]) <= CELL:
        head = f"{SIGN[answer['sense']]} " if sign else ""
        found = (Math(head + answer["latex"]),)
    else:
        return (Text("formula"),)
    return found


def constants(out: Blocks, doc: Json) -> None:
    """One table for the network, one for the loss, and what is unknown and why."""
    modes = doc["modes"]
    for title, key in (("Constants of the network", "network"), ("Constants of the loss", "loss")):
        rows = []
        for q in doc["bounds"][key]:
            cells = [_with_claim(q["answers"].get(m["name"]), m) for m in modes]
            rows.append((named(q), (Code(q["quantity"]),), *cells, line(q["meaning"])))
        if not rows:
            continue
        out.heading(2, title)
        room = 0.36 if len(modes) == 1 else 0.24
        out.table(("", "", *(m["name"] for m in modes), "meaning"), rows,
                  (0, 0, *(0 for _ in modes), room))
        first = modes[0]["name"]
        out.items(reasons((q["quantity"], q["answers"][first]) for q in doc["bounds"][key]))


def _with_claim(answer: Json | None, mode: Json) -> Inlines:
    cell = shown(answer)
    if answer is not None and mode["guaranteed"] and not answer["guaranteed"]:
        return (*cell, Text(" (not guaranteed)"))
    return cell


def reasons(answers: Iterable[tuple[str, Json]]) -> list[Inlines]:
    """Why bounds are unknown, each reason once with all it concerns."""
    found: dict[str, list[str]] = {}
    for name, answer in answers:
        if answer["unknown"] is not None:
            found.setdefault(why(answer), []).append(name)
        elif answer["value"] is None and answer["problem"]:
            found.setdefault(answer["problem"], []).append(name)
    return [line(f"{', '.join(names)}: {text}") for text, names in found.items()]


def why(answer: Json) -> str:
    """Why there is no bound, with the layers where it is lost."""
    unknown = answer["unknown"]
    causes = [f"{c['node']}: {c['reason']}" for c in unknown["causes"] if c["node"]]
    more = f"; and {unknown['more']} more" if unknown["more"] else ""
    return "; ".join(causes) + more if causes else str(unknown["reason"])


def formulas(out: Blocks, doc: Json, mode: str, *, main: bool) -> None:
    """The formulas of one mode with everything they need."""
    rows = [q for table in doc["bounds"].values() for q in table]
    known = [
        (q, q["answers"][mode]) for q in rows
        if mode in q["answers"] and q["answers"][mode]["text"] not in PLAIN
    ]
    conclusions = [c for v in doc["theorems"] for c in v["conclusions"]] if main else []
    if not known:
        return
    inside = out if main else Blocks()
    if main:
        out.heading(2, "Formulas")
    inside.formulas([
        Formula(q["name_latex"], SIGN[a["sense"]], a["latex"]) for q, a in known
    ])
    used = [n for _, a in known for n in a["uses"]]
    used += [n for c in conclusions for n in c["uses"]]
    _where(inside, reachable(used, doc["definitions"][mode]))
    _recurrences(inside, doc["recurrences"][mode])
    if not main:
        out.fold(line(f"Formulas of mode {mode}"), inside)


def _where(out: Blocks, definitions: list[Json]) -> None:
    if definitions:
        out.paragraph("where")
        out.formulas([Formula(d["name_latex"], "=", d["latex"]) for d in definitions])


def _recurrences(out: Blocks, recurrences: list[Json]) -> None:
    for r in recurrences:
        out.paragraph("Recurrence over ", Math(r["times"]["latex"]), " copies:")
        steps = []
        for s in r["states"]:
            name = s["name_latex"]
            steps.append(Formula(f"{name}^{{(0)}}", "=", s["initial"]["latex"]))
            steps.append(Formula(f"{name}^{{(k+1)}}", "=", s["step"]["latex"]))
        out.formulas(steps)


def closed_forms(out: Blocks, doc: Json) -> None:
    """Looser bounds without recurrences."""
    rows = [
        (q, q["closed_form"]) for table in doc["bounds"].values() for q in table
        if q["closed_form"] is not None
    ]
    if not rows:
        return
    inside = Blocks()
    inside.paragraph("Here a constant with the name of a block stands for its closed form.")
    inside.formulas([
        Formula(q["name_latex"], SIGN[c["sense"]], c["latex"]) for q, c in rows
    ])
    mode = rows[0][1]["mode"]
    _where(inside, reachable([n for _, c in rows for n in c["uses"]], doc["definitions"][mode]))
    values = [(named(q), shown(c)) for q, c in rows if c["value"] is not None]
    inside.table(("", "closed form"), values, (0, 0))
    out.fold(line("Closed forms without recurrences, looser"), inside)


def layers(out: Blocks, doc: Json) -> None:
    """Constants of each layer by itself, a few columns at a time."""
    if not doc["layers"]:
        return
    out.heading(2, "Layers by themselves")
    for mode in doc["modes"]:
        tables = [row["bounds"][mode["name"]] for row in doc["layers"]]
        names = list(dict.fromkeys(q for t in tables for q in t))
        names = [q for q in names if any(_telling(t.get(q)) for t in tables)]
        if len(doc["modes"]) > 1:
            out.paragraph(f"Mode {mode['name']}:")
        for i in range(0, len(names), COLUMNS):
            part = names[i : i + COLUMNS]
            rows = [
                ((Code(row["node"]),), *(shown(t.get(q), sign=False) for q in part))
                for row, t in zip(doc["layers"], tables, strict=True)
            ]
            head = [line("layer"), *((Math(_sign(q, tables) + quantity_latex(q)),) for q in part)]
            out.found.append(Table(head, rows, (0.26, *(-1 for _ in part))))


def _telling(answer: Json | None) -> bool:
    return answer is not None and answer["text"] != "0"


def _sign(q: str, tables: list[Json]) -> str:
    sense = next(t[q]["sense"] for t in tables if q in t)
    return SIGN[sense] + " "
