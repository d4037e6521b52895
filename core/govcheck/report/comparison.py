"""Several reports side by side: bounds, verdicts, measured numbers, losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from govcheck.report.plot_parts import plot, series, short

Json = dict[str, Any]
VACUOUS: Final = {"rate": 1.0, "tight_rate": 1.0}
MEASURED: Final = {
    "J": "largest singular value of the derivative in the input",
    "sigma_J": "smallest singular value of the derivative in the input",
    "D": "largest singular value of the derivative in the parameters",
    "sigma_D": "smallest singular value of the derivative in the parameters",
    "lambda_max": "largest eigenvalue of the Hessian of the loss",
    "lambda_min": "smallest eigenvalue of the Hessian of the loss",
}


@dataclass(frozen=True)
class Side:
    """One of the architectures.

    Args:
        label: unique among them.
        document: its report.
        measurement: as ``measure --json`` prints it, if it was measured.
        losses: pairs of step and loss, if it was trained.
        training: how it was trained, in words and numbers.
    """

    label: str
    document: Mapping[str, Any]
    measurement: Mapping[str, Any] | None = None
    losses: Sequence[tuple[int, float]] = ()
    training: Mapping[str, Any] | None = None


def comparison(sides: Sequence[Side]) -> Json:
    """One document about all of them.

    Returns:
        ``bounds``: rows with ``quantity``, ``sense``, ``meaning``, one entry a side with
        ``value`` or the reason why there is none, and ``best``, the labels of the sides with the
        sharpest value, none where the sides speak of different problems or the value says
        nothing; ``verdicts``: for each theorem of any side its status and what fails
        first; ``spectra``: measured extreme singular values and eigenvalues; ``training``:
        losses at common steps; ``remarks`` on what makes the comparison uneven.
    """
    return {
        "govcheck_comparison": 1,
        "architectures": [_about(s) for s in sides],
        "bounds": _bounds(sides),
        "verdicts": _verdicts(sides),
        "spectra": _spectra(sides),
        "training": _training(sides),
        "remarks": _remarks(sides),
    }


def _about(s: Side) -> Json:
    arch, data = s.document["architecture"], s.document["data"]
    return {
        "label": s.label, "name": arch["name"], "file": arch["file"],
        "layers": arch["layers"], "parameters": arch["parameters"],
        "data": None if data is None else data["source"],
        "parameter_set": s.document["parameter_set"],
    }


def _bounds(sides: Sequence[Side]) -> list[Json]:
    rows: dict[str, Json] = {}
    even_data, even_cost = _same_data(sides), _same_cost(sides)
    for s in sides:
        mode = s.document["modes"][0]["name"]
        for table in ("network", "loss"):
            for q in s.document["bounds"][table]:
                if q["auxiliary"]:
                    continue
                row = rows.setdefault(q["quantity"], {
                    "quantity": q["quantity"], "sense": q["sense"], "meaning": q["meaning"],
                    "sides": {},
                })
                row["sides"][s.label] = _cell(q["answers"][mode])
                row["best"] = even_data and (even_cost or table == "network")
    for row in rows.values():
        row["best"] = _best(row) if row["best"] else []
    return list(rows.values())


def _cell(answer: Mapping[str, Any]) -> Json:
    if answer["unknown"] is not None:
        return {"value": None, "state": "unknown", "why": answer["unknown"]["reason"]}
    return {"value": answer["value"], "state": answer["state"], "why": answer["problem"]}


def _best(row: Mapping[str, Any]) -> list[str]:
    """Labels of the smallest upper or the largest lower bound; none if all are the same."""
    numbers = {
        label: float(c["value"]) for label, c in row["sides"].items() if c["value"] is not None
    }
    if not numbers or (len(set(numbers.values())) == 1 and len(numbers) == len(row["sides"])):
        return []
    pick = min if row["sense"] == "upper" else max
    sharpest = pick(numbers.values())
    if sharpest == VACUOUS.get(row["quantity"], 0.0 if row["sense"] == "lower" else None):
        return []
    return [label for label, v in numbers.items() if v == sharpest]


def _verdicts(sides: Sequence[Side]) -> list[Json]:
    rows: dict[str, Json] = {}
    for s in sides:
        for v in s.document["theorems"]:
            if v["reading"] != "as_corrected":
                continue
            key = f"{v['theorem']} {v['title']}"
            row = rows.setdefault(key, {
                "theorem": v["theorem"], "title": v["title"],
                "reference": v["reference"]["text"], "sides": {},
            })
            failing = [h for h in v["hypotheses"] if not h["holds"]]
            row["sides"][s.label] = {
                "status": v["status"],
                "fails_first": failing[0]["statement"] if failing else None,
                "evidence": failing[0]["evidence"] if failing else None,
                "failing": len(failing),
            }
    return list(rows.values())


def _spectra(sides: Sequence[Side]) -> list[Json]:
    rows = []
    for quantity, meaning in MEASURED.items():
        found = {
            s.label: cell for s in sides
            if s.measurement is not None and (cell := _measured(s.measurement, quantity))
        }
        if found:
            rows.append({"quantity": quantity, "meaning": meaning, "sides": found})
    return rows


def _measured(m: Mapping[str, Any], quantity: str) -> Json | None:
    for row in m.get("rows", ()):
        if row["quantity"] == quantity and row["measured"]["where"] == "network":
            return {k: row["measured"][k] for k in ("value", "error", "method")}
    for other in m.get("other", ()):
        if other["quantity"] == quantity:
            return {k: other[k] for k in ("value", "error", "method")}
    return None


def _training(sides: Sequence[Side]) -> Json | None:
    trained = {s.label: dict(s.losses) for s in sides if s.losses}
    if not trained:
        return None
    steps = sorted(set.intersection(*(set(t) for t in trained.values())))
    return {
        "how": {s.label: dict(s.training or {}) for s in sides if s.losses},
        "steps": steps,
        "losses": {label: [t[k] for k in steps] for label, t in trained.items()},
    }


def _same_data(sides: Sequence[Side]) -> bool:
    return len({(s.document["data"] or {}).get("sha256") for s in sides}) == 1


def _same_cost(sides: Sequence[Side]) -> bool:
    return len({s.document["architecture"]["cost"] for s in sides}) == 1


def _remarks(sides: Sequence[Side]) -> list[str]:
    found = []
    if not _same_data(sides):
        found.append("the architectures name different data, so norms, losses and constants of "
                     "the loss are of different problems")
    if len({s.document["parameter_set"] for s in sides}) > 1:
        found.append("the bounds hold on different parameter sets")
    if not _same_cost(sides):
        found.append("the costs differ, so losses do not compare")
    return found


def plots(doc: Mapping[str, Any]) -> list[Json]:
    """The losses as one drawing, for `govcheck.report.plots`; nothing without training."""
    part = doc["training"]
    if part is None:
        return []
    ends = ", ".join(f"{label} {short(v[-1])}" for label, v in part["losses"].items())
    return [plot(
        "losses", "losses", "Loss along gradient descent",
        f"Loss at each step; after {part['steps'][-1]} steps: {ends}.", "training",
        x=("step", "linear"), y=("loss (measured)", "log"),
        series=[series(label, "group", part["steps"], v) for label, v in part["losses"].items()],
    )]
