"""What ``govcheck measure`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from govcheck_cli import output

if TYPE_CHECKING:
    from govcheck.numeric.measure.record import Measurement
    from govcheck.numeric.measure.run import Result
    from govcheck.numeric.measure.table import Row
    from govcheck.report.page import Page

BY_LAYER = ("activation", "gradient", "drift")
OTHERS = {
    "lambda_max": "largest eigenvalue of the Hessian",
    "lambda_min": "smallest eigenvalue of the Hessian",
    "gram_max": "largest eigenvalue of the Gram matrix DF DF^T",
    "gram_min": "smallest eigenvalue of the Gram matrix DF DF^T",
    "hessian_negative": "share of clearly negative eigenvalues of the Hessian",
    "I_2": "remainder of the linearised dynamics after one step",
    "I_2_order": "its order in the step size (2 for smooth networks)",
    "factor": "trained factor",
    "factor_drift": "change of the factor from the start",
    "rate_outside": "factor of one step that leaves the set, not compared",
}


def show(about: dict[str, Any], result: Result) -> str:
    """The whole report."""
    page = output.make_page()
    page.line(about["name"], "bold")
    for name in ("data", "point", "set", "arithmetic", "seed"):
        page.field(name, str(about[name]))
    if result.rows:
        page.title("Proven and measured")
        _table(page, result.rows)
        for text, names in _unknown(result.rows).items():
            page.item(f"{', '.join(names)}: no bound, {text}", "yellow")
        if any(r.status == "no evidence" for r in result.rows):
            page.item("a value below its numerical floor is no evidence: use --dtype float64",
                      "yellow")
        page.item("ratio: how many times the bound is away from the measurement; 1 if attained")
        page.item("error: absolute; a + (or -) behind it: the number meant may be larger "
                  "(smaller) still; floor: what rounding alone produces")
    _local(page, result.layers)
    _others(page, result.measured, {id(r.measured) for r in result.rows})
    _layers(page, result.measured)
    _grams(page, result.measured)
    if result.notes:
        page.title("Notes")
        for note in result.notes:
            page.item(note, "yellow")
    for row in result.alarms:
        page.line(f"ALARM: {row.sentence}", "bold red")
    return page.text()


def _table(page: Page, rows: list[Row]) -> None:
    table = page.table("quantity", "proven", "measured", "error", "floor", "ratio")
    for r in rows:
        bound = "none" if r.bound is None else f"{page.sign(r.sense)} {r.text}"
        style = "bold red" if r.status == "alarm" else ""
        ratio = {"alarm": "ALARM", "no evidence": "no evidence"}.get(r.status, _ratio(r.ratio))
        table.add_row(r.quantity, bound, f"{r.measured.value:.6g}", _error(r.measured),
                      _floor(r.measured), ratio, style=style)
    page.console.print(table)


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.4g}" if ratio < 1e4 else f"{ratio:.1e}"


def _error(m: Measurement) -> str:
    return f"{m.error:.0e}" + {"both": " ", "at least": "+", "at most": "-"}[m.side]


def _floor(m: Measurement) -> str:
    return f"{m.floor:.0e}" if m.floor else ""


def _unknown(rows: list[Row]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for r in rows:
        if r.bound is None:
            found.setdefault(r.text, []).append(r.name)
    return found


def _local(page: Page, rows: list[Row]) -> None:
    if not rows:
        return
    page.title("Lipschitz constants of single layers: proven and measured")
    table = page.table("layer", "proven", "measured", "error", "ratio", fold=True)
    for r in rows:
        bound = "none" if r.bound is None else f"{page.sign(r.sense)} {r.text}"
        ratio = "ALARM" if r.status == "alarm" else _ratio(r.ratio)
        table.add_row(r.measured.where, bound, f"{r.measured.value:.6g}", _error(r.measured),
                      ratio, style="bold red" if r.status == "alarm" else "")
    page.console.print(table)
    for text, names in _unknown(rows).items():
        page.item(f"{', '.join(names)}: no bound, {text}", "yellow")
    page.item("the derivative of a layer's output in its own input, over the whole batch; in a "
              "repeat that of the copy where it is largest, the first one left out")


def _others(page: Page, measured: list[Measurement], shown: set[int]) -> None:
    rows = [m for m in measured if id(m) not in shown and m.quantity in OTHERS
            and (m.where == "network" or m.quantity.startswith("factor"))]
    if not rows:
        return
    page.title("Measured only")
    table = page.table("quantity", "measured", "error", "floor")
    table.add_column("what it is", overflow="fold")
    for m in rows:
        name = m.quantity if m.where == "network" else f"{m.quantity} {m.where}"
        mark = "~" if m.label == "estimate" else ""
        table.add_row(name, f"{mark}{m.value:.6g}", _error(m), _floor(m), OTHERS[m.quantity])
    page.console.print(table)


def _layers(page: Page, measured: list[Measurement]) -> None:
    by_layer: dict[str, dict[str, float]] = {}
    for m in measured:
        if m.quantity in BY_LAYER:
            by_layer.setdefault(m.where, {})[m.quantity] = m.value
    if not by_layer:
        return
    page.title("Layers (measured)")
    table = page.table("layer", "|output|_F", "|gradient|", "drift", fold=True)
    for layer, values in by_layer.items():
        cells = [f"{values[q]:.4g}" if q in values else "" for q in BY_LAYER]
        table.add_row(layer, *cells)
    page.console.print(table)


def _grams(page: Page, measured: list[Measurement]) -> None:
    pairs: dict[str, dict[str, Measurement]] = {}
    for m in measured:
        if m.quantity in ("gram_min", "gram_max") and m.where != "network":
            pairs.setdefault(m.where, {})[m.quantity] = m
    if not pairs:
        return
    page.title("Gram matrices of single parameters (measured)")
    table = page.table("parameter", "smallest", "error", "floor", "largest", fold=True)
    for name, pair in pairs.items():
        low, high = pair["gram_min"], pair["gram_max"]
        value = f"{low.value:.4g}" if low.evidence else "below floor"
        table.add_row(name, value, _error(low), _floor(low), f"{high.value:.6g}")
    page.console.print(table)
