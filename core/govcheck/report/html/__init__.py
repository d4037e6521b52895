"""The report as one HTML file: no scripts, nothing loaded, formulas as MathML."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from govcheck.report.html.cells import prose
from govcheck.report.html.view import page

Json = dict[str, Any]


def render(doc: Json, *, font: bool = True) -> str:
    """The report as an HTML document that opens offline and under a strict policy.

    Its policy (``Content-Security-Policy``) allows its one style sheet, by hash, and the font
    inside it, and nothing else: no script, no image, no connection. Every number that the
    document holds stands in an element with ``data-at``, the JSON pointer to it.

    Args:
        doc: from `govcheck.report.document`, with any of the optional keys ``tightness``,
            ``measurement``, ``plots`` and ``derivations``.
        font: whether to embed the subset of STIX Two Math (130 kB) and its licence; without
            it, formulas are set in a mathematical font of the reader's machine.
    """
    style = _style(font)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    text = _environment().get_template("report.html.j2").render(
        **page(doc), style=Markup(style), digest=digest, licence=_licence() if font else [],
    )
    return "\n".join(line.rstrip() for line in text.split("\n") if line.strip()) + "\n"


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("govcheck.report.html", "templates"), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    found.filters["prose"] = prose
    return found


@cache
def _style(font: bool) -> str:
    """The style sheet, on lines without indentation, as the page has it."""
    own = files("govcheck.report.html")
    sheet = own.joinpath("templates", "style.css").read_text(encoding="utf-8")
    face = ""
    if font:
        data = base64.b64encode(own.joinpath("font", "stix-two-math.woff2").read_bytes())
        face = ('@font-face{font-family:"govcheck math";src:url("data:font/woff2;base64,'
                f'{data.decode()}") format("woff2")}}\n')
    lines = (face + sheet).splitlines()
    return "\n" + "\n".join(line.rstrip() for line in lines if line.strip()) + "\n"


@cache
def _licence() -> list[str]:
    """Its paragraphs."""
    path = files("govcheck.report.html").joinpath("font", "OFL.txt")
    return [p for p in path.read_text(encoding="utf-8").split("\n\n") if p.strip()]
