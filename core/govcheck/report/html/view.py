"""A report's document as the values that its page shows."""

from __future__ import annotations

from typing import Any, Final

from markupsafe import Markup, escape

from govcheck.report.graph_svg import graph_svg
from govcheck.report.html.cells import NORMS, SIGN, cell, number, shown
from govcheck.report.html.formulas import PREFIX, Reading, formulas, quantity_name, recurrences
from govcheck.report.html.mathml import mathml
from govcheck.report.layers_table import COLUMNS
from govcheck.report.pointers import pointer

Json = dict[str, Any]

MARK: Final = {"applies": "\u2713", "fails": "\u2717", "undecided": "?"}
LOOK: Final = {"applies": "good", "fails": "bad", "undecided": "open"}
STATUS_LOOK: Final = {
    "proved": "good", "verified on data": "good", "measured": "good", "assumed": "open",
    "refuted": "bad", "unknown": "open",
}
WORDS: Final = {"applies": "applies", "fails": "does not apply", "undecided": "undecided"}
SIGNS: Final = {
    "q@b": "q_{b}",
    "x[k]": r"\widehat{x}^{(k)}",
    "h[n](r1, ..., rk)": r"h_{n}\left(r_{1}, \dots, r_{k}\right)",
}
"""What formulas show for what the document's notation explains in plain text."""

NORM_NAMES: Final = (
    ("frobenius", r"\|X\|_{F}", "Frobenius norm of the data"),
    ("spectral", r"\|X\|_{2}", "operator norm of the data, features \u00d7 samples"),
    ("sigma", r"\sigma(X)", "smallest |X v| over unit v"),
    ("sigma_with_ones", r"\sigma([X; 1])", "the same with a row of ones below X"),
    ("target_norm", r"\|Y\|_{F}", "Frobenius norm of the targets"),
)


def page(doc: Json) -> Json:
    """Everything the template needs, formulas as MathML and drawings as SVG."""
    mode = doc["modes"][0]["name"]
    reading = Reading(doc, mode, "name")
    listed = formulas(doc, mode, reading)
    theorems = _theorems(doc, reading)
    said, unsaid = _sentences(doc, theorems)
    return {
        "doc": doc,
        "sentences": said,
        "aside": unsaid,
        "mode": mode,
        "facts": _facts(doc),
        "graph": Markup(graph_svg(doc)) if doc["architecture"]["tree"] else None,
        "tables": [
            t for t in (_constants(doc, "network", "Constants of the network"),
                        _constants(doc, "loss", "Constants of the loss")) if t["rows"]
        ],
        "formulas": listed,
        "recurrences": recurrences(doc, mode),
        "others": [
            {"mode": m, "recurrences": recurrences(doc, m["name"]),
             "formulas": formulas(doc, m["name"], Reading(doc, m["name"], f"name-{i}"), f"m{i}")}
            for i, m in enumerate(doc["modes"][1:], 1)
        ],
        "layers": _layers(doc, mode),
        "theorems": [t for t in theorems if t["major"]],
        "minor": [t for t in theorems if not t["major"]],
        "data": _data(doc),
        "measured": _measured(doc),
        "plots": _plots(doc),
        "notation": [_notation(n) for n in doc["notation"]],
        "symbols": [_symbol(s, i) for i, s in enumerate(doc["symbols"])],
    }


def _facts(doc: Json) -> list[tuple[str, Any]]:
    arch = doc["architecture"]
    shapes = [
        Markup(" \u00d7 ").join(_count(d, pointer("architecture", key, i))
                                for i, d in enumerate(arch[key]))
        for key in ("input", "output")
    ]
    found: list[tuple[str, Any]] = [
        ("network", Markup("{} \u2192 {}").format(*shapes)),
        ("layers", _count(arch["layers"], "/architecture/layers")),
        ("parameters", _count(arch["parameters"], "/architecture/parameters")),
        ("cost", arch["cost"] or "none"),
        ("bounds hold for", doc["parameter_set"]),
    ]
    declared = [(i, s) for i, s in enumerate(doc["symbols"]) if s["origin"] == "declared"]
    if declared:
        found.append(("symbols", Markup(", ").join(
            _equal(mathml(s["latex"]), s["value"], pointer("symbols", i, "value"))
            for i, s in declared)))
    return found


def _count(c: Json, at: str) -> Markup:
    if c["value"] is None:
        return mathml(c["latex"])
    data = Markup('<data value="{0}" data-at="{1}/value">{0}</data>').format(c["value"], at)
    if c["value"] == c["text"]:
        return data
    return Markup("{} = {}").format(mathml(c["latex"]), data)


def _equal(name: Markup, value: str | None, at: str) -> Markup:
    if value is None:
        return Markup("{} free").format(name)
    data = Markup('<data value="{0}" data-at="{1}">{0}</data>').format(value, at)
    return Markup("{} = {}").format(name, data)


