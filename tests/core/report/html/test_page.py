"""The page: valid, self-contained, accessible, and its numbers are the document's."""

import base64
import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from govcheck.report.html import render

GOLDEN = Path(__file__).parents[3] / "data" / "report" / "tiny.html"
HOSTILE = '<script>alert(1)</script> & "x\'y" </style></svg>{{ 7*7 }}'


def _all(tree, *tags):
    return [e for e in tree.iter() if isinstance(e.tag, str) and _local(e) in tags]


def _local(e):
    return e.tag.rpartition("}")[2]


def _text(e):
    return "".join(e.itertext())


def _at(doc, pointer):
    """What a JSON pointer leads to."""
    for key in pointer.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        doc = doc[int(key)] if isinstance(doc, list) else doc[key]
    return doc


def test_golden(tiny, golden):
    golden(GOLDEN, render(tiny, font=False))


def test_the_same_document_gives_the_same_page(full, full_page):
    assert render(json.loads(json.dumps(full))) == full_page


def test_every_number_is_the_documents(full, tree):
    shown = [e for e in tree.iter() if e.get("data-at")]
    places = {e.get("data-at") for e in shown}
    for e in shown:
        given = _at(full, e.get("data-at"))
        text, exact = _text(e), e.get("value", _text(e))
        if isinstance(given, float):
            assert float(exact) == given
            assert float(text) == pytest.approx(given, rel=1e-5, abs=0)
            assert (float(text) == 1) == (given == 1)
        else:
            assert text == exact == str(given)
    mode = full["modes"][0]["name"]
    expected = {
        f"/bounds/{part}/{i}/answers/{m}/value"
        for part, rows in full["bounds"].items() for i, q in enumerate(rows)
        if not q["auxiliary"] for m, a in q["answers"].items() if a["value"] is not None
    }
    expected |= {f"/layers/{i}/bounds/{mode}/J/value" for i, r in enumerate(full["layers"])
                 if r["bounds"][mode]["J"]["value"] is not None}
    expected |= {f"/data/norms/{k}/{end}" for k in full["data"]["norms"] for end in ("low", "high")}
    expected |= {"/tightness/rows/0/bound", "/tightness/rows/0/measured",
                 "/measurement/rows/1/measured/value", "/measurement/rows/0/ratio"}
    assert expected <= places


def test_numbers_outside_marked_places_come_from_sentences_of_the_document(full, tree):
    """No cell of a table holds a number that is not marked with its place."""
    words = json.dumps(full, ensure_ascii=False)
    for row in _all(tree, "td"):
        if row.get("class") != "num":
            continue
        marked = "".join(_text(d) for d in _all(row, "data", "math"))
        loose = re.sub(r"[^0-9.e+-]", "", _text(row))
        assert loose == re.sub(r"[^0-9.e+-]", "", marked) or _text(row).strip() in (
            "unknown", "formula", "free", "\u2013") or _text(row).strip() in words


def test_names_and_links(tree):
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    links = [e.get("href") for e in _all(tree, "a")]
    assert links and all(href.startswith("#") and href[1:] in ids for href in links)
    for e in tree.iter():
        for name in ("aria-labelledby", "aria-describedby", "headers"):
            assert all(part in ids for part in (e.get(name) or "").split())


def test_nothing_is_loaded_or_run(full_page, tree):
    assert not _all(tree, "script", "iframe", "object", "embed", "base", "form", "img", "image")
    for e in tree.iter():
        for name, value in e.attrib.items():
            plain = str(name).rpartition("}")[2].lower()
            assert plain != "style" and not plain.startswith("on")
            if plain in ("href", "src", "action", "data", "xlink:href"):
                assert value.startswith("#") or (_local(e) == "link" and value == "data:,")
    outside = set(re.findall(r"https?://[^\s\"'<>)]+", full_page))
    allowed = ("http://www.w3.org/", "https://github.com/stipub/", "https://scripts.sil.org/",
               "http://scripts.sil.org/")
    assert all(url.startswith(allowed) for url in outside)
    assert "url(" not in re.sub(r'url\("data:font/woff2;base64,|url\(#', "", full_page)


def test_policy_allows_the_one_style_sheet_by_its_hash(tree):
    policy = next(e.get("content") for e in _all(tree, "meta")
                  if e.get("http-equiv") == "Content-Security-Policy")
    (style,) = _all(tree, "style")
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy


