"""Curves as data: loss and spectra along training, singular values, lambda_0 against depth."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from govcheck.report.plot_parts import Json, plot, series, short, thinned

MOST_POINTS: Final = 240
MOST_PLACES: Final = 24
LOG_FROM: Final = 100.0
"""Positive values that differ by more than this factor get a logarithmic axis."""

ALONG: Final = (
    ("curvature", "Largest curvature of the loss along training",
     "largest |eigenvalue| of the Hessian", (("beta", ""),)),
    ("parameters", "Singular values of the derivative in the parameters along training",
     "singular value", (("D", "largest"), ("sigma_D", "smallest"))),
    ("inputs", "Singular values of the derivative in the inputs along training",
     "singular value", (("J", "largest"), ("sigma_J", "smallest"))),
)
"""Key, title, unit, and quantities with their names."""


def training(run: Mapping[str, Any]) -> list[Json]:
    """Loss with what theorems allow, and what was measured on the way."""
    records = run.get("records") or []
    return [*_loss(records), *_along(records)]


def _loss(records: Sequence[Mapping[str, Any]]) -> list[Json]:
    known = [r for r in records if r.get("loss") is not None]
    if len(known) < 2:
        return []
    kept = [known[k] for k in thinned(len(known), MOST_POINTS)]
    steps, losses = [r["step"] for r in kept], [r["loss"] for r in kept]
    names = list(dict.fromkeys(n for r in kept for n in r.get("envelope", ())))
    drawn = [series("loss (measured)", "measured", steps, losses, line=True)]
    told = []
    for name in names:
        points = [(r["step"], r["envelope"][name]) for r in kept if name in r.get("envelope", {})]
        drawn.append(series(name, "allowed", [p[0] for p in points],
                            [p[1] for p in points]))
        told.append(f"{name} allows {short(points[-1][1])} at step {points[-1][0]}")
    scale = "log" if min(p for s in drawn for p in s["y"]) > 0 else "linear"
    alt = (f"The loss falls from {short(losses[0])} to {short(losses[-1])} in {steps[-1]} steps"
           if losses[-1] < losses[0] else
           f"The loss goes from {short(losses[0])} to {short(losses[-1])} in {steps[-1]} steps")
    alt += f"; {'; '.join(told)}." if told else "; no theorem says anything about these steps."
    return [plot("loss", "loss", "Loss along training, with what theorems allow", alt,
                 "training.records", x=("step", "linear"), y=("loss", scale), series=drawn)]


def _along(records: Sequence[Mapping[str, Any]]) -> list[Json]:
    measured = [r for r in records if r.get("measured")]
    found = []
    for key, title, unit, quantities in ALONG:
        drawn, told = [], []
        for quantity, name in quantities:
            points = [(r["step"], r["measured"][quantity]) for r in measured
                      if (r["measured"].get(quantity) or {}).get("value")]
            points = [p for p in points if p[1]["value"] > 0]
            if len(points) < 2:
                continue
            points = [points[k] for k in thinned(len(points), MOST_POINTS)]
            values = [p[1]["value"] for p in points]
            hollow = [p[1]["value"] <= p[1].get("floor", 0.0) for p in points]
            drawn.append(series(f"{name}, measured".lstrip(", "), "group",
                                [p[0] for p in points], values, hollow=hollow))
            told.append(f"{name or unit}: {short(values[0])} at step {points[0][0]}, "
                        f"{short(values[-1])} at step {points[-1][0]}")
            proven = [(p[0], float(p[1]["bound"])) for p in points if _positive(p[1].get("bound"))]
            if proven:
                drawn.append(series(f"{name}, proven".lstrip(", "), "allowed",
                                    [p[0] for p in proven], [p[1] for p in proven]))
                told[-1] += f", proven bound {short(proven[-1][1])}"
        if drawn:
            found.append(plot(f"along-{key}", "along", title, f"{title}. {'; '.join(told)}.",
                              "training.records", x=("step", "linear"), y=(unit, "log"),
                              series=drawn))
    return found


def _positive(text: Any) -> bool:
    return text is not None and 0 < float(text) < float("inf")


def spectra(found: Sequence[Mapping[str, Any]]) -> list[Json]:
    """All places in one drawing, then the distribution at each."""
    kept = found[:MOST_PLACES]
    overview = [_overview(kept)] if len(kept) > 1 else []
    return [*overview, *(distribution(s) for s in kept)]


def _overview(found: Sequence[Mapping[str, Any]]) -> Json:
    rows = list(range(len(found)))
    ends = [(s["percentiles"][0], s["percentiles"][-1]) for s in found]
    halves = [(s["percentiles"][25], s["percentiles"][75]) for s in found]
    least, most = min(e[0] for e in ends), max(e[1] for e in ends)
    scale = "log" if least > 0 and most > LOG_FROM * least else "linear"
    wide = max(found, key=lambda s: s["percentiles"][-1])
    alt = (f"Singular values of the derivative of {len(found)} layers and blocks over the whole "
           f"batch: least, middle half, median and largest. The largest of all is "
           f"{short(most)}, at {wide['place']}; the least {short(least)}.")
    return plot(
        "singular-values", "singular-values", "Singular values of layers and blocks (measured)",
        alt, "measurement.spectra", x=("singular value", scale),
        y=("", [s["place"] for s in found]),
        series=[
            {"label": "least to largest", "role": "range", "y": rows,
             "low": [e[0] for e in ends], "high": [e[1] for e in ends]},
            {"label": "middle half", "role": "half", "y": rows,
             "low": [h[0] for h in halves], "high": [h[1] for h in halves]},
            series("median", "median", [s["percentiles"][50] for s in found], rows),
        ],
    )


def distribution(
    found: Mapping[str, Any], curve: tuple[Sequence[float], Sequence[float]] | None = None
) -> Json:
    """The share of singular values up to each value, at one place.

    Args:
        found: from `govcheck.numeric.measure.spectra.LayerSpectrum.as_json`.
        curve: more points of it than the percentiles, ascending.
    """
    at, share = curve or (found["percentiles"], [q / 100 for q in range(101)])
    error = found["cdf_error"]
    place, zero = found["place"], found["zero"]["value"]
    values = found["percentiles"]
    alt = (f"Distribution of the {found['count']} singular values of {place} "
           f"({found['rows']} × {found['columns']}): least {short(values[0])}, median "
           f"{short(values[50])}, largest {short(values[-1])}; {short(100 * zero)} % are zero")
    alt += f"; the distribution is known to within {short(error)}." if error else "."
    line = series("share", "share", at, share)
    if error:
        line |= {"low": [max(0.0, y - error) for y in share],
                 "high": [min(1.0, y + error) for y in share]}
    slug = re.sub(r"[^a-z0-9]+", "-", place.lower()).strip("-")
    return plot(f"distribution-{slug}", "distribution", f"Singular values of {place} (measured)",
                alt, "measurement.spectra", x=("singular value", "linear"),
                y=("share of singular values up to it", "linear"), series=[line])


def density(m: Mapping[str, Any]) -> Json:
    """The distribution of the eigenvalues of the Hessian, from Lanczos nodes and weights."""
    pairs = sorted(zip(m["arrays"]["nodes"], m["arrays"]["weights"], strict=True))
    total = sum(w for _, w in pairs)
    at: list[float] = []
    share: list[float] = []
    running = 0.0
    for node, weight in pairs:
        running += weight
        at.append(node)
        share.append(running / total)
    alt = (f"Estimated distribution of the eigenvalues of the Hessian of the loss, from "
           f"{short(at[0])} to {short(at[-1])}; {short(100 * m['value'])} % (± "
           f"{short(100 * m['error'])}) are clearly negative.")
    return plot("hessian-eigenvalues", "distribution", "Eigenvalues of the Hessian (estimate)",
                alt, "measurement.other.hessian_negative", x=("eigenvalue", "linear"),
                y=("share of eigenvalues up to it", "linear"),
                series=[series("share", "share", at, share)])


def depth(doc: Mapping[str, Any]) -> list[Json]:
    """lambda_0 against depth and against the number of samples, where these vary."""
    rows = doc["rows"]
    symbol = doc.get("depth_symbol") or "H"
    depths, counts = {r["depth"] for r in rows}, {r["n"] for r in rows}
    found = []
    if None not in depths and (len(depths) > 1 or len(counts) == 1):
        found += _against(rows, "depth", "lambda_min", symbol)
        found += _against(rows, "depth", "depth_free", symbol)
    if len(counts) > 1:
        found += _against(rows, "n", "lambda_min", symbol)
    return found


def _against(
    rows: Sequence[Mapping[str, Any]], against: str, value: str, symbol: str
) -> list[Json]:
    by_depth = against == "depth"
    group = "n" if by_depth else "depth"
    name = "λ₀" if value == "lambda_min" else f"λ₀ {symbol}²/α²"
    drawn, told = [], []
    for g in sorted({r[group] or 0 for r in rows}):
        own = [r for r in rows if (r[group] or 0) == g and (r[value] or 0) > 0]
        if not own:
            continue
        label = f"n = {g}" if by_depth else f"{symbol} = {g}" if g else ""
        x, y = [r[against] or 0 for r in own], [r[value] for r in own]
        drawn.append(series(label, "group", x, y,
                            hollow=[not r["certified_positive"] for r in own]))
        first, last = f"{short(y[0])} at {against} {x[0]}", f"{short(y[-1])} at {against} {x[-1]}"
        told.append(f"{label or name}: from {first} to {last}" if len(x) > 1 else
                    f"{label or name}: {first}")
    if not drawn:
        return []
    if value == "lambda_min":
        floors = sorted({r[against] or 0: r["floor"] for r in rows}.items())
        drawn.append(series("floor", "floor", [f[0] for f in floors], [f[1] for f in floors]))
    open_ = sum(not r["certified_positive"] for r in rows)
    title = f"{name} against {'depth' if by_depth else 'the number of samples'}"
    alt = f"{title}, on logarithmic axes. {'; '.join(told)}."
    if open_:
        alt += f" {open_} values, drawn hollow, are not certified positive."
    key = "lambda-depth-free" if value != "lambda_min" else f"lambda-{against}"
    return [plot(key, "depth", title, alt, "gram.rows",
                 x=(f"depth {symbol}" if by_depth else "samples n", "log"), y=(name, "log"),
                 series=drawn)]