def _constants(doc: Json, part: str, title: str) -> Json:
    rows: list[Json] = []
    said: dict[str, Markup] = {}
    for i, q in enumerate(doc["bounds"][part]):
        if q["auxiliary"]:
            continue
        cells = [
            (cell(q["answers"].get(m["name"]),
                  pointer("bounds", part, i, "answers", m["name"]),
                  anchor=f"{PREFIX if k == 0 else f'm{k}'}-{q['quantity']}"),
             bool((q["answers"].get(m["name"]) or {}).get("guaranteed")))
            for k, m in enumerate(doc["modes"])
        ]
        norm = NORMS.get(q["quantity"])
        reason = _reason(q["answers"], doc)
        same = said.get(reason) if reason else None
        said.setdefault(reason, quantity_name(q))
        rows.append({
            "key": q["quantity"], "name": quantity_name(q), "sign": SIGN[q["sense"]],
            "cells": cells, "meaning": q["meaning"],
            "norm": mathml(norm) if norm else None, "reason": reason, "same": same,
        })
    return {"title": title, "id": f"constants-{part}", "rows": rows}


def _reason(answers: Json, doc: Json) -> str:
    first = answers.get(doc["modes"][0]["name"])
    return first["unknown"]["reason"] if first and first["unknown"] else ""


def _layers(doc: Json, mode: str) -> Json:
    rows = doc["layers"]
    kept = [
        q for q in COLUMNS
        if any(not _trivial(r["bounds"][mode].get(q)) for r in rows)
    ]
    lost: dict[str, list[str]] = {}
    table = []
    for i, r in enumerate(rows):
        answers = r["bounds"][mode]
        for q in kept:
            a = answers.get(q)
            if a is not None and a["unknown"] is not None:
                lost.setdefault(a["unknown"]["reason"], []).append(f"{q} of {r['node']}")
        table.append({
            "node": r["node"], "layer": r["layer"],
            "where": ":".join(r["where"].rsplit(":", 2)[-2:]),
            "input": " \u00d7 ".join(r["input"]),
            "cells": [cell(answers.get(q), pointer("layers", i, "bounds", mode, q)) for q in kept],
        })
    signs = {q: SIGN[rows[0]["bounds"][mode][q]["sense"]] for q in kept} if rows else {}
    names = {q: quantity_name({"quantity": q, "name_latex": _name(doc, q)}) for q in kept}
    wordy = any(c.kind == "formula" and c.math is None for r in table for c in r["cells"])
    return {"columns": [(q, names[q], signs[q]) for q in kept], "rows": table, "lost": lost,
            "wordy": wordy}


def _name(doc: Json, quantity: str) -> str:
    return next((str(q.get("name_latex", "")) for q in doc["bounds"]["network"]
                 if q["quantity"] == quantity), "")


def _trivial(answer: Json | None) -> bool:
    return answer is None or bool(answer["sense"] == "lower" and answer["text"] == "0")


def _theorems(doc: Json, reading: Reading) -> list[Json]:
    """Theorems in the document's order, the corrected reading first.

    Those that apply, and those that the file asks for, are ``major``.
    """
    asked = doc["guarantees"]["asked"] is not None
    groups: dict[str, list[Json]] = {}
    for i, v in enumerate(doc["theorems"]):
        groups.setdefault(v["theorem"], []).append(_verdict(doc, v, i, reading))
    found = []
    for k, readings in enumerate(groups.values()):
        readings.sort(key=lambda v: v["reading"] != "as_corrected")
        first, rest = readings[0], readings[1:]
        errata = {e["id"]: e for v in readings for e in v["errata"]}
        remarks = [r for v in readings for r in v["remarks"]]
        found.append({
            **first, "major": first["status"] == "applies" or asked,
            "id": f"theorem-{k + 1}", "others": rest, "errata": list(errata.values()),
            "remarks": [r for r in dict.fromkeys(remarks) if r != first["summary"]],
        })
    return found


def _verdict(doc: Json, v: Json, i: int, reading: Reading) -> Json:
    known = {
        q["quantity"]: q["answers"][doc["modes"][0]["name"]]["text"]
        for rows in doc["bounds"].values() for q in rows
    }
    conclusions = []
    for j, c in enumerate(v["conclusions"]):
        at = pointer("theorems", i, "conclusions", j)
        above = c["text"] is not None and c["text"] == known.get(c["name"])
        math = None if above or c["text"] == c["value"] else shown(c["latex"])
        fresh, before = reading.introduce(c["uses"]) if math else ([], [])
        conclusions.append({
            "name": quantity_name(c), "key": c["name"], "sign": SIGN[c["sense"]],
            "cell": cell(c, at, room=0), "above": above,
            "math": math, "note": c["note"], "where": fresh, "before": before,
        })
    hypotheses = [
        {**h, "look": STATUS_LOOK[h["status"]], "mark": "\u2713" if h["holds"] else (
            "\u2717" if h["status"] == "refuted" else "?")}
        for h in v["hypotheses"]
    ]
    return {
        **v, "look": LOOK[v["status"]], "mark": MARK[v["status"]], "words": WORDS[v["status"]],
        "said": v["reading"].replace("_", " "), "hypotheses": hypotheses,
        "conclusions": conclusions,
    }


