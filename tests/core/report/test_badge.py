import re
from xml.etree import ElementTree

import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

import govcheck
from govcheck.report import badge
from govcheck.report.badge import Badge
from govcheck.report.document import document

SVG = "{http://www.w3.org/2000/svg}"


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_white_text_has_contrast_on_each_ground():
    for ground in badge.GROUNDS:
        assert 1.05 / (luminance(ground) + 0.05) >= 4.5


@pytest.mark.parametrize("text", [bytes(range(33, 127)).decode(), "beta", "≤ 2.93379e+8", "MMWW"])
def test_widths_are_those_of_the_font(text):
    """Against the outlines that matplotlib draws with its own copy of the font."""
    size = 100
    drawn = TextPath((0, 0), text.replace("$", r"\$"), size=size,
                     prop=FontProperties("DejaVu Sans"), usetex=False).get_extents().x1
    ours = badge._width(text) / badge.SIZE * size
    assert abs(ours - drawn) <= 0.02 * drawn + size / badge.SIZE + 0.1 * size


HOSTILE = '</text><script>alert("1")</script>&\x00\'"'


def test_text_is_escaped_and_parts_do_not_overlap():
    for label, message in [("beta", "≤ 1"), (HOSTILE, HOSTILE), ("", "x" * 500)]:
        text = Badge(label, message, badge.HELD, True).svg()
        root = ElementTree.fromstring(text)
        assert {e.tag for e in root.iter()} == {
            SVG + t for t in ("svg", "title", "rect", "path", "g", "text")}
        assert root.get("role") == "img" and root.find(f"{SVG}title").text == root.get("aria-label")
        left, right = root.iter(f"{SVG}text")
        if label == HOSTILE:
            assert left.text == HOSTILE.replace("\x00", "\ufffd")
        end = float(left.get("x")) + float(left.get("textLength", 0))
        ground = float(re.match(r"M(\d+) 0", root.find(f"{SVG}path").get("d"))[1])
        assert end <= ground <= float(right.get("x"))
        assert float(right.get("x")) + float(right.get("textLength")) <= float(root.get("width"))
        # nothing from elsewhere, nothing that clashes where several badges share a page
        assert not re.search(r"url\(|href|@import|\bid=|style=", text.replace(HOSTILE, ""))
        assert len(message) < 500 or right.text.endswith("…")
        assert text == Badge(label, message, badge.HELD, True).svg()


def test_numbers_are_those_of_the_report(both):
    for part in ("network", "loss"):
        for q in both["bounds"][part]:
            shown = badge.of_quantity(both, q["quantity"])
            value = q["answers"]["tight"]["value"]
            assert shown.message == f"{'≤' if q['sense'] == 'upper' else '≥'} {value}"
            assert shown.holds
    with pytest.raises(KeyError):
        badge.of_quantity(both, "bta")


def test_what_is_unknown_or_not_guaranteed_does_not_hold(registry, analysis):
    paper = document(govcheck.with_mode(analysis, "paper"))
    shown = badge.of_quantity(paper, "beta")
    assert not shown.holds and "not guaranteed" in shown.message
    text = ("govcheck: 1\ninput: [2]\nlayers: [affine: {out: 2}, relu]\ncost: square\n"
            "symbols: {r: null}\n")
    doc = document(govcheck.analyze(govcheck.loads(text, registry=registry), registry=registry))
    assert badge.of_quantity(doc, "beta").message == "unknown"


@pytest.mark.parametrize(
    ("asked", "failed", "ground"),
    [(["a", "b"], [], badge.HELD), (["a", "b"], ["b"], badge.BROKEN), ([], [], badge.OPEN)],
)
def test_guarantees(both, asked, failed, ground):
    doc = {**both, "guarantees": {"asked": asked, "hold": not failed, "failed": failed}}
    shown = badge.of_guarantees(doc)
    assert (shown.ground, shown.holds) == (ground, not failed)


def test_verdicts(both):
    for v in both["theorems"]:
        if v["reading"] != "as_corrected":
            continue
        shown = badge.of_theorem(both, v["theorem"])
        assert shown.holds == (v["status"] == "applies")
        assumed = any(h["status"] in ("assumed", "measured") for h in v["hypotheses"])
        assert ("under assumptions" in shown.message) == (assumed and shown.holds)
    assert badge.of_theorem(both, "no.such").message == "not decided"
