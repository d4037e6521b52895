"""The document as blocks, in the order in which Markdown and LaTeX show them."""

from __future__ import annotations

from typing import Any, Final

from govcheck.report.blocks import Block, Blocks, Code, Inlines, Lines, Math, Number, Text
from govcheck.report.blocks import inlines as line
from govcheck.report.pages_bounds import closed_forms, constants, formulas, layers, named
from govcheck.report.pages_measured import budget, derivations, figures, measurement, tightness
from govcheck.report.pages_theorems import theorems
from govcheck.report.tree import tree

Json = dict[str, Any]

READ: Final = {
    "q@b": "A constant that carries the name of a block as last index is that of the map up to "
    "and including the block, counted from the input of the enclosing residual or parallel "
    "block, or else from that of the network.",
    "x[k]": "Letters with a hat are what a recurrence changes from copy to copy of a repeated "
    "block: with (k) above, the value after k copies; without, that before the copy in question.",
}
OTHERS: Final = ("training", "gram", "drawn")
"""Parts of a document that are drawn and have no tables."""
RANGES: Final = (
    (r"\|X\|_F", "frobenius"), (r"\|X\|_2", "spectral"), (r"\sigma(X)", "sigma"),
    (r"\sigma([X;1])", "sigma_with_ones"), (r"\|Y\|_F", "target_norm"),
)


def pages(doc: Json, *, steps: bool = True) -> list[Block]:
    """All blocks of a report.

    Args:
        doc: from `govcheck.report.full`.
        steps: whether derivations are shown, where the document has them.
    """
    out = Blocks()
    out.heading(1, doc["architecture"]["name"])
    out.paragraph(Code(doc["architecture"]["file"]), f", analysed by govcheck {doc['govcheck']}")
    out.heading(2, "In short")
    out.items([line(sentence) for sentence in doc["in_short"]])
    out.heading(2, "What this means")
    out.items([line(sentence) for sentence in doc["summary"]])
    _network(out, doc)
    _data(out, doc)
    constants(out, doc)
    figures(out, doc, "bounds")
    measurement(out, doc)
    tightness(out, doc)
    figures(out, doc, *OTHERS)
    budget(out, doc)
    theorems(out, doc)
    for i, mode in enumerate(doc["modes"]):
        formulas(out, doc, mode["name"], main=i == 0)
    closed_forms(out, doc)
    _notation(out, doc)
    layers(out, doc)
    if steps:
        derivations(out, doc)
    _warnings(out, doc)
    return out.found


def _count(c: Json) -> Inlines:
    if c["value"] is None or c["value"] == c["text"]:
        return (Math(c["latex"]),)
    return (Math(f"{c['latex']} = {c['value']}"),)


def _shape(dimensions: list[Json]) -> Inlines:
    counts = [part for i, d in enumerate(dimensions) for part in
              (*((Text(" × "),) if i else ()), *_count(d))]
    return tuple(counts) or (Text("one number"),)


def _network(out: Blocks, doc: Json) -> None:
    arch = doc["architecture"]
    out.heading(2, "The network")
    rows: list[tuple[Inlines, Inlines]] = [
        (line("input"), _shape(arch["input"])),
        (line("output"), _shape(arch["output"])),
        (line("layers"), _count(arch["layers"])),
        (line("parameters"), _count(arch["parameters"])),
        (line("cost"), line(arch["cost"] or "none")),
        (line("parameter set"), line(doc["parameter_set"])),
    ]
    rows += [(line(f"mode {m['name']}"), line(m["meaning"])) for m in doc["modes"]]
    asked = doc["guarantees"]["asked"]
    if asked is not None:
        failed = ", ".join(doc["guarantees"]["failed"])
        state = f"do not all apply: {failed}" if failed else "all apply"
        rows.append((line("asked theorems"), line(f"{', '.join(asked) or 'none'}: {state}")))
    out.table(("", ""), rows, (0.2, 0.75))
    inside = Blocks([Lines(tree(arch["tree"]))])
    out.fold(line("Structure"), inside)


def _data(out: Blocks, doc: Json) -> None:
    data = doc["data"]
    if data is None:
        return
    out.heading(2, "The data")
    rank = "" if data["rank_exact"] else "at least "
    told = data["seed"] is None or f"seed {data['seed']}" in data["source"]
    seed = "" if told else f", seed {data['seed']}"
    rows: list[tuple[Inlines, Inlines]] = [
        (line("source"), line(f"{data['source']}{seed}; sha256 {data['sha256'][:16]}…")),
        (line("samples"), line(f"{data['samples']} of {data['features']} features; rank {rank}"
                               f"{data['rank']}; numerical floor {data['floor']}")),
        (line("targets"), line(data["targets"])),
        (line("independent"), line(f"{data['independent']}: {data['explanation']}")),
    ]
    for tex, key in RANGES:
        rows.append(((Math(tex),), _range(data["norms"][key])))
    out.table(("", ""), rows, (0.2, 0.75))


def _range(r: Json) -> Inlines:
    if r["low"] == r["high"]:
        return (Number(r["low"]),)
    return (Text("from "), Number(r["low"]), Text(" to "), Number(r["high"]))


def _notation(out: Blocks, doc: Json) -> None:
    out.heading(2, "Notation")
    for meaning in doc["notation"]:
        head, _, rest = meaning.partition(": ")
        if head in READ:
            out.paragraph(READ[head])
        elif head.startswith("h["):
            out.paragraph(
                Math(r"h_{n}(r_1, \ldots, r_k)"), " is the sum of all monomials of degree n in ",
                Math(r"r_1, \ldots, r_k"), "; for example ",
                Math(r"h_{n}(r, 1) = (r^{n+1} - 1)/(r - 1)"), ".",
            )
        else:
            out.paragraph(f"{head}: {rest}")
    out.paragraph(
        "Norms of matrices are operator norms and those of second derivatives are norms of "
        "bilinear maps, unless F says Frobenius; suprema are over the parameter set."
    )
    rows: list[tuple[Inlines, ...]] = []
    for q in (*doc["bounds"]["network"], *doc["bounds"]["loss"]):
        rows.append((named(q), (Code(q["quantity"]),), line(q["meaning"]),
                     line(f"{q['sense']} bound")))
    states = {
        s["name"] for found in doc["recurrences"].values() for r in found for s in r["states"]
    }
    for s in doc["symbols"]:
        value = line("in a recurrence") if s["name"] in states else _symbol_value(s)
        meaning = line(s["meaning"] or s["origin"])
        rows.append(((Math(s["latex"]),), (Code(s["name"]),), meaning, value))
    out.table(("symbol", "name", "meaning", "value"), rows, (0, 0.19, 0.3, 0.16))


def _symbol_value(s: Json) -> Inlines:
    if s["low"] is None:
        return line(s["value"] or "free")
    if s["value"] is not None:
        given = line(s["value"])
        return given if s["value"] == s["low"] == s["high"] else (
            *given, Text(", "), *_range(s))
    return _range(s)


def _warnings(out: Blocks, doc: Json) -> None:
    lines = [line(w) for w in doc["warnings"]]
    for b in doc["broken_plugins"]:
        lines.append(line(f"plugin {b['plugin']} set aside at stage {b['stage']}: {b['error']}"))
    if lines:
        out.heading(2, "Warnings")
        out.items(lines)
