"""What ``govcheck gram`` says about Gram matrices: one JSON value, and its text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from govcheck.writing import finite
from govcheck_cli import output
from govcheck_cli.gram_options import shown_size

if TYPE_CHECKING:
    from govcheck.bounds.answer import Unknown
    from govcheck.certify.sample_facts import Directions, Lengths
    from govcheck.graph.architecture import Architecture
    from govcheck.kernels.dual import DualError
    from govcheck.kernels.plan import Plan
    from govcheck.kernels.spectrum import SmallestEigenvalue, Spectrum
    from govcheck.plugin.data import Dataset
    from govcheck.report.page import Page

Json = dict[str, Any]

FORMAT: Final = "govcheck gram 1"
DIGITS: Final = 6
COLUMN: Final = 4
SAME: Final = 1e-6
"""Percent that rounding of nearly singular matrices can make."""

STATUS: Final = {"proved": "green", "rounded": "green", "refuted": "bold red", "unknown": "yellow"}
MEANING: Final = """\
The bound of {lam}_min is proved for every symmetric matrix whose entries differ from the computed
ones by at most the entry error. That error contains rounding and is estimated from two
resolutions. A value up to the floor cannot be told from 0. {lam}_min, {lam}_max and the condition
number themselves are computed in float64."""


def down(x: Fraction) -> float:
    """The largest float64 that is not above a rational number."""
    value = float(x)
    return value if Fraction(value) <= x else math.nextafter(value, -math.inf)


def head(arch: Architecture, data: Dataset, used: int) -> Json:
    """What was analysed."""
    import govcheck

    return {
        "format": FORMAT,
        "govcheck": govcheck.__version__,
        "name": arch.name,
        "file": arch.file,
        "data": {
            "source": data.source, "sha256": data.sha256, "seed": data.seed,
            "samples": used, "of": len(data.x), "features": int(data.x[0].size),
        },
    }


def hypotheses(length: Lengths, direction: Directions) -> list[Json]:
    """What theorems about these matrices ask of the samples."""
    return [
        {
            "name": "unit_norm", "statement": "every sample has Euclidean length 1",
            "status": length.status, "explanation": length.explanation,
            "offending": list(length.offending), "deviation": finite(length.deviation),
        },
        {
            "name": "not_parallel",
            "statement": "no sample is 0, no two are parallel or antiparallel",
            "status": direction.status, "explanation": direction.explanation,
            "zero": list(direction.zero), "parallel": _pairs(direction.parallel),
            "antiparallel": _pairs(direction.antiparallel), "close": _pairs(direction.close),
            "undecided": direction.undecided, "cosine": direction.cosine,
        },
    ]


def _pairs(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    return [list(p) for p in pairs]


def eigenvalue(s: SmallestEigenvalue) -> Json:
    """A smallest eigenvalue."""
    return {
        "lambda_min_lower": down(s.lower), "lambda_min": s.value, "floor": s.floor,
        "entry_error": s.entry_error, "certified_positive": s.certified_positive,
    }


def block(name: str, title: str, found: Spectrum, random: bool) -> Json:
    """A matrix."""
    return {
        "name": name, "title": title, "n": found.n, "trace": found.trace,
        **eigenvalue(found.smallest), "lambda_max": found.largest,
        "condition": finite(found.condition), "mean_of_random": random, "unknown": None,
    }


def lost(name: str, title: str, why: Unknown) -> Json:
    """A matrix that does not exist."""
    return {"name": name, "title": title, "unknown": why.reason, "certified_positive": False,
            "mean_of_random": False}


def memory(found: Plan, cap: int) -> Json:
    """Estimated and allowed memory."""
    return {"peak_bytes": found.peak, "cap_bytes": cap}


def expectations(error: DualError, degree: int | None) -> Json:
    """How the entries were found."""
    return {"kind": error.kind, "error": error.size, "degree": degree}


def render(doc: Json) -> str:
    """The report as text."""
    page = output.make_page()
    introduction(page, doc)
    if doc["blocks"]:
        _blocks(page, doc["blocks"])
    if doc["printed"] is not None:
        _printed(page, doc["printed"])
    if doc["saved"] is not None:
        page.title("File")
        page.field("saved", f"{doc['saved']['path']}: {doc['saved']['name']}, float64, "
                            f"{shown_size(doc['saved']['bytes'])}")
    return page.text()


def introduction(page: Page, doc: Json) -> None:
    """The network, the data, and what is decided about the data."""
    _head(page, doc)
    page.title("Hypotheses on the data")
    for h in doc["hypotheses"]:
        held = h["status"] in ("proved", "rounded")
        page.hypothesis(page.mark(held, h["status"]), h["status"], STATUS[h["status"]],
                        f"{h['statement']}: {h['explanation']}")


def _head(page: Page, doc: Json) -> None:
    page.line(doc["name"] or doc["file"], "bold")
    data = doc["data"]
    part = "" if data["samples"] == data["of"] else f", the first {data['samples']} of them"
    page.field("data", f"{data['source']}: {data['of']} samples of {data['features']} "
                       f"features{part}")
    how = doc.get("expectations")
    if how is not None:
        kind = {"closed form": "closed form, rounding apart",
                "bound": f"proved to {how['error']:.1e}, rounding apart",
                "estimate": f"estimated to {how['error']:.1e}"}[how["kind"]]
        page.field("expectations", kind)
        entries = "each pair of samples by itself" if how["degree"] is None else (
            f"samples of equal norm: a polynomial of degree {how['degree']} in the correlation")
        page.field("entries", entries)
    if "memory" in doc:
        page.field("memory", f"about {shown_size(doc['memory']['peak_bytes'])} at most")


def greek(page: Page) -> str:
    """The letter for eigenvalues."""
    return "λ" if page.unicode else "lambda"


def _blocks(page: Page, blocks: list[Json]) -> None:
    lam = greek(page)
    page.title("Gram matrices in the limit of infinite width")
    known = [b for b in blocks if b["unknown"] is None]
    if len(known) == 1:
        b = known[0]
        n = b["n"]
        page.field("block", b["title"] + (", mean of a random matrix" * b["mean_of_random"]))
        page.field("size", f"{n} x {n}")
        page.field("trace", number(b["trace"]))
        page.field(f"{lam}_min", f"{page.sign('lower')} {lower(b['lambda_min_lower'])} proved "
                                 f"({number(b['lambda_min'])} computed, floor {b['floor']:.2g})")
        page.field(f"{lam}_max", f"{number(b['lambda_max'])} computed")
        page.field("condition", "-" if b["condition"] is None else number(b["condition"]))
        page.field("entry error", f"{b['entry_error']:.1e} estimated")
    elif known:
        _table(page, known)
    for b in blocks:
        if b["unknown"] is not None:
            page.item(f"{b['title']}: there is none: {b['unknown']}", "yellow")
    if known:
        page.paragraphs(MEANING.format(lam=lam))
    for b in known:
        good = b["certified_positive"]
        verdict = "certified" if good else "not certified"
        if len(known) == 1 or b["name"] == "last":
            page.hypothesis(page.mark(good, "refuted"), verdict,
                            "green" if good else "bold red",
                            f"{lam}_min of {b['title']} is positive")


def _table(page: Page, blocks: list[Json]) -> None:
    lam, n = greek(page), blocks[0]["n"]
    page.field("size", f"{n} x {n}")
    table = page.table("block", "trace", f"{lam}_min {page.sign('lower')}", "floor", f"{lam}_max",
                       "cond.", "error", "", fold=True)
    for b in blocks:
        table.add_row(
            b["title"] + (" (mean)" * b["mean_of_random"]), number(b["trace"], COLUMN),
            lower(b["lambda_min_lower"], COLUMN), f"{b['floor']:.1e}",
            number(b["lambda_max"], COLUMN),
            "-" if b["condition"] is None else number(b["condition"], 2),
            f"{b['entry_error']:.0e}", page.mark(b["certified_positive"], "refuted"),
        )
    page.console.print(table)


def _printed(page: Page, p: Json) -> None:
    lam = greek(page)
    page.title("As printed and corrected")
    page.field("definition", p["title"])
    if p["why_not"] is not None:
        page.item(p["why_not"], "yellow")
        return
    page.field("corrected", f"{lam}_0 = {number(p['corrected'])}")
    page.field("as printed", f"{lam}_0 = {number(p['printed'])}{difference(p['percent'])}")
    if len(p["errata"]) > 1:
        for e in p["errata"]:
            page.field(f"  {e['id']} alone", f"{lam}_0 = {number(e['lambda_0'])}"
                                             f"{difference(e['percent'])}: {e['meaning']}")
    else:
        page.field("erratum", f"{p['errata'][0]['id']}: {p['errata'][0]['meaning']}")
    if p["percent"] is not None and p["percent"] > SAME:
        page.item(f"the printed {lam}_0 is too large: widths and rates that follow from it are "
                  "not safe", "yellow")


def difference(percent: float | None) -> str:
    """A relative difference in percent."""
    if percent is None:
        return ""
    if abs(percent) < SAME:
        return " (no difference)"
    sign = "+" if percent > 0 else "-"
    size = abs(percent)
    return f" ({sign}{size:.0f} %)" if size >= 100 else f" ({sign}{size:.2g} %)"


def number(x: float, digits: int = DIGITS) -> str:
    """A computed number."""
    return f"{x:.{digits}g}"


def lower(x: float, digits: int = DIGITS) -> str:
    """A decimal that is not above a number."""
    from govcheck.bounds import evaluate

    # a decimal of so few digits survives the way through float64
    return number(float(evaluate.lower(evaluate.ball(x), digits)), digits)