def _sentences(doc: Json, theorems: list[Json]) -> tuple[list[str], list[str]]:
    """The summary without, and with only, what it says of theorems that nobody asked for."""
    heads = tuple(
        f"{t['title']} ([{t['reference']['source']}] {t['reference']['place']}):"
        for t in theorems if not t["major"]
    )
    aside = [s for s in doc["summary"] if heads and s.startswith(heads)]
    return [s for s in doc["summary"] if s not in aside], aside


def _data(doc: Json) -> Json | None:
    if doc["data"] is None:
        return None
    norms = [
        {"name": mathml(tex), "meaning": meaning,
         "low": number(doc["data"]["norms"][key]["low"], pointer("data", "norms", key, "low")),
         "high": number(doc["data"]["norms"][key]["high"], pointer("data", "norms", key, "high"))}
        for key, tex, meaning in NORM_NAMES if key in doc["data"]["norms"]
    ]
    return {**doc["data"], "norms": norms}


def _measured(doc: Json) -> list[Json]:
    """Tables of what was searched and measured, each with what it is about."""
    found = []
    tight = doc.get("tightness")
    if tight:
        at = pointer("tightness", "rows")
        found.append({
            "title": "Tightness: the most extreme values a search found",
            "about": f"Searches over the parameter set at the data, seed {tight['seed']}. "
            "The bounds are proven, the found values are measured: how close a bound is, "
            "not that it holds.",
            "rows": [_row(r, r["bound"], r["measured"], f"{at}/{i}", f"{at}/{i}/measured",
                          "" if r["holds"] else "beyond the bound",
                          f"{r['searches']} searches") for i, r in enumerate(tight["rows"])],
        })
    given = doc.get("measurement")
    several = [] if not given else given if isinstance(given, list) else [given]
    for k, m in enumerate(several):
        if not m.get("rows"):
            continue
        at = pointer("measurement", "rows") if not isinstance(given, list) else pointer(
            "measurement", k, "rows")
        found.append({
            "title": f"Measured at {m['point']}",
            "about": f"{m['arithmetic']}, seed {m['seed']}; data: {m['data']}.",
            "rows": [_row(r, r["bound"], r["measured"]["value"], f"{at}/{i}",
                          f"{at}/{i}/measured/value",
                          "beyond the bound" if r["status"] == "alarm" else "", _how(r))
                     for i, r in enumerate(m["rows"])],
            "alarms": m.get("alarms", []), "notes": m.get("notes", []),
        })
    return found


def _row(r: Json, bound: Any, value: Any, at: str, at_value: str, trouble: str, how: str) -> Json:
    return {
        "quantity": r["quantity"], "name": quantity_name(r), "sign": SIGN[r["sense"]],
        "bound": number(bound, f"{at}/bound"), "measured": number(value, at_value),
        "ratio": number(r["ratio"], f"{at}/ratio"), "trouble": trouble, "how": how,
    }


def _how(r: Json) -> str:
    m = r["measured"]
    parts = [
        "" if m["where"] in ("network", "loss") else m["where"],
        "" if m["side"] == "both" else m["side"],
        m["method"],
        f"no bound: {r['why_no_bound']}" if r["why_no_bound"] else "",
        "no evidence about the bound" if r["status"] == "no evidence" else "",
    ]
    return "; ".join(p for p in parts if p)


def _plots(doc: Json) -> list[Json]:
    plots = doc.get("plots") or []
    if not plots:
        return []
    from govcheck.report.plots import svg

    return [{"title": p["title"], "alt": p["alt"], "svg": Markup(svg(p))} for p in plots]


def _notation(sentence: str) -> Markup:
    """A sentence on notation, with what it explains as formulas show it."""
    head, colon, rest = sentence.partition(": ")
    sign = SIGNS.get(head)
    if sign is None or not colon:
        return escape(sentence)
    return Markup("{}: {}").format(mathml(sign), rest)


def _symbol(s: Json, i: int) -> Json:
    at = pointer("symbols", i)
    return {
        "name": mathml(s["latex"]), "key": s["name"], "meaning": s["meaning"],
        "origin": s["origin"],
        "value": None if s["value"] is None else number(s["value"], f"{at}/value"),
        "low": None if s["low"] is None else number(s["low"], f"{at}/low"),
        "high": None if s["high"] is None else number(s["high"], f"{at}/high"),
    }
