"""What notebooks show of the objects: HTML without styles or scripts, LaTeX, short text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from govcheck.bounds.answer import MEANING, Bound, LocalBound, Sense, Unknown
from govcheck.bounds.expr import Expr
from govcheck.bounds.letters import quantity_latex
from govcheck.bounds.loss import LOSS_MEANING
from govcheck.bounds.printing import text
from govcheck.report.numbers import Numbers
from govcheck.report.plot_parts import short

if TYPE_CHECKING:
    from govcheck.analysis import Analysis
    from govcheck.graph.architecture import Architecture
    from govcheck.graph.blocks import Chain
    from govcheck.numeric.measure.record import Measurement
    from govcheck.numeric.measure.run import Result
    from govcheck.numeric.train.state import Outcome
    from govcheck.plugin.layer import Shape
    from govcheck.theorems.protocol import Verdict

LEFT: Final = ' align="left"'
MOST_NAMES: Final = 8
LINE: Final = 88
SIGN: Final[dict[Sense, str]] = {"upper": "≤", "lower": "≥"}
COMMAND: Final[dict[Sense, str]] = {"upper": r"\le", "lower": r"\ge"}
TEX: Final = str.maketrans({
    "\\": r"\backslash ", "{": r"\{", "}": r"\}", "$": r"\$", "%": r"\%", "#": r"\#", "&": r"\&",
    "_": r"\_", "^": "ˆ", "~": "∼",
})


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """An HTML table; cells are escaped."""
    lines = ["<table>"]
    if caption:
        lines.append(f"<caption>{escape(caption)}</caption>")
    lines.append("<thead><tr>" + "".join(f"<th{LEFT}>{escape(h)}</th>" for h in head)
                 + "</tr></thead><tbody>")
    lines += ["<tr>" + "".join(f"<td{LEFT}>{escape(c)}</td>" for c in row) + "</tr>"
              for row in rows]
    return "".join([*lines, "</tbody></table>"])


def _items(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _fold(title: str, inside: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


def _heading(title: str, *small: str) -> str:
    rest = "".join(f"<br><small>{escape(s)}</small>" for s in small if s)
    return f"<p><b>{escape(title)}</b>{rest}</p>"


def _shape(shape: Shape) -> str:
    return "[" + ", ".join(text(d) for d in shape) + "]"


def architecture_html(arch: Architecture) -> str:
    """Name, shapes, cost, data and the layers as a nested list."""
    from govcheck.report.structure import settings

    facts = [f"input {_shape(arch.input)}, output {_shape(arch.output)}",
             f"cost {arch.cost.name if arch.cost else 'none'}"]
    if arch.data is not None:
        given = ", ".join(f"{k} {v}" for k, v in settings(arch.data).items())
        facts.append(f"data {arch.data.name}" + (f" ({given})" if given else ""))
    if arch.symbols:
        facts.append("symbols " + ", ".join(_valued(arch, n, s) for n, s in arch.symbols.items()))
    return _heading(arch.name or "network", arch.file, *facts) + _layers(arch.body)


def _valued(arch: Architecture, name: str, symbol: Expr) -> str:
    value = arch.values.get(symbol)
    return f"{name} free" if value is None else f"{name} = {text(value)}"


def _layers(body: Chain) -> str:
    from govcheck.graph.blocks import Leaf, Parallel, Repeat, children
    from govcheck.report.structure import settings

    lines = []
    for step in body.steps:
        block = step.block
        label = block.node
        if isinstance(block, Leaf):
            given = ", ".join(f"{k} {v}" for k, v in settings(block.layer).items())
            own = block.layer.name if block.node != block.layer.name else ""
            label += ": " * bool(own) + own + (f" ({given})" if given else "")
        elif isinstance(block, Repeat):
            label += f": {text(block.times)} times"
        elif isinstance(block, Parallel):
            label += f": branches, joined by {block.join}"
        inside = "".join(_layers(b) for b in children(block))
        lines.append(f"<li>{escape(label)}{inside}</li>")
    return f"<ul>{''.join(lines)}</ul>" if lines else "<ul><li>identity</li></ul>"


def architecture_text(arch: Architecture) -> str:
    """One line."""
    return f"{arch.name or 'network'}: {_shape(arch.input)} -> {_shape(arch.output)}"


def architecture_svg(arch: Architecture) -> str | None:
    """The layers drawn, with the bounds of each; None where there is no analysis of them."""
    from dataclasses import replace

    from govcheck.analysis import analyze
    from govcheck.errors import InputError

    try:
        return analysis_svg(analyze(replace(arch, theorems=()), data=False))
    except InputError:
        return None


def analysis_svg(a: Analysis) -> str:
    """The layers drawn, with the bounds of each."""
    from govcheck.report.document import document
    from govcheck.report.graph_svg import graph_svg

    return graph_svg(document(a))


def result_svg(r: Result) -> str | None:
    """Proven and measured values drawn; None where nothing was compared."""
    from govcheck.report.plot_data import plots_of
    from govcheck.report.plots import svg

    drawn = plots_of({"measurement": r.as_json()})
    return svg(drawn[0], headings=True) if drawn else None


def analysis_latex(a: Analysis) -> str:
    """The constants as an array: letter, sign, value or formula."""
    numbers = Numbers(a.env)
    return _array("lcl", (_latex_row(q, b, numbers) for q, b in a.bounds.items() if b.known))


def _latex_row(quantity: str, b: Bound, numbers: Numbers) -> str:
    from govcheck.bounds.printing import latex

    assert isinstance(b.value, Expr)
    shown = numbers.of(b.value, b.sense).text or latex(b.value)
    return rf"{quantity_latex(quantity)} & {COMMAND[b.sense]} & {_power(shown)}"


def verdict_latex(v: Verdict) -> str:
    """The hypotheses as an array: what is required, and what came out."""
    return _array("ll", (
        rf"\text{{{h.statement.translate(TEX)}}} & \text{{{h.status}}}" for h in v.hypotheses
    ))


def result_latex(r: Result) -> str:
    """Proven and measured values as an array."""
    return _array("lcll", (
        rf"{quantity_latex(row.quantity)} & {COMMAND[row.sense]} & "
        rf"{_power(row.text) if row.bound is not None else '-'} & "
        rf"\text{{measured }} {_power(short(row.measured.value))}"
        for row in r.rows
    ))


def _array(columns: str, rows: Iterable[str]) -> str:
    inside = " \\\\\n".join(rows)
    return f"$$\\begin{{array}}{{{columns}}}\n{inside}\n\\end{{array}}$$"


def _power(number: str) -> str:
    """A decimal with its exponent as a power of ten."""
    digits, e, exponent = number.partition("e")
    if not e or not digits.replace(".", "").replace("-", "").isdecimal():
        return number
    return rf"{digits}\cdot 10^{{{int(exponent)}}}"


def analysis_html(a: Analysis) -> str:
    """The constants with their bounds, the verdicts, and what all this means."""
    from govcheck.report.summary import summary

    numbers = Numbers(a.env)
    arch = a.architecture
    proved = "not guaranteed: as the paper prints it" if a.mode.printed else "proved"
    parts = [_heading(f"Analysis of {arch.name or 'a network'}",
                      f"mode {a.mode.name}, {proved}; on {a.domain.describe()}")]
    rows = [(q, SIGN[b.sense], _number(b, numbers), _meaning(q)) for q, b in a.bounds.items()
            if _meaning(q)]
    parts.append(table(("constant", "", "bound", "meaning"), rows))
    if a.verdicts:
        corrected = [v for v in a.verdicts if v.reading == "as_corrected"]
        printed = [v for v in a.verdicts if v.reading != "as_corrected"]
        parts += [_verdicts(corrected)] if corrected else []
        parts += [_fold("Theorems as printed", _verdicts(printed))] if printed else []
    parts.append(_fold("What this means", _items(summary(a, numbers))))
    if a.warnings:
        parts.append(_fold("Warnings", _items(a.warnings)))
    return "".join(parts)


def _verdicts(found: Sequence[Verdict]) -> str:
    return table(("theorem", "place", "verdict", "first hypothesis that does not hold"),
                 [(v.title, str(v.reference), v.status, _first(v)) for v in found])


def _meaning(quantity: str) -> str:
    return MEANING.get(quantity) or LOSS_MEANING.get(quantity, "")


def _number(b: Bound, numbers: Numbers) -> str:
    """The value rounded outward, or why there is none."""
    if isinstance(b.value, Unknown):
        return f"unknown: {b.value.reason}"
    found = numbers.of(b.value, b.sense)
    if found.text is not None:
        return found.text
    return f"a formula in {', '.join(found.missing)}" if found.missing else found.problem


def _first(v: Verdict) -> str:
    failing = next((h for h in v.hypotheses if not h.holds), None)
    return "" if failing is None else f"{failing.statement} ({failing.status})"


def analysis_text(a: Analysis) -> str:
    """The constants with numbers and the verdicts, one on each line."""
    numbers = Numbers(a.env)
    lines = [f"analysis of {a.architecture.name or 'a network'}, mode {a.mode.name}"]
    lines += [f"  {q} {SIGN[b.sense]} {_number(b, numbers)}" for q, b in a.bounds.items()
              if b.known and _meaning(q)]
    lines += [f"  {verdict_text(v)}" for v in a.verdicts]
    return "\n".join(lines)


def verdict_html(v: Verdict) -> str:
    """Every hypothesis with how it was decided, and what follows."""
    parts = [_heading(f"{v.title}: {v.status}", f"{v.reference}, {v.reading.replace('_', ' ')}",
                      v.summary)]
    parts.append(table(
        ("", "hypothesis", "decided", "evidence"),
        [(_mark(h.holds, h.status), h.statement, h.status, h.evidence) for h in v.hypotheses]))
    if v.conclusions:
        numbers = Numbers({})
        parts.append(table(
            ("conclusion", "", "closed form"),
            [(name, SIGN[b.sense], _closed(b, numbers)) for name, b in v.conclusions.items()]))
    notes = [f"{e.id}: printed: {e.printed}; correct: {e.corrected}" for e in v.errata]
    if notes:
        parts.append(_fold("Errata of the printed statement", _items(notes)))
    if v.remarks:
        parts.append(_fold("Remarks", _items(v.remarks)))
    return "".join(parts)


def _mark(holds: bool, status: str) -> str:
    return "✓" if holds else "✗" if status == "refuted" else "?"


def _closed(b: Bound, numbers: Numbers) -> str:
    if isinstance(b.value, Unknown):
        return f"unknown: {b.value.reason}"
    shown = text(b.value.args[0] if b.value.op == "let" else b.value)
    value = numbers.of(b.value, b.sense).text
    return shown if value in (None, shown) else f"{shown} {SIGN[b.sense]} {value}"


def verdict_text(v: Verdict) -> str:
    """One line."""
    first = _first(v)
    return f"{v.theorem} ({v.reading.replace('_', ' ')}): {v.status}" + (
        f"; {first}" if first else "")


def bound_latex(b: Bound) -> str:
    """The formula with the names it uses, its value if it has no symbols, rule and reference."""
    from govcheck.report.formulas import Notation

    name = quantity_latex(b.quantity, "" if b.node in ("network", "loss") else b.node)
    if isinstance(b.value, Unknown):
        lines = [rf"{name} &\ \text{{{tex('is unknown')}}}", *_said(b.value.reason)]
        return _aligned(lines)
    notation = Notation([b.value])
    sign = COMMAND[b.sense]
    lines = [rf"{name} &{sign} {notation.formula(b.value)['latex']}"]
    value = Numbers({}).of(b.value, b.sense).text
    if value is not None and value != text(b.value):
        lines.append(rf"&{sign} {number_latex(value)}")
    defined = [d for d in notation.definitions() if d["name"] != _own(b)]
    for k, d in enumerate(defined[:MOST_NAMES]):
        word = r"\text{where }" if k == 0 else ""
        lines.append(rf"{word} {d['name_latex']} &= {d['latex']}")
    if len(defined) > MOST_NAMES:
        lines.append(rf"&\ \text{{and {len(defined) - MOST_NAMES} more names}}")
    own = " of the layer by itself" if isinstance(b, LocalBound) else ""
    lines += _said(f"by: {b.rule}{own}; {b.ref}" + (f"; {b.note}" if b.note else ""))
    return _aligned(lines)


def _own(b: Bound) -> str:
    return str(b.value.payload) if isinstance(b.value, Expr) and b.value.op == "let" else ""


def _said(words: str) -> list[str]:
    return [rf"&\ \small\text{{{tex(line)}}}" for line in textwrap.wrap(words, LINE)]


def _aligned(lines: Sequence[str]) -> str:
    return "$$\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}$$"


def tex(words: str) -> str:
    """Plain words for the inside of ``\\text{}``."""
    return words.translate(TEX)


def number_latex(decimal: str) -> str:
    """A decimal of a report in LaTeX."""
    if decimal.endswith("Infinity"):
        return decimal.replace("Infinity", r"\infty")
    mantissa, e, exponent = decimal.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else mantissa


def bound_text(b: Bound) -> str:
    """One line."""
    where = "" if b.node in ("network", "loss") else f"@{b.node}"
    if isinstance(b.value, Unknown):
        return f"{b.quantity}{where} is unknown: {b.value.reason}"
    shown = b.value.args[0] if b.value.op == "let" else b.value
    return f"{b.quantity}{where} {SIGN[b.sense]} {text(shown)}  ({b.rule}; {b.ref})"


def result_html(r: Result) -> str:
    """Proven bounds beside measured values, and everything else that was measured."""
    first = next(iter(r.measured), None)
    seeds = {m.seed for m in r.measured if m.seed is not None}
    about = "" if first is None else f"measured in {first.dtype}" + (
        f", seed {seeds.pop()}" if len(seeds) == 1 else "")
    parts = [_heading("Proven and measured", f"bounds hold on: {r.proven.words}", about)]
    parts += [f"<p><b>ALARM: {escape(row.sentence)}</b></p>" for row in r.alarms]
    parts.append(table(
        ("quantity", "proven", "measured", "times apart", "meaning"),
        [(row.quantity, "none: " + row.text if row.bound is None else
          f"{SIGN[row.sense]}\u00a0{row.text}", measured_text(row.measured),
          "" if row.ratio is None else short(row.ratio), row.meaning) for row in r.rows]))
    compared = {id(row.measured) for row in r.rows}
    rest = [m for m in r.measured if id(m) not in compared]
    if rest:
        parts.append(_fold("Measured only", table(
            ("quantity", "where", "measured", "method"),
            [(m.quantity, m.where, measured_text(m), m.method) for m in rest])))
    if r.notes:
        parts.append(_fold("Notes", _items(r.notes)))
    return "".join(parts)


def measured_text(m: Measurement) -> str:
    """The value with its error."""
    side = "" if m.side == "both" else f"{m.side} "
    error = f" ± {m.error:.0e}" if m.error else ""
    return f"{side}{m.value:.6g}{error}" + (", estimate" if m.label == "estimate" else "")


def measurement_html(m: Measurement) -> str:
    """One measured number with how it was found."""
    return (f"<p><b>{escape(m.quantity)}</b> of {escape(m.where)}: "
            f"{escape(measured_text(m))} ({m.label})"
            f"<br><small>{escape(f'{m.norm}; {m.method}; error: {m.basis}; {m.dtype}')}"
            f"{'' if m.seed is None else f', seed {m.seed}'}</small></p>")


def measurement_text(m: Measurement) -> str:
    """One line."""
    return f"{m.quantity} of {m.where}: {measured_text(m)} ({m.label})"


def result_text(r: Result) -> str:
    """A line for each comparison."""
    lines = [f"{row.quantity}: proven "
             + ("nothing" if row.bound is None else f"{SIGN[row.sense]} {row.text}")
             + f", measured {row.measured.value:.6g}"
             + ("" if row.ratio is None else f", {short(row.ratio)} times apart")
             for row in r.rows]
    return "\n".join([*lines, *(f"ALARM: {row.sentence}" for row in r.alarms)])


def outcome_html(o: Outcome) -> str:
    """How training ended, and what theorems said of the loss."""
    from govcheck.numeric.train.state import REASONS

    lost = "no number" if o.loss is None else f"{o.loss:.6g}"
    parts = [_heading(
        f"Training (measured): loss {lost} after {o.step} steps, {o.first_loss:.6g} at the start",
        REASONS[o.reason], f"step size {o.step_size.value:.6g}, {o.step_size.source}")]
    parts += [f"<p><b>ALARM: {escape(line)}</b></p>" for line in o.violations]
    if o.envelopes:
        parts.append(table(
            ("theorem", "allows", "loss over it", "says nothing from"),
            [(e["theorem"], "" if e["bound"] is None else f"{e['bound']:.6g}",
              "" if e["ratio"] is None else f"{e['ratio']:.4f}", e["ended"])
             for e in o.envelopes]))
    if o.remarks:
        parts.append(_fold("Remarks", _items(o.remarks)))
    return "".join(parts)


def outcome_text(o: Outcome) -> str:
    """One line."""
    lost = "no number" if o.loss is None else f"{o.loss:.6g}"
    return f"loss {o.first_loss:.6g} -> {lost} in {o.step} steps ({o.reason})"
