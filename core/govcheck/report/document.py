"""The report as one versioned document of plain JSON values; every rendering reads only it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import govcheck
from govcheck.analysis import Analysis, with_mode
from govcheck.bounds.answer import MEANING, QUANTITIES, Bound, ComposedBound, Ref, Unknown
from govcheck.bounds.constants import Mode
from govcheck.bounds.expr import Expr
from govcheck.bounds.loss import LOSS_MEANING
from govcheck.bounds.printing import text
from govcheck.bounds.walk import postorder
from govcheck.plugin.loader import Broken
from govcheck.report.formulas import Notation, reachable
from govcheck.report.in_short import in_short
from govcheck.report.numbers import DIGITS, LAYER_DIGITS, Numbers, outward
from govcheck.report.structure import architecture, symbols
from govcheck.report.summary import summary
from govcheck.theorems.protocol import Verdict

Json = dict[str, Any]
FORMAT: Final = 1
NONE: Mapping[str, Analysis] = MappingProxyType({})
MODE_MEANING: Final = {
    "tight": "sharp composition rules with everything that is known; guaranteed",
    "coarse": "sharp composition rules without the operator norm of the data and without "
    "boundedness of activations; guaranteed",
    "sums": "sums of products ([M] Lemma 8.1) of corrected layer constants; upper bounds are "
    "guaranteed, lower bounds are not (erratum E2)",
    "paper": "sums of products of the constants as the paper prints them, errata included; "
    "for comparison, not guaranteed",
}
NOTATION: Final = {
    "let": "q@b: the bound of quantity q for the map up to and including block b, counted from "
    "the input of the enclosing residual or parallel block, or else from that of the network",
    "recur": "x[k]: the value of x after k steps of its recurrence",
    "chs": "h[n](r1, ..., rk): the sum of all monomials of degree n in r1, ..., rk; for example "
    "h[n](r, 1) = (r^(n+1) - 1)/(r - 1)",
}
NAMES: Final = "vwuzy"
"""Letters for parts of long formulas, one for each mode."""
NOT_GUARANTEED: Final = ("sigma_D", "mu", "rate", "tight_rate")


def document(
    analysis: Analysis,
    others: Mapping[str, Analysis] = NONE,
    broken: Sequence[Broken] = (),
) -> Json:
    """Everything a report says, as JSON values.

    Numbers are decimal strings, rounded up for upper bounds and down for lower ones.

    Args:
        analysis: what the report is about.
        others: the same architecture under other modes, shown beside it.
        broken: plugins that were set aside.
    """
    numbers = Numbers(analysis.env)
    columns = [
        _Column(a, numbers, letter)
        for a, letter in zip((analysis, *others.values()), NAMES, strict=False)
    ]
    sums = _closed_forms(columns, numbers)
    extra = [] if sums is None or any(c.name == sums.name for c in columns) else [sums]
    network, loss = _quantities(columns, sums)
    used = dict.fromkeys(s for c in (*columns, *extra) for s in c.symbols)
    return {
        "govcheck_report": FORMAT,
        "govcheck": govcheck.__version__,
        "architecture": architecture(analysis, numbers),
        "symbols": symbols(analysis, list(used)),
        "parameter_set": analysis.domain.describe(),
        "modes": [c.describe() for c in columns],
        "data": _data(analysis),
        "bounds": {"network": network, "loss": loss},
        "layers": _layers(columns),
        "definitions": {c.name: c.notation.definitions() for c in columns}
        | {c.name: _used_definitions(c, network, loss) for c in extra},
        "recurrences": {c.name: c.notation.recurrences() for c in columns},
        "notation": _notation([*columns, *extra]),
        "theorems": [columns[0].verdict(v) for v in analysis.verdicts],
        "guarantees": guarantees(analysis),
        "summary": summary(analysis, numbers),
        "in_short": in_short(analysis, numbers),
        "warnings": list(analysis.warnings),
        "broken_plugins": [dataclasses.asdict(b) for b in broken],
    }


def guarantees(a: Analysis) -> Json:
    """Whether every theorem the file asks for applies, by its corrected reading."""
    asked = a.architecture.theorems
    names = None if asked is None else [t.name for t in asked]
    decided: dict[str, list[Verdict]] = {}
    for v in a.verdicts:
        decided.setdefault(v.theorem, []).append(v)
    failed = [n for n in names or () if not _applies(decided.get(n, []))]
    return {"asked": names, "hold": not failed, "failed": failed}


def _applies(verdicts: Sequence[Verdict]) -> bool:
    corrected = [v for v in verdicts if v.reading == "as_corrected"] or verdicts
    return bool(corrected) and all(v.status == "applies" for v in corrected)


class _Column:
    """One analysis with names for its formulas."""

    def __init__(self, a: Analysis, numbers: Numbers, letter: str) -> None:
        self.a = a
        self.name = a.mode.name
        self.numbers = numbers
        shown: list[Bound] = list(a.bounds.values())
        shown += [b for c in a.local.values() for b in c.bounds.values()]
        shown += [b for v in a.verdicts for b in v.conclusions.values()]
        roots = [b.value for b in shown if isinstance(b.value, Expr)]
        self.notation = Notation(roots, letter)
        nodes = postorder(*roots)
        self.symbols = [e for e in nodes if e.op == "sym"]
        self.operators = {e.op for e in nodes}

    def describe(self) -> Json:
        mode: Mode = self.a.mode
        return {
            "name": mode.name,
            "meaning": MODE_MEANING.get(mode.name, ""),
            "guaranteed": not mode.printed,
        }

    def answer(self, b: Bound, digits: int = DIGITS) -> Json:
        """One answer: its formula and value, or why there is none."""
        value = b.value
        found: Json = {
            "sense": b.sense,
            "state": "unknown",
            "text": None,
            "latex": None,
            "uses": [],
            "value": None,
            "missing": [],
            "problem": "",
            "unknown": None,
            "guaranteed": self._guaranteed(b),
            "rule": b.rule,
            "reference": reference(b.ref),
            "note": b.note,
        }
        if isinstance(value, Unknown):
            found["unknown"] = {
                "reason": value.reason,
                "causes": [dataclasses.asdict(c) for c in value.causes],
                "more": value.more,
            }
            return found
        number = self.numbers.of(value, b.sense, digits)
        found |= self.notation.formula(value)
        found["state"] = "formula" if number.text is None else "value"
        found |= {"value": number.text, "missing": list(number.missing), "problem": number.problem}
        return found

    def _guaranteed(self, b: Bound) -> bool:
        mode = self.a.mode
        return not mode.printed and not (mode.lemma81 and b.quantity in NOT_GUARANTEED)

    def verdict(self, v: Verdict) -> Json:
        return {
            "theorem": v.theorem,
            "title": v.title,
            "reference": reference(v.reference),
            "reading": v.reading,
            "status": v.status,
            "summary": v.summary,
            "hypotheses": [
                {
                    "key": h.key,
                    "statement": h.statement,
                    "mode": h.mode,
                    "status": h.status,
                    "holds": h.holds,
                    "evidence": h.evidence,
                    "premises": [f"{p.quantity}@{p.node}" for p in h.premises],
                }
                for h in v.hypotheses
            ],
            "conclusions": [
                {"name": n, "name_latex": self.notation.name_latex(n), **self.answer(b)}
                for n, b in v.conclusions.items()
            ],
            "errata": [dataclasses.asdict(e) for e in v.errata],
            "remarks": list(v.remarks),
        }


def reference(ref: Ref) -> Json:
    """A place in the literature as JSON."""
    return {
        "source": ref.source, "place": ref.place, "errata": list(ref.errata), "text": str(ref)
    }


def _closed_forms(columns: Sequence[_Column], numbers: Numbers) -> _Column | None:
    """The analysis by sums of products, whose repeats have closed forms; None if not needed."""
    main = columns[0]
    if main.a.mode.lemma81 or not any(_steps(b) for b in main.a.bounds.values()):
        return None
    ready = next((c for c in columns if c.name == "sums"), None)
    return ready or _Column(with_mode(main.a, "sums"), numbers, NAMES[len(columns)])


def _steps(b: Bound) -> bool:
    """Whether a formula contains a recurrence that has no closed form."""
    return isinstance(b.value, Expr) and any(e.op == "recur" for e in postorder(b.value))


def _quantities(columns: Sequence[_Column], sums: _Column | None) -> tuple[list[Json], list[Json]]:
    names = list(columns[0].a.bounds)
    order = [q for q in QUANTITIES if q in names]
    order += [q for q in names if q not in QUANTITIES and q not in LOSS_MEANING]
    network = [_quantity(q, MEANING.get(q, ""), columns, sums) for q in order]
    loss = [_quantity(q, LOSS_MEANING[q], columns, sums) for q in names if q in LOSS_MEANING]
    return network, loss


def _quantity(q: str, meaning: str, columns: Sequence[_Column], sums: _Column | None) -> Json:
    first: ComposedBound = columns[0].a.bounds[q]
    answers = {c.name: c.answer(c.a.bounds[q]) for c in columns if q in c.a.bounds}
    found: Json = {
        "quantity": q, "name_latex": columns[0].notation.name_latex(q), "meaning": meaning,
        "sense": first.sense, "answers": answers,
    }
    found["auxiliary"] = q not in QUANTITIES and q not in LOSS_MEANING
    found["closed_form"] = None
    if sums is not None and q in sums.a.bounds and q not in NOT_GUARANTEED and _steps(first):
        closed = sums.a.bounds[q]
        if closed.known and not _steps(closed):
            found["closed_form"] = {"mode": sums.name, **sums.answer(closed)}
    return found


def _used_definitions(c: _Column, *tables: Iterable[Json]) -> list[Json]:
    """The definitions that the closed forms need."""
    names = [
        n for table in tables for q in table if q["closed_form"] for n in q["closed_form"]["uses"]
    ]
    return reachable(names, c.notation.definitions())


def _notation(columns: Sequence[_Column]) -> list[str]:
    """What the notation of the formulas means, as far as they use it."""
    operators = set().union(*(c.operators for c in columns))
    return [meaning for op, meaning in NOTATION.items() if op in operators]


def _layers(columns: Sequence[_Column]) -> list[Json]:
    main = columns[0].a
    return [
        {
            "node": leaf.node,
            "layer": leaf.layer.name,
            "where": str(leaf.mark),
            "input": [text(d) for d in main.shapes[leaf.node]],
            "bounds": {
                c.name: {
                    q: c.answer(b, LAYER_DIGITS) for q, b in c.a.local[leaf.node].bounds.items()
                }
                for c in columns
            },
        }
        for leaf in main.leaves()
        if leaf.node in main.local
    ]


def _data(a: Analysis) -> Json | None:
    if a.data is None:
        return None
    d, f = a.data.dataset, a.data.facts
    balls = {
        "frobenius": f.frobenius,
        "spectral": f.spectral,
        "sigma": f.sigma,
        "sigma_with_ones": f.sigma_with_ones,
        "target_norm": a.data.target_norm,
    }
    return {
        "source": d.source,
        "sha256": d.sha256,
        "seed": d.seed,
        "samples": f.samples,
        "features": f.features,
        "norms": {
            k: {"low": outward(b, "lower"), "high": outward(b, "upper")} for k, b in balls.items()
        },
        "rank": f.rank,
        "rank_exact": f.rank_exact,
        "floor": f"{f.floor:.1e}",
        "independent": f.independent,
        "explanation": f.explanation,
        "targets": a.data.targets,
    }
