"""An analysis in three sentences: what is guaranteed, what fails first, what to change."""

from __future__ import annotations

from typing import Final

from govcheck.analysis import Analysis
from govcheck.bounds.answer import Unknown
from govcheck.report.numbers import Numbers
from govcheck.theorems.protocol import Verdict

LONGEST: Final = 160


def in_short(a: Analysis, numbers: Numbers) -> list[str]:
    """Two or three sentences for the end of a report.

    Of the theorems that the file names, the first that does not apply is said; of those that
    are decided by default, the one that is nearest to applying.
    """
    corrected = [v for v in a.verdicts if v.reading == "as_corrected"]
    applying = [v for v in corrected if v.status == "applies"]
    failing = [v for v in corrected if v.status != "applies"]
    lines = [f"Guaranteed: {_step(a, numbers)}{_theorems(applying)}."]
    if not corrected:
        return lines
    if not failing:
        return [*lines, "Every theorem that was decided applies."]
    if a.architecture.theorems is None:
        failing.sort(key=_distance)
    lines.append(f"Fails first: {_failure(failing[0])}")
    lines.append(f"To change that: govcheck suggest {a.architecture.file} --theorem "
                 f"{failing[0].theorem} looks for the smallest edits under which it applies.")
    return lines


def _distance(v: Verdict) -> tuple[int, int]:
    """How far a theorem is from applying: failing hypotheses, then fewest that hold."""
    holding = sum(h.holds for h in v.hypotheses)
    return len(v.hypotheses) - holding, -holding


def _step(a: Analysis, numbers: Numbers) -> str:
    if a.mode.printed:
        return "nothing by these constants, which are as the paper prints them"
    beta = a.bounds.get("beta")
    if beta is None:
        return "bounds of the network; there is no loss without a cost"
    if isinstance(beta.value, Unknown):
        return "no step size, since beta is unknown"
    number = numbers.of(beta.value, "upper")
    size = "" if number.text is None else f" (beta <= {number.text})"
    staying = "" if a.architecture.domain.kind == "everything" else " inside the parameter set"
    return f"steps below 2/beta never increase the loss{staying}{size}"


def _theorems(applying: list[Verdict]) -> str:
    places = dict.fromkeys(f"[{v.reference.source}] {v.reference.place}" for v in applying)
    if not places:
        return ""
    several = len(places) > 1 or " and " in next(iter(places))
    return f"; {', '.join(places)} {'apply' if several else 'applies'}"


def _failure(v: Verdict) -> str:
    where = f"[{v.reference.source}] {v.reference.place}"
    first = next((h for h in v.hypotheses if not h.holds), None)
    if first is None:
        return f"{where}, which is {v.status}."
    evidence = first.evidence if len(first.evidence) <= LONGEST else (
        first.evidence[: LONGEST - 1].rsplit(" ", 1)[0] + " …")
    state = "is refuted" if first.status == "refuted" else "is not decided"
    return f"{where}, where '{first.statement}' {state}" + (f": {evidence}." if evidence else ".")
