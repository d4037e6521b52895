"""The table of layer constants on a terminal, rows that agree shown once."""

from __future__ import annotations

from typing import Any, Final

from govcheck.report.page import Page

Json = dict[str, Any]

MAX_ROWS: Final = 30
COLUMNS: Final = ("J", "D", "tt", "xx", "xt", "sigma_D", "sigma_J")
ROOM: Final = 10
NAME_ROOM: Final = 12


def layers_table(page: Page, doc: Json) -> None:
    """Constants of each layer by itself, in the report's first mode."""
    layers = doc["layers"]
    if not layers:
        return
    mode = doc["modes"][0]["name"]
    page.title("Layers by themselves")
    columns = [q for q in COLUMNS if any(not _trivial(r["bounds"][mode][q]) for r in layers)]
    groups: dict[tuple[str, ...], list[str]] = {}
    for layer in layers:
        cells = tuple(page.cell(layer["bounds"][mode][q], ROOM) for q in columns)
        groups.setdefault((layer["layer"], *cells), []).append(layer["node"])
    rows = list(groups.items())[:MAX_ROWS]
    columns, widths = _fitting(page, columns, [key[1:] for key, _ in rows])
    table = page.table()
    table.add_column("", overflow="fold")
    for q, width in zip(columns, widths, strict=True):
        table.add_column(q, no_wrap=True, justify="right", min_width=width)
    for key, nodes in rows:
        table.add_row(_names(nodes), *key[1 : 1 + len(columns)])
    page.console.print(table)
    if len(groups) > MAX_ROWS:
        page.item(f"{len(groups) - MAX_ROWS} more kinds of layers are in the output of --json")
    if any("formula" in key[1:] for key, _ in rows):
        page.item("formula: it depends on symbols without value, or on the copy of a repeated "
                  "block", "dim")
    page.reasons([(f"{q} of {layer['node']}", layer["bounds"][mode][q])
                  for layer in _first(layers, rows) for q in columns])


def _trivial(answer: Json) -> bool:
    return bool(answer["sense"] == "lower" and answer["text"] == "0")


def _names(nodes: list[str]) -> str:
    if len(nodes) == 1:
        return nodes[0]
    return f"{nodes[0]} and {len(nodes) - 1} more"


def _first(layers: list[Json], rows: list[tuple[tuple[str, ...], list[str]]]) -> list[Json]:
    shown = {nodes[0] for _, nodes in rows}
    return [layer for layer in layers if layer["node"] in shown]


def _fitting(
    page: Page, columns: list[str], rows: list[tuple[str, ...]]
) -> tuple[list[str], list[int]]:
    """As many columns as the width takes without cutting a number."""
    widths = [max([len(q), *(len(r[i]) for r in rows)]) for i, q in enumerate(columns)]
    kept = len(columns)
    while kept > 1 and NAME_ROOM + 2 + sum(w + 2 for w in widths[:kept]) > page.width:
        kept -= 1
    return columns[:kept], widths[:kept]