def test_headings_tables_and_drawings_are_accessible(full, tree):
    assert tree.get("lang") == "en"
    levels = [int(e.tag[1]) for e in _all(tree, "h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for table in _all(tree, "table"):
        assert _all(table, "thead") and _all(table, "tbody")
        assert all(th.get("scope") in ("row", "col") and _text(th).strip()
                   for th in _all(table, "th"))
    drawings = _all(tree, "svg")
    assert len(drawings) == 1 + len(full["plots"]) > 2
    for drawing in drawings:
        assert drawing.get("role") == "img"
        assert _text(_all(drawing, "title")[0]).strip() and _text(_all(drawing, "desc")[0]).strip()
    for figure in _all(tree, "figure"):
        assert _all(figure, "figcaption")
    for box in tree.iter():
        if box.get("tabindex"):
            assert box.get("aria-label") and box.get("role")


@pytest.mark.parametrize("name", [HOSTILE, "a\u2028b", "\\frac{", "x" * 300])
def test_names_stay_text(tiny, parse, name):
    doc = json.loads(json.dumps(tiny).replace("tanh", "<img src=x onerror=alert(2)>"))
    doc["architecture"]["name"] = name
    doc["warnings"] = [HOSTILE]
    tree = parse(render(doc, font=False))
    assert _text(_all(tree, "h1")[0]) == name
    assert _text(_all(tree, "title")[0]) == f"{name} \u2013 govcheck report"
    assert not _all(tree, "script", "img")
    assert len(_all(tree, "svg")) == 1 and len(_all(tree, "style")) == 1
    assert "<img src=x onerror=alert(2)>" in _text(tree) and HOSTILE in _text(tree)


def test_a_hostile_file_is_shown_as_it_is(report_of, small_text, parse):
    doc = report_of(small_text.format(name=json.dumps(HOSTILE)), modes=())
    tree = parse(render(doc, font=False))
    assert _text(_all(tree, "h1")[0]) == HOSTILE and not _all(tree, "script")


def test_what_fails_is_said(report_of, parse):
    text = """
govcheck: 1
name: kinks
input: [2]
layers: [{affine: {out: 2}}, relu, {affine: {out: 2}}]
cost: square
data: {sphere: {n: 2, classes: 2}}
domain: {ball: 1}
"""
    doc = report_of(text, modes=())
    tree = parse(render(doc, font=False))
    said = _text(tree)
    assert all(s.replace(" <= ", " \u2264 ").replace(" >= ", " \u2265 ") in said
               for s in doc["summary"])
    assert "unknown because" in said and "for the same reason as" in said
    lost = [e for e in tree.iter() if "gc-lost" in (e.get("class") or "")]
    assert not lost or "unknown" in said
    count = sum(v["status"] == "fails" and v["reading"] == "as_corrected" for v in doc["theorems"])
    assert f"{count} " in said


def test_without_cost_data_and_theorems(report_of, parse):
    text = "govcheck: 1\nname: bare\nsymbols: {m: }\ninput: [m]\nlayers: [{affine: {out: m}}]\n"
    doc = report_of(text, modes=())
    tree = parse(render(doc, font=False))
    headings = [_text(e) for e in _all(tree, "h2")]
    assert "Constants of the loss" not in headings and "Data" not in headings
    assert "Constants of the network" in headings
    assert "free" in _text(tree)


def test_font_and_licence_come_together(full_page, small):
    assert "data:font/woff2;base64," in full_page and "SIL OPEN FONT LICENSE" in full_page
    bare = render(small, font=False)
    assert "data:font/woff2" not in bare and "OPEN FONT LICENSE" not in bare


def test_free_symbols_lead_to_formulas(report_of, small_text, parse):
    text = small_text.format(name="free").replace("R: 1/2", "R: ")
    doc = report_of(text)
    tree = parse(render(doc, font=False))
    ids = {e.get("id") for e in tree.iter()}
    links = {e.get("href")[1:] for e in _all(tree, "a") if _text(e) == "formula"}
    assert {"f-beta", "f-J", "m1-beta"} <= links <= ids


def _contrast(one, two):
    """Ratio of relative luminances, as the accessibility guidelines define it."""

    def luminance(colour):
        full = colour if len(colour) == 7 else "#" + "".join(c + c for c in colour[1:])
        parts = [int(full[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_stands_out_in_light_dark_and_print(tree):
    (style,) = _all(tree, "style")
    palettes = [dict(re.findall(r"--([a-z-]+):(#[0-9a-f]+)", block))
                for block in re.findall(r":root{([^}]*--paper[^}]*)}", style.text)]
    assert len(palettes) == 3
    pairs = [(a, b) for a in ("ink", "soft", "link") for b in ("paper", "band", "box", "plain")]
    pairs += [(k, f"{k}-band") for k in ("good", "bad", "open")] + [("bad", "paper")]
    for palette in palettes:
        assert all(_contrast(palette[a], palette[b]) >= 4.5 for a, b in pairs)
