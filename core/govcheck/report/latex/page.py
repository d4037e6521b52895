"""A whole LaTeX file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from govcheck.report.bibliography import cited
from govcheck.report.latex.escape import prose
from govcheck.report.latex.macros import PREFIX, macros, table
from govcheck.report.latex.write import NARROW, ROOM, Writer
from govcheck.report.pages import pages

Json = dict[str, Any]
Form = Literal["document", "fragment", "macros"]
FORMS: Final = ("document", "fragment", "macros")
NO_FIGURES: Final[Mapping[str, str]] = MappingProxyType({})

PREAMBLE: Final = r"""\documentclass{article}
\usepackage{amsmath}
\usepackage{booktabs}
%(graphics)s\setlength{\textwidth}{160mm}
\setlength{\oddsidemargin}{0mm}
\setlength{\textheight}{230mm}
\setlength{\topmargin}{-15mm}
"""
NEEDS: Final = "% needs \\usepackage{amsmath}, \\usepackage{booktabs}"


def render(
    doc: Json,
    *,
    form: Form = "document",
    figures: Mapping[str, str] = NO_FIGURES,
    bibliography: str = "report",
    prefix: str = PREFIX,
) -> str:
    """The report in LaTeX.

    Args:
        doc: from `govcheck.report.full`.
        form: a document; a fragment to ``\\input``; or the macros alone.
        figures: name of the file of each drawing by its key; drawings without are left out.
        bibliography: name of the ``.bib`` file without its ending.
        prefix: with which all macros begin, letters only.
    """
    found = macros(doc, prefix)
    definitions = "\n".join(m.definition() for m in found)
    first = f"% report of govcheck {doc['govcheck']}"
    if form == "macros":
        return "\n".join([first, "% needs \\usepackage{amsmath}", table(found), definitions, ""])
    body = "\n".join([
        r"\begingroup\sloppy\emergencystretch=3em\allowdisplaybreaks",
        Writer(figures, NARROW if form == "fragment" else ROOM).blocks(pages(doc, steps=False)),
        r"\par\endgroup",
    ])
    name = prose(doc["architecture"]["name"])
    if form == "fragment":
        needs = NEEDS + (" and \\usepackage{graphicx}" if figures else "")
        cites = f"% cites works of {bibliography}.bib: \\bibliography{{{bibliography}}}"
        return "\n".join([first, needs, cites, table(found), definitions, body, ""])
    graphics = "\\usepackage{graphicx}\n" if figures else ""
    end = [r"\bibliographystyle{plain}", rf"\bibliography{{{bibliography}}}"] if cited(
        doc) else []
    return "\n".join([
        first, table(found), PREAMBLE % {"graphics": graphics}, definitions,
        rf"\title{{{name}}}", r"\author{}", r"\date{}", r"\begin{document}", r"\maketitle",
        body, *end, r"\end{document}", "",
    ])
