"""What ``govcheck measure --chain`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from govcheck_cli import output

if TYPE_CHECKING:
    from govcheck.numeric.measure.chain import Chain, Chains
    from govcheck.numeric.measure.record import Measurement
    from govcheck.report.page import Page

COLUMNS = ("printed", "derived", "local")
MARKS = {"alarm": " ALARM", "contradicted": " ✗", "unproven": " ?"}


def show(about: dict[str, Any], found: Chains) -> str:
    """The whole report."""
    page = output.make_page()
    page.line(about["name"], "bold")
    for name in ("data", "point"):
        page.field(name, str(about[name]))
    page.field("run", f"{found.steps} steps of {found.size:.4g}; a rate: 5 steps of the size that "
               "its own bound allows")
    for name in COLUMNS:
        page.field(name, found.sets[name])
    page.title("From what is printed to what is measured")
    whole = [c for c in found.chains if len(c.links) == len(COLUMNS)]
    _table(page, whole)
    others = [c for c in found.chains if c not in whole]
    if others:
        page.title("What theorems state by themselves")
        _statements(page, others)
    page.item("printed: as the paper prints it; derived: proven on the same set; local: proven "
              "near the run; each is at least as strong as the one before it")
    for name in found.sets:
        if name not in COLUMNS:
            page.item(f"{name}: {found.sets[name]}")
    reasons = {k.text: c.quantity for c in found.chains for k in c.links if k.value is None}
    for text, quantity in reasons.items():
        page.item(f"{quantity}: none, {text}", "yellow")
    for note in found.notes:
        page.item(note, "yellow")
    for text in found.alarms:
        page.line(f"ALARM: {text}", "bold red")
    return page.text()


def _table(page: Page, chains: list[Chain]) -> None:
    table = page.table("quantity", *COLUMNS, "measured", "holds")
    for c in chains:
        cells = [_cell(page, c, k) for k in range(len(COLUMNS))]
        table.add_row(f"{c.quantity} {page.sign(c.sense)}", *cells, _measured(c.measured),
                      "yes" if c.ordered else "no")
    page.console.print(table)


def _statements(page: Page, chains: list[Chain]) -> None:
    table = page.table("statement", "bound", "measured", "holds")
    for c in chains:
        table.add_row(c.quantity, f"{page.sign(c.sense)} {_cell(page, c, 0)}",
                      _measured(c.measured), "yes" if c.ordered else "no")
    page.console.print(table)


def _cell(page: Page, c: Chain, k: int) -> str:
    link = c.links[k]
    return "none" if link.value is None else link.text + MARKS.get(link.state, "")


def _measured(m: Measurement) -> str:
    near = m.quantity == "rate" and 0 < 1 - m.value < 1e-2
    return f"1 - {1 - m.value:.3g}" if near else f"{m.value:.6g}"
