"""Files of a report: which format a name asks for, and writing them whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from govcheck.errors import InputError, Problem
from govcheck.writing import json_text, write_whole
from govcheck_cli import output

Json = dict[str, Any]

FORMATS: Final = {".html": "HTML", ".md": "Markdown", ".tex": "LaTeX", ".json": "JSON"}


def targets(names: Sequence[str]) -> list[Path]:
    """The files to write.

    Raises:
        InputError: for an ending without a format, a file named twice, a folder that is not
            there; all of them at once.
    """
    problems = []
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.suffix.lower() not in FORMATS:
            problems.append(Problem(
                "report-format", f"{name} has no ending that says a format", "-o",
                f"use {', '.join(f'{end} ({form})' for end, form in FORMATS.items())}",
            ))
        elif path.resolve() in (f.resolve() for f in found):
            problems.append(Problem("report-file", f"{name} is named twice", "-o"))
        elif not path.parent.is_dir():
            problems.append(Problem("report-file", f"there is no folder {path.parent}", "-o",
                                    "make it first"))
        elif path.is_dir():
            problems.append(Problem("report-file", f"{name} is a folder", "-o"))
        found.append(path)
    if problems:
        raise InputError(problems)
    return found


def write(doc: Json, path: Path, *, form: Any = "document", prefix: str = "gov") -> None:
    """Write a report in the format that the file's ending says, with what goes beside it.

    Args:
        doc: from `govcheck.report.full`.
        path: the file.
        form: of LaTeX: document, fragment or macros.
        prefix: of LaTeX macros.

    Raises:
        InputError: if a file cannot be written; then the report is as it was before.
    """
    write_whole(path, _rendered(doc, path, form, prefix), "report-file")
    output.note(f"wrote {path}")


def _rendered(doc: Json, path: Path, form: Any, prefix: str) -> str:
    match path.suffix.lower():
        case ".json":
            return json_text(doc)
        case ".html":
            from govcheck.report import html

            return html.render(doc)
        case ".md":
            from govcheck.report import markdown

            return markdown.render(doc, figures=_drawn(doc, path, ".svg"))
    return _latex(doc, path, form, prefix)


def _latex(doc: Json, path: Path, form: Any, prefix: str) -> str:
    from govcheck.report import bibliography, latex

    name = _plain(path.stem)
    if form == "macros":
        return latex.render(doc, form=form, prefix=prefix)
    write_whole(path.with_name(f"{name}.bib"), bibliography.bibtex(doc), "report-file")
    return latex.render(doc, form=form, figures=_drawn(doc, path, ".pdf"), bibliography=name,
                        prefix=prefix)


def _plain(stem: str) -> str:
    """A name that TeX and Markdown take in a path as it is."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", stem).strip("-") or "report"


def _drawn(doc: Json, path: Path, ending: str) -> dict[str, str]:
    """The drawings, each in a file beside the report."""
    found = {}
    for plot in doc.get("plots") or ():
        from govcheck.report.plots import save

        name = f"{_plain(path.stem)}-{_plain(plot['key'])}{ending}"
        save(plot, path.with_name(name))
        found[plot["key"]] = name
    return found
