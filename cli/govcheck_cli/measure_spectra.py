"""``govcheck measure --spectra``: singular values of layers and blocks, printed and drawn."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from govcheck.errors import InputError, Problem
from govcheck_cli import output

if TYPE_CHECKING:
    from govcheck.numeric.measure.record import Budget, Cost, Measurement
    from govcheck.numeric.measure.spectra import LayerSpectrum
    from govcheck.numeric.measure.subject import Subject
    from govcheck.report.page import Page

def spectra(
    options: argparse.Namespace, s: Subject, about: dict[str, Any], budget: Budget
) -> int:
    """Measure, print and draw; exit code 0.

    Without named places all are taken, and those that do not fit into memory are left out
    with the reason.

    Raises:
        InputError: for a place that does not exist or does not fit.
    """
    from govcheck.numeric.measure.spectra import choose, derivative, layer_spectrum, spectrum_costs
    from govcheck.numeric.measure.spectra_place import names

    folder = None if options.plot is None else _folder(Path(options.plot))
    places = options.spectra or names(s.module)
    if options.estimate:
        page = output.make_page()
        for place in places:
            d = derivative(s.module, place, s.x)
            method, cost = choose(d, budget, options.tolerance)
            if options.method != "auto":
                costs = spectrum_costs(d, options.tolerance)
                method, cost = options.method, costs.get(options.method, cost)
            page.field(place, f"{d.rows} x {d.columns}, {method}: {cost}")
        output.write(page.text())
        return 0
    found, notes = [], []
    for place in places:
        try:
            found.append(layer_spectrum(
                s.module, place, s.x, method=options.method, tolerance=options.tolerance,
                budget=budget, seed=options.seed, progress=_teller(place)))
        except InputError as error:
            if options.spectra:
                raise
            notes += [f"{place} is left out: {p}" for p in error.problems]
    if options.json:
        output.write_json(about | {"spectra": [f.as_json() for f in found], "notes": notes})
    else:
        output.write(show(about, found, notes))
    if folder is not None:
        for f in found:
            draw(f, folder, about["name"])
    return 0


def _teller(place: str) -> Any:
    def tell(method: str, cost: Cost) -> None:
        sys.stderr.write(f"govcheck: {place} by {method}, {cost}\n")
        sys.stderr.flush()

    return tell


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(Problem("plot-file", f"the folder cannot be made: {error.strerror}",
                                 "--plot", "with --spectra it takes a folder")) from None
    return path


def show(about: dict[str, Any], found: Sequence[LayerSpectrum], notes: Sequence[str]) -> str:
    """The report."""
    page = output.make_page()
    page.line(about["name"], "bold")
    for name in ("data", "point", "seed"):
        page.field(name, str(about[name]))
    page.title("Singular values of d(outputs)/d(inputs), whole batch (measured)")
    table = page.table("place", "max", "75 %", "median", "25 %", "min", "zero", "error", fold=True)
    for f in found:
        d = f.distribution
        quantiles = [f"{d.quantile(q):.4g}" for q in (0.75, 0.5, 0.25)]
        mark = "~" if d.certainty == "estimate" else ""
        table.add_row(f.place, _end(page, f.largest), *quantiles, _end(page, f.smallest),
                      f"{100 * f.share.value:.3g} %", f"{mark}{d.error:.1g}")
    page.console.print(table)
    page.item("zero: share of singular values that are 0 or below the numerical floor")
    page.item("error: of the distribution function, hence of the ranks of the quantiles; ~ with "
              "99 % confidence. Places are known to within the width below")
    for f in found:
        d = f.distribution
        lines = [f"{f.rows} x {f.columns}", f.share.method, f"width {d.width:.1e}"]
        if f.coupled:
            lines.append("samples are coupled")
        if len(d.atoms):
            atoms = ", ".join(f"{a:.4g}" for a in d.atoms[:4])
            lines.append(f"many equal at {atoms}" + (", ..." if len(d.atoms) > 4 else ""))
        page.item(f"{f.place}: {'; '.join(lines)}")
    for note in notes:
        page.item(note, "yellow")
    return page.text()


def _end(page: Page, m: Measurement) -> str:
    if m.side == "both":
        shown = m.value if m.value > m.floor else 0.0
        return f"{shown:.5g}"
    return f"{page.sign('lower' if m.side == 'at least' else 'upper')} {m.value:.4g}"


def draw(f: LayerSpectrum, folder: Path, title: str) -> None:
    """Draw the distribution function with its error, as .svg and .png named by the place.

    Raises:
        InputError: if a file cannot be written.
    """
    from govcheck.report.plot_curves import distribution
    from govcheck.report.plots import save

    drawing = distribution(f.as_json(), _curve(f))
    for form in ("svg", "png"):
        save(drawing, folder / f"{f.place}.{form}", title=title)


def _curve(f: LayerSpectrum) -> tuple[list[float], list[float]]:
    """The distribution function with all its jumps."""
    import numpy as np

    d = f.distribution
    kept = np.unique(np.linspace(0, len(d.places) - 1, min(len(d.places), 4000)).astype(int))
    top = max(f.largest.value, 1e-300) * 1.06
    x = np.concatenate([[0.0], np.repeat(d.places[kept], 2), [top]])
    y = np.concatenate([[0.0], np.column_stack([d.left[kept], d.right[kept]]).ravel(), [1.0]])
    return x.tolist(), y.tolist()
