"""``govcheck gram ARCH --depth ...``: lambda_0 against depth and number of samples."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from govcheck_cli import common, gram_report, output
from govcheck_cli.progress import Progress

if TYPE_CHECKING:
    from govcheck.graph.architecture import Architecture
    from govcheck.kernels.survey import DepthRow
    from govcheck.plugin.registry import Registry


def run(options: argparse.Namespace, points: list[int] | None, registry: Registry) -> bool:
    """Print the table and draw it; whether every lambda_0 is certified positive.

    Raises:
        InputError: if the options, the file or the data do not allow it.
        NoKernelError: if a network has no limiting kernel.
    """
    from govcheck.certify.sample_facts import directions, lengths
    from govcheck.kernels.gram import Job
    from govcheck.kernels.plan import plan
    from govcheck.kernels.survey import samples, sweep
    from govcheck_cli.commands.gram import allow, first, limit
    from govcheck_cli.gram_options import plot_file

    picture = None if options.plot is None else plot_file(options.plot)
    networks = _networks(options, registry)
    data = samples(networks[0][1])
    x = first(data, max(points) if points else None)
    counts = points or [len(x)]
    # the deepest network needs the most memory
    found = plan(Job(networks[-1][1], x, ("last",)))
    allow(found, limit(options), "")
    rows: list[DepthRow] = []
    total = len(networks) * len(counts)
    stopped = False
    try:
        with Progress("depths and samples") as progress:
            for row in sweep(networks, x, counts, as_printed=options.as_printed):
                rows.append(row)
                progress(len(rows), total)
    except KeyboardInterrupt:
        if not rows:
            raise
        stopped = True
    doc = gram_report.head(networks[0][1], data, len(x))
    doc["hypotheses"] = gram_report.hypotheses(lengths(x), directions(x))
    doc["depth_symbol"] = options.depth_symbol if options.depth is not None else None
    doc["rows"] = [_row(r) for r in rows]
    held = all(r.smallest.certified_positive for r in rows)
    doc |= {"hold": held, "complete": not stopped, "plot": None}
    if picture is not None:
        from govcheck_cli.gram_plot import draw

        draw(rows, picture, doc["name"] or doc["file"], options.depth_symbol)
        doc["plot"] = str(picture)
    if options.json:
        output.write_json(doc)
    else:
        output.write(_render(doc, options.as_printed))
    if stopped:
        raise KeyboardInterrupt
    return held


def _networks(
    options: argparse.Namespace, registry: Registry
) -> list[tuple[int | None, Architecture]]:
    import govcheck
    from govcheck.errors import InputError, Problem
    from govcheck_cli.gram_options import numbers

    if options.depth is None:
        return [(None, common.load(options, registry))]
    depths = numbers(options.depth, "--depth")
    symbol, given = options.depth_symbol, common.overrides(options.overrides)
    if symbol in given:
        raise InputError(Problem("bad-option", f"{symbol} is set by --depth and by --set",
                                 "--set", "keep one of them"))
    found: list[tuple[int | None, Architecture]] = []
    for depth in depths:
        arch = govcheck.load(options.architecture, registry=registry,
                             overrides=given | {symbol: str(depth)})
        found.append((depth, arch))
    return found


def _row(r: DepthRow) -> dict[str, Any]:
    return {
        "depth": r.depth, "n": r.n, **gram_report.eigenvalue(r.smallest),
        "depth_free": r.depth_free, "printed": r.printed,
    }


def _render(doc: dict[str, Any], as_printed: bool) -> str:
    from govcheck_cli.gram_report import greek, lower, number

    page = output.make_page()
    gram_report.introduction(page, doc)
    lam, alpha = greek(page), "α" if page.unicode else "alpha"
    page.title(f"{lam}_0, the smallest eigenvalue of the last hidden layer's Gram matrix")
    rows = doc["rows"]
    free = any(r["depth_free"] is not None for r in rows)
    table = page.table()
    titles = [doc["depth_symbol"], "n", f"{lam}_0 {page.sign('lower')}", "floor",
              f"{lam}_0 H²/{alpha}²" if free else None, "as printed" if as_printed else None]
    for title in titles:
        if title is not None:
            table.add_column(title, justify="right", no_wrap=True)
    table.add_column("certified", justify="center")
    for r in rows:
        cells = [] if doc["depth_symbol"] is None else [str(r["depth"])]
        cells += [str(r["n"]), lower(r["lambda_min_lower"], 5), f"{r['floor']:.1e}"]
        if free:
            cells.append("-" if r["depth_free"] is None else number(r["depth_free"], 5))
        if as_printed:
            cells.append(_printed(r))
        good = r["certified_positive"]
        table.add_row(*cells, page.mark(good, "refuted"))
    page.console.print(table)
    page.paragraphs(
        f"The bound is proved for every matrix within the entry error of the computed one. Up "
        f"to the floor {lam}_0 cannot be told from 0. What is not a bound is computed in float64.")
    if free:
        page.paragraphs(
            f"{lam}_0 of a residual network has the factor {alpha}²/H², {alpha} that of the last "
            f"residual layer; {lam}_0 H²/{alpha}² is without it.")
    if doc["plot"] is not None:
        page.field("plot", doc["plot"])
    if not doc["complete"]:
        page.item("interrupted: some rows are missing", "yellow")
    return page.text()


def _printed(r: dict[str, Any]) -> str:
    from govcheck_cli.gram_report import difference, number

    if r["printed"] is None:
        return "-"
    percent = 100 * (r["printed"] / r["lambda_min"] - 1) if r["certified_positive"] else None
    return number(r["printed"], 4) + difference(percent)
