"""Reports for people: a page for each key, the page of errata, the summary table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from govcheck.reproduce.protocol import Claim, Pair, Report
from govcheck.theorems.protocol import Erratum

SIGN: Final = {"equal": "=", "at most": "<=", "at least": ">="}
READING: Final = {"as_printed": "printed", "as_corrected": "corrected"}


def number(value: float | int | str) -> str:
    """A number in a table: five digits, whole numbers as they are."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (abs(value) < 1e6 and value == int(value)):
        return str(int(value))
    return f"{value:.5g}"


def cell(text: object) -> str:
    """Text that stays within one cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell(c) for c in line) + " |" for line in lines)


def page(report: Report) -> str:
    """The report of one key in Markdown."""
    outcome, own = report.outcome, report.identity
    parts = [
        f"# {report.key}: {report.title}",
        f"{report.reference}. Verdict: **{outcome.verdict}**.",
        table(("claim", "verdict"), ((c.statement, c.verdict) for c in outcome.claims)),
    ]
    parts += [_claim(c) for c in outcome.claims]
    if outcome.plot is not None:
        parts.append(f"![{cell(outcome.plot.caption)}]({report.key}.svg)")
        parts.append(outcome.plot.caption)
    for t in outcome.tables:
        parts.append(f"## {t.title}")
        parts.append(table(t.header, ([number(c) for c in row] for row in t.rows)))
    parts.append("## How it was computed")
    facts = [
        f"size {own['size']}, seed {own['seed']}, govcheck {own['version']}, "
        f"code {own['code']}, {report.seconds:.0f} s",
        "; ".join(f"{k} {v}" for k, v in report.made_with.items()),
        *(f"data: {d}" for d in outcome.data),
        *outcome.notes,
    ]
    parts.append("\n".join(f"* {f}" for f in facts))
    return "\n\n".join(parts) + "\n"


def _claim(claim: Claim) -> str:
    parts = [f"## {claim.key}: {claim.verdict}", f"As printed: {claim.statement}"]
    if claim.corrected:
        parts.append(f"Corrected: {claim.corrected}")
    if claim.reason:
        parts.append(f"No number for the printed statement: {claim.reason}.")
    if claim.pairs:
        parts.append(table(
            ("what", "computed", "", "published", "statement", ""), map(_row, claim.pairs)
        ))
    if claim.errata:
        parts.append(f"Errata: {', '.join(claim.errata)}.")
    parts += claim.remarks
    return "\n\n".join(parts)


def _row(pair: Pair) -> tuple[str, ...]:
    published = number(pair.published)
    if pair.rtol or pair.atol:
        slack = [f"{pair.rtol:.3g} relative"] if pair.rtol else []
        slack += [f"{pair.atol:.3g}"] if pair.atol else []
        published += f" (within {' + '.join(slack)})"
    where = f" [{pair.source}]" if pair.source else ""
    return (pair.what, number(pair.computed), SIGN[pair.relation], published,
            READING[pair.reading] + where, "yes" if pair.holds else "**no**")


def summary(reports: Iterable[Report]) -> str:
    """The table of all verdicts, in Markdown."""
    rows = []
    for r in reports:
        verdicts = [c.verdict for c in r.outcome.claims]
        count = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        rows.append((f"`{r.key}`", r.title, r.reference, r.outcome.verdict, count,
                     r.identity["size"]))
    return table(("key", "what", "where", "verdict", "claims", "size"), rows)


def errata(reports: Iterable[Report]) -> str:
    """The page of errata: statement as printed, corrected, numerical evidence.

    An entry is made for every claim that does not simply agree, and for every erratum that a
    claim names, with the numbers that were computed.
    """
    parts = [
        "# Errata, with the numbers that show them",
        "Made by `govcheck reproduce` from the reports beside this page. A number marked "
        "*printed* is compared with the statement as it stands in print, one marked "
        "*corrected* with the statement given after it.",
    ]
    for report in reports:
        known = {e.id: e for e in report.errata}
        shown = [c for c in report.outcome.claims if c.verdict != "agrees" or c.errata]
        if not shown:
            continue
        parts.append(f"## {report.reference} ({report.key}: {report.title})")
        parts += [_erratum(c, known) for c in shown]
    return "\n\n".join(parts) + "\n"


def _erratum(claim: Claim, known: Mapping[str, Erratum]) -> str:
    named = ", ".join(claim.errata)
    head = f"### {named}: {claim.verdict}" if named else f"### {claim.key}: {claim.verdict}"
    parts = [head, f"* As printed: {claim.statement}"]
    if claim.corrected:
        parts.append(f"* Corrected: {claim.corrected}")
    if claim.reason:
        parts.append(f"* No number for the printed statement: {claim.reason}.")
    for e in (known[i] for i in claim.errata if i in known):
        parts.append(f"* {e.id} in short: {e.printed} - instead: {e.corrected}")
    text = "\n".join(parts)
    evidence = table(("evidence", "computed", "", "published", "statement", ""),
                     map(_row, claim.pairs)) if claim.pairs else ""
    return "\n\n".join(filter(None, (text, evidence, *claim.remarks)))
