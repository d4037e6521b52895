"""Reports for people: a page for each key, the page of errata, the summary table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from govcheck.reproduce.protocol import Claim, Pair, Report
from govcheck.theorems.protocol import Erratum

SIGN: Final = {"equal": "=", "at most": "<=", "at least": ">="}
BEGIN: Final = "<!-- govcheck reproduce --summary -->"
END: Final = "<!-- end of the summary -->"
WRONG: Final = ("agrees after correction", "contradicted")
EVIDENCE: Final = 12
"""Most numbers of a claim on the page of errata."""
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
        if r.outcome.verdict == "not computable":
            count += "".join(f": {c.reason}" for c in r.outcome.claims)
        rows.append((f"`{r.key}`", r.title, r.reference, r.outcome.verdict, count,
                     r.identity["size"]))
    return table(("key", "what", "where", "verdict", "claims", "size"), rows)


def embedded(text: str, fresh: str) -> str:
    """A text with the table between the marks `BEGIN` and `END` replaced.

    Raises:
        ValueError: if it has not each mark once, in this order.
    """
    before, *rest = text.split(BEGIN)
    if len(rest) != 1 or text.count(END) != 1 or END not in rest[0]:
        raise ValueError(f"it needs the lines {BEGIN} and {END} once each, in this order")
    return f"{before}{BEGIN}\n{fresh}\n{END}{rest[0].split(END)[1]}"


def errata(reports: Iterable[Report]) -> str:
    """The page of errata: statement as printed, corrected, numerical evidence.

    An entry is made for every claim that a number contradicts, corrected or not, and for every
    erratum that a claim names, with the numbers that were computed. Other claims without a
    verdict are listed at the end, and so are errata that no number shows.
    """
    reports = list(reports)
    entries = [(r, c) for r in reports for c in r.outcome.claims if c.errata or c.verdict in WRONG]
    open_ = [(r, c) for r in reports for c in r.outcome.claims
             if c.verdict == "not computable" and not c.errata]
    named = {i for _, c in entries for i in c.errata}
    silent = {e.id: e for r in reports for e in r.errata if e.id not in named}
    parts = [
        "# Errata, with the numbers that show them",
        "Made by `govcheck reproduce` from the reports beside this page. A number marked "
        "*printed* is compared with the statement as it stands in print, one marked "
        "*corrected* with the statement given after it.",
        table(("erratum", "where", "key", "claim", "verdict", "size"), (
            (", ".join(c.errata), r.reference, r.key, c.key, c.verdict, r.identity["size"])
            for r, c in entries)),
    ]
    for report in reports:
        shown = [c for r, c in entries if r is report]
        if shown:
            known = {e.id: e for e in report.errata}
            parts.append(f"## {report.reference} ({report.key}: {report.title})")
            parts += [_erratum(report.key, c, known) for c in shown]
    if silent:
        parts.append("## Mistakes that no number shows")
        parts.append("\n".join(f"* {e.id}: {e.printed} - instead: {e.corrected}. Why: {e.evidence}."
                               for e in silent.values()))
    if open_:
        parts.append("## Left open")
        parts.append("\n".join(f"* {r.reference} ({r.key}, {c.key}): {c.statement}. {c.reason}."
                               for r, c in open_))
    return "\n\n".join(parts) + "\n"


def _erratum(key: str, claim: Claim, known: Mapping[str, Erratum]) -> str:
    named = f"{', '.join(claim.errata)} ({claim.key})" if claim.errata else claim.key
    parts = [f"### {named}: {claim.verdict}", f"* As printed: {claim.statement}"]
    if claim.corrected:
        parts.append(f"* Corrected: {claim.corrected}")
    if claim.reason:
        parts.append(f"* No number for the printed statement: {claim.reason}.")
    for e in (known[i] for i in claim.errata if i in known):
        parts.append(f"* {e.id} in short: {e.printed} - instead: {e.corrected}")
    text = "\n".join(parts)
    # what speaks against a statement first
    pairs = sorted(claim.pairs, key=lambda p: (p.holds, p.reading != "as_printed"))
    shown = [p for p in claim.pairs if p in pairs[:EVIDENCE]]
    evidence = table(("evidence", "computed", "", "published", "statement", "holds"),
                     map(_row, shown)) if shown else ""
    rest = pairs[EVIDENCE:]
    more = f"{len(rest)} more numbers, all of which hold, are in the report of {key}."
    if not all(p.holds for p in rest):
        more = (f"{len(rest)} more numbers, of which {sum(not p.holds for p in rest)} do not "
                f"hold, are in the report of {key}.")
    return "\n\n".join(filter(None, (text, evidence, more if rest else "", *claim.remarks)))
