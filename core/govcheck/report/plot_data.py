"""The drawings of a report as data: titles, texts and numbers, all from the document."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from govcheck.report import plot_curves
from govcheck.report.plot_parts import Json, listed, plot, series, short

MOST_ROWS: Final = 40


def plots_of(doc: Mapping[str, Any]) -> list[Json]:
    """What can be drawn of a report.

    Args:
        doc: from `govcheck.report.document.document`, with any of the optional keys
            ``tightness`` (as ``analyze --attack`` puts it), ``measurement`` (as ``measure
            --json`` prints it, also with --spectra or --chain; one or a list of them),
            ``gram`` (as ``gram --depth --json`` prints it) and ``training`` (a summary of a
            run with its ``records``, see `govcheck.numeric.train.files.run_document`).

    Returns:
        Each drawing as plain values: ``key`` (unique, fit for an identifier), ``kind``,
        ``title``, ``alt`` (what it shows, in a sentence with numbers), ``x`` and ``y`` (label
        and scale: linear, log, or rows with their names), ``series`` and ``source``, the part
        of the document whose numbers these are. See `govcheck.report.plots.figure`.
    """
    found: list[Json] = []
    if doc.get("tightness"):
        found += _tightness(doc["tightness"])
    measurements = doc.get("measurement") or []
    for m in [measurements] if isinstance(measurements, Mapping) else measurements:
        found += _measurement(m)
    if doc.get("training"):
        found += plot_curves.training(doc["training"])
    if doc.get("gram"):
        found += plot_curves.depth(doc["gram"])
    found += _modes(doc)
    return unique(found)


def unique(plots: Iterable[Json]) -> list[Json]:
    """The same drawings with keys that differ."""
    seen: dict[str, int] = {}
    found = []
    for p in plots:
        count = seen[p["key"]] = seen.get(p["key"], 0) + 1
        found.append(p if count == 1 else {**p, "key": f"{p['key']}-{count}"})
    return found


def _measurement(m: Mapping[str, Any]) -> list[Json]:
    found: list[Json] = []
    if m.get("rows"):
        found += _measured(m["rows"])
    if m.get("chains"):
        found += _chains(m)
    if m.get("spectra"):
        found += plot_curves.spectra(m["spectra"])
    density = next((o for o in m.get("other", ()) if o["quantity"] == "hessian_negative"
                    and o.get("arrays")), None)
    if density is not None:
        found.append(plot_curves.density(density))
    return found


def _tightness(part: Mapping[str, Any]) -> list[Json]:
    rows = [
        {"quantity": r["quantity"], "sense": r["sense"], "bound": r["bound"],
         "measured": r["measured"], "ratio": r["ratio"], "alarm": not r["holds"]}
        for r in part["rows"]
    ]
    return compared(
        rows, "tightness", "Proven bounds and the most extreme values found",
        f"found by a search over the parameter set, seed {part['seed']}", "tightness.rows")


def _measured(rows: Sequence[Mapping[str, Any]]) -> list[Json]:
    plain = [
        {"quantity": r["quantity"], "sense": r["sense"], "bound": r["bound"],
         "measured": r["measured"]["value"], "ratio": r["ratio"],
         "alarm": r["status"] == "alarm"}
        for r in rows
    ]
    return compared(plain, "measured", "Proven bounds and measured values",
                    "measured at one point", "measurement.rows")


def compared(
    rows: Sequence[Mapping[str, Any]], key: str, title: str, how: str, source: str
) -> list[Json]:
    """Bound, measured value and ratio of each quantity; nothing without any ratio.

    Args:
        rows: with quantity, sense, bound (a decimal or None), measured, ratio, alarm.
        key, title, source: of the drawing.
        how: what measured means here.
    """
    kept = [r for r in rows if all(positive(r[part]) for part in ("ratio", "bound", "measured"))
            ][:MOST_ROWS]
    if not kept:
        return []
    at = list(range(len(kept)))
    bounds = [float(r["bound"]) for r in kept]
    values = [float(r["measured"]) for r in kept]
    names = [f"{r['quantity']} {'≤' if r['sense'] == 'upper' else '≥'}" for r in kept]
    # rounded, so that rounding does not choose between equal ones
    closest = min(kept, key=lambda r: round(abs(math.log(r["ratio"])), 9))
    farthest = max(kept, key=lambda r: round(math.log(r["ratio"]), 9))
    alarms = [r["quantity"] for r in kept if r["alarm"]]
    count = "1 quantity" if len(kept) == 1 else f"{len(kept)} quantities"
    alt = f"Proven bounds beside values {how}, for {count}. The closest bound: {_told(closest)}."
    if farthest is not closest:
        alt += f" The farthest: {_told(farthest)}."
    if alarms:
        alt += f" Beyond its bound: {', '.join(alarms)}."
    if len(rows) > len(kept):
        alt += f" {len(rows) - len(kept)} without two positive numbers are left out."
    return [plot(
        key, "bounds", title, alt, source,
        x=("value (logarithmic); number: how many times apart", "log"), y=("", names),
        series=[
            {"label": "ratio", "role": "ratio", "y": at,
             "low": [min(p) for p in zip(bounds, values, strict=True)],
             "high": [max(p) for p in zip(bounds, values, strict=True)],
             "value": [r["ratio"] for r in kept], "alarm": [bool(r["alarm"]) for r in kept]},
            series("proven", "proven", bounds, at),
            series("measured", "measured", values, at),
        ],
    )]


def _told(r: Mapping[str, Any]) -> str:
    relation = "at most" if r["sense"] == "upper" else "at least"
    return (f"{r['quantity']}, proven {relation} {r['bound']}, measured {short(r['measured'])}, "
            f"ratio {short(r['ratio'])}")


def positive(value: Any) -> bool:
    """Whether it is a finite number above 0, or a decimal of one."""
    try:
        return value is not None and 0 < float(value) < math.inf
    except ValueError:
        return False


def _chains(m: Mapping[str, Any]) -> list[Json]:
    kept = [c for c in m["chains"] if c["quantity"] != "rate" and positive(c["measured"]["value"])
            and any(positive(b["bound"]) for b in c["bounds"])]
    if not kept:
        return []
    names = [f"{c['quantity']} {'≤' if c['sense'] == 'upper' else '≥'}" for c in kept]
    sets = list(dict.fromkeys(b["of"] for c in kept for b in c["bounds"]))
    drawn = []
    told = []
    for name in sets:
        points = [(float(b["bound"]), i) for i, c in enumerate(kept) for b in c["bounds"]
                  if b["of"] == name and positive(b["bound"])]
        if points:
            drawn.append(series(name, "group", [p[0] for p in points], [p[1] for p in points]))
    for c in kept:
        bounds = ", ".join(f"{b['of']} {b['bound']}" for b in c["bounds"] if positive(b["bound"]))
        told.append(f"{c['quantity']}: {bounds}, measured {short(c['measured']['value'])}")
    values = [float(c["measured"]["value"]) for c in kept]
    drawn.append(series("measured", "measured", values, list(range(len(kept)))))
    return [plot(
        "chain", "sets", "From printed constants to measured values",
        f"Bounds on smaller and smaller sets beside what a short run attains. {'; '.join(told)}.",
        "measurement.chains", x=("value (logarithmic)", "log"), y=("", names), series=drawn,
    )]


def _modes(doc: Mapping[str, Any]) -> list[Json]:
    """Bounds under several modes, side by side."""
    modes = [m["name"] for m in doc.get("modes", ())]
    proven = {m["name"]: m["guaranteed"] for m in doc.get("modes", ())}
    if len(modes) < 2:
        return []
    rows = [q for part in ("network", "loss") for q in doc["bounds"][part] if not q["auxiliary"]]
    kept = [q for q in rows if sum(positive(_value(q, m)) for m in modes) > 1]
    if not kept:
        return []
    drawn = []
    for mode in modes:
        points = [(float(_value(q, mode)), i) for i, q in enumerate(kept)
                  if positive(_value(q, mode))]
        if points:
            label = mode if proven.get(mode, True) else f"{mode} (not guaranteed)"
            drawn.append(series(label, "group", [p[0] for p in points], [p[1] for p in points]))
    names = [f"{q['quantity']} {'≤' if q['sense'] == 'upper' else '≥'}" for q in kept]
    told = listed(f"{q['quantity']} " + ", ".join(
        f"{m} {_value(q, m)}" for m in modes if positive(_value(q, m))) for q in kept)
    return [plot("modes", "sets", "Constants under several modes",
                 f"The same constants under the modes {listed(s['label'] for s in drawn)}: {told}.",
                 "bounds", x=("value (logarithmic)", "log"), y=("", names), series=drawn)]


def _value(q: Mapping[str, Any], mode: str) -> Any:
    return (q["answers"].get(mode) or {}).get("value")


__all__ = ["compared", "plots_of", "positive"]
