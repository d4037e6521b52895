"""matplotlib's SVG made fit for a page: no style sheets, the page's colour, own identifiers."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree

from govcheck.report.plot_style import INK

SVG: Final = "http://www.w3.org/2000/svg"
HREF: Final = "{http://www.w3.org/1999/xlink}href"
FONTS: Final = "system-ui, sans-serif"
NUMBER: Final = re.compile(r"-?\d+\.\d{3,}")
REFERENCE: Final = re.compile(r"url\(#([^)]+)\)")
FONT: Final = re.compile(r"^(?P<words>.*?)(?P<size>[\d.]+)px\s+(?P<family>.+)$")


def element(text: str, key: str, title: str, alt: str, ground: str = "") -> str:
    """An ``<svg>`` element from a file that matplotlib wrote.

    Args:
        text: of the file.
        key: what identifiers begin with.
        title, alt: for readers who do not see it.
        ground: colour behind it; none if empty.
    """
    root = ElementTree.fromstring(text)
    _drop(root)
    used = _used(root)
    for e in root.iter():
        e.tag = e.tag.removeprefix(f"{{{SVG}}}")
        _attributes(e, key, used)
    _head(root, key, title, alt)
    if ground:
        root.attrib["color"] = "black"
        everything = {"width": "100%", "height": "100%", "fill": ground}
        root.insert(2, ElementTree.Element("rect", everything))
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _drop(root: ElementTree.Element) -> None:
    """Metadata and style sheets."""
    for parent in list(root.iter()):
        for child in list(parent):
            name = child.tag.rpartition("}")[2]
            if name in ("metadata", "style"):
                parent.remove(child)
    for child in list(root):
        if child.tag == f"{{{SVG}}}defs" and not len(child):
            root.remove(child)


def _used(root: ElementTree.Element) -> set[str]:
    """Identifiers that something refers to."""
    found = set()
    for e in root.iter():
        for name, value in e.attrib.items():
            found |= set(REFERENCE.findall(value))
            if name in (HREF, "href"):
                found.add(value.removeprefix("#"))
    return found


def _attributes(e: ElementTree.Element, key: str, used: set[str]) -> None:
    given = dict(e.attrib)
    for part in given.pop("style", "").split(";"):
        name, colon, value = part.partition(":")
        if colon:
            given |= _declared(name.strip(), value.strip())
    if HREF in given:
        given["href"] = given.pop(HREF)
    kept = {}
    for name, value in given.items():
        if name == "id":
            if value in used:
                kept["id"] = f"{key}-{value}"
            continue
        if name == "href":
            value = f"#{key}-{value.removeprefix('#')}"
        value = REFERENCE.sub(rf"url(#{key}-\1)", value)
        value = value.replace(INK, "currentColor")
        kept[name] = NUMBER.sub(lambda m: f"{float(m[0]):.2f}", value)
    e.attrib.clear()
    e.attrib.update(kept)


def _declared(name: str, value: str) -> dict[str, str]:
    """A declaration of a style as attributes; fonts are the page's."""
    if name == "font-family":
        return {}
    if name != "font":
        return {name: value}
    match = FONT.match(value)
    assert match is not None, value
    found = {"font-size": match["size"]}
    for word in match["words"].split():
        if word in ("bold", "600", "700", "800"):
            found["font-weight"] = word
        elif word in ("italic", "oblique"):
            found["font-style"] = word
    return found


def _head(root: ElementTree.Element, key: str, title: str, alt: str) -> None:
    box = root.attrib["viewBox"]
    width, height = (float(v) for v in box.split()[2:])
    root.attrib.clear()
    root.attrib.update({
        "xmlns": SVG, "viewBox": box, "width": f"{4 * width / 3:.0f}",
        "height": f"{4 * height / 3:.0f}", "role": "img",
        "aria-labelledby": f"{key}-title", "aria-describedby": f"{key}-desc",
        "font-family": FONTS, "stroke-linejoin": "round", "stroke-linecap": "butt",
    })
    for position, (name, content) in enumerate((("title", title), ("desc", alt))):
        said = ElementTree.Element(name, {"id": f"{key}-{name}"})
        said.text = content
        root.insert(position, said)
