"""Formulas as MathML, from the LaTeX of a report.

latex2mathml does the conversion. Names (``\\mathrm``, ``\\operatorname``) pass through it as
single private characters and come back as one identifier each: by itself it spells names as
products of letters and loses that one-letter names are upright. What it returns is rebuilt from
a short list of elements and attributes, so that no text can become markup.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import lru_cache
from typing import Final

from latex2mathml import converter
from markupsafe import Markup, escape

NAME: Final = re.compile(r"\\(?:mathrm|operatorname|text)\s*\{((?:[^{}\\]|\\.)*)\}")
NORM: Final = re.compile(r"(?<!left)\\\|(.+?)(?<!right)\\\|")
HATS: Final = frozenset("^~\u02c6\u02dc\u0302\u0303\u00af\u02c9")
PRIVATE: Final = 0xE000
ROOM: Final = 0x1900
TALL: Final = frozenset(
    ("mfrac", "msqrt", "mroot", "mtable", "munder", "mover", "munderover")
)
ELEMENTS: Final = TALL | frozenset(
    ("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "msub", "msup", "msubsup", "mtr",
     "mtd", "mstyle", "mpadded", "mphantom")
)
ATTRIBUTES: Final = frozenset(
    ("mathvariant", "width", "form", "stretchy", "columnalign", "displaystyle", "scriptlevel",
     "movablelimits")
)


@lru_cache(maxsize=4096)
def mathml(latex: str, *, display: bool = False) -> Markup:
    """A formula as ``<math>`` elements.

    A displayed formula is one element for each term of its outermost sum, between which a
    browser can break the line. What cannot be converted is shown as it stands.

    Args:
        latex: for math mode.
        display: whether it stands in a paragraph of its own.
    """
    names: list[str] = []
    try:
        source = NORM.sub(r"\\left\\|\1\\right\\|", _named(latex, names))
        plain = converter.convert(source, display="block" if display else "inline")
        root = ET.fromstring(plain)
    except Exception:  # its parser has no common exception for what it cannot read
        return Markup("<code>") + escape(latex) + Markup("</code>")
    tree = _rebuilt(root, names)
    if tree is None:
        return Markup("<code>") + escape(latex) + Markup("</code>")
    return Markup("<wbr>").join(_written(part, display) for part in _terms(tree, display))


def _named(latex: str, names: list[str]) -> str:
    """The source with each name replaced by one private character."""

    def stand_in(found: re.Match[str]) -> str:
        if len(names) >= ROOM:
            return found.group(0)
        names.append(re.sub(r"\\(.)", r"\1", found.group(1)))
        return rf"\text{{{chr(PRIVATE + len(names) - 1)}}}"

    return NAME.sub(stand_in, latex)


def _rebuilt(e: ET.Element, names: list[str]) -> ET.Element | None:
    """The same element with known tags and attributes only; None if there is an unknown one."""
    tag = e.tag.rpartition("}")[2]
    if tag not in ELEMENTS:
        return None
    text = (e.text or "").strip("\n ")
    attributes = {k: v for k, v in e.attrib.items() if k in ATTRIBUTES}
    if tag == "mtext" and len(text) == 1 and PRIVATE <= ord(text) < PRIVATE + len(names):
        return _name(names[ord(text) - PRIVATE])
    if tag == "mo" and len(text) > 1 and text.isalpha():
        return _name(text)
    if tag == "mo" and text in "()[]{}":
        attributes.pop("form", None)
    if tag == "mo" and attributes.get("stretchy") == "true":
        attributes.pop("stretchy")
    found = ET.Element(tag, attributes)
    found.text = text or None
    for child in e:
        inner = _rebuilt(child, names)
        if inner is None:
            return None
        found.append(inner)
    if tag == "mtd" and attributes.pop("columnalign", "") == "left":
        found.attrib.pop("columnalign", None)
        found.set("class", "left")
    if tag == "mover" and len(found) == 2 and found[1].text in HATS:
        found.set("accent", "true")
        found[1].set("stretchy", "false")
    if tag == "mrow":
        _calm(found)
    return found[0] if tag == "mrow" and len(found) == 1 else found


def _calm(row: ET.Element) -> None:
    """Bars around what is not tall keep their height: scripts alone would stretch them."""
    bars = [e for e in (*row[:1], *row[-1:]) if e.tag == "mo" and e.text in ("|", "\u2016")]
    if len(bars) == 2 and not any(e.tag in TALL for e in row.iter()):
        for e in bars:
            e.set("stretchy", "false")


def _name(name: str) -> ET.Element:
    tag = "mtext" if " " in name else "mi"
    e = ET.Element(tag, {"mathvariant": "normal"} if len(name) == 1 and tag == "mi" else {})
    e.text = name.replace(" ", "\u00a0")
    return e


def _terms(tree: ET.Element, display: bool) -> list[list[ET.Element]]:
    """What each ``<math>`` element holds: the formula, or the terms of its outermost sum."""
    row = list(tree)
    if len(row) == 1 and row[0].tag == "mrow":
        row = list(row[0])
    if not display:
        return [row]
    parts: list[list[ET.Element]] = [[]]
    for e in row:
        if e.tag == "mo" and e.text in ("+", "\u2212") and parts[-1]:
            e.set("form", "infix")
            parts.append([])
        parts[-1].append(e)
    return parts


def _written(row: list[ET.Element], display: bool) -> Markup:
    root = ET.Element("math", {"displaystyle": "true"} if display else {})
    root.extend(row)
    return Markup(ET.tostring(root, encoding="unicode"))
