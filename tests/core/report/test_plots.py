"""Drawings: files, SVG for pages, and what readers see without colour."""

import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

import govcheck
from govcheck.report.plot_data import plots_of
from govcheck.report.plot_style import COLORS, INK, nth, power, rounded
from govcheck.report.plots import figure, save, svg

ROWS = [
    {"quantity": q, "sense": s, "bound": b, "measured": m, "ratio": r, "holds": r >= 1,
     "searches": 1}
    for q, s, b, m, r in (("D", "upper", "64.5", 32.25, 2.0), ("mu", "lower", "0.001", 87.0, 87e3),
                          ("<J & 'x'>", "upper", "2", 3.0, 2 / 3))
]
RECORDS = [
    {"step": k, "loss": 2.0**-k, "envelope": {"one.theorem": 1.5 * 2.0**-k, "other.theorem": 1.0}}
    for k in range(9)
]
GRAM = {"depth_symbol": "L", "rows": [
    {"depth": h, "n": n, "lambda_min": 1 / (h * n), "floor": 1e-9, "certified_positive": h < 4,
     "depth_free": None} for h in (1, 2, 4) for n in (3, 6)
]}
SPECTRUM = {
    "place": "conv..relu", "rows": 6, "columns": 8, "count": 6, "cdf_error": 0.05,
    "percentiles": [k / 50 for k in range(101)], "zero": {"value": 0.01},
}
DOC = {
    "tightness": {"seed": 0, "rows": ROWS}, "training": {"records": RECORDS}, "gram": GRAM,
    "measurement": {"spectra": [SPECTRUM, SPECTRUM | {"place": "affine"}]},
}
PLOTS = plots_of(DOC)
each = pytest.mark.parametrize("plot", PLOTS, ids=[p["key"] for p in PLOTS])


def elements(text):
    return [(e.tag.rpartition("}")[2], e) for e in ElementTree.fromstring(text).iter()]


@each
def test_an_svg_goes_into_any_page(plot):
    text = svg(plot)
    assert text == svg(plot) and len(text) < 40_000
    assert text.startswith("<svg ") and "<!" not in text and "<?" not in text
    found = elements(text)
    names = {name for name, _ in found}
    assert not names & {"script", "style", "foreignObject", "image", "metadata", "a"}
    assert names <= {"svg", "g", "path", "text", "tspan", "defs", "use", "clipPath", "rect",
                     "title", "desc"}
    attributes = {a for _, e in found for a in e.attrib}
    assert not [a for a in attributes if a == "style" or a == "class" or a.startswith("on")]
    assert not re.search(r"(?:href|url\()\W*(?:https?|data|javascript)", text)
    assert INK not in text and "currentColor" in text


@each
def test_identifiers_are_its_own_and_all_lead_somewhere(plot):
    text = svg(plot)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids)) and all(i.startswith(plot["key"] + "-") for i in ids)
    wanted = re.findall(r'(?:url\(#|href="#)([^)"]+)', text)
    wanted += re.findall(r'aria-\w+="([^"]+)"', text)
    assert wanted and set(wanted) <= set(ids)
    assert set(ids) == set(wanted)


@each
def test_those_who_do_not_see_it_are_told(plot):
    root = ElementTree.fromstring(svg(plot))
    assert root.attrib["role"] == "img"
    title, desc = list(root)[:2]
    assert (title.text, desc.text) == (plot["title"], plot["alt"])
    assert root.attrib["aria-labelledby"] == title.attrib["id"]


def words(text):
    return " ".join(e.text or "" for name, e in elements(text) if name in ("text", "tspan"))


def test_bounds_are_named_and_ratios_are_written():
    shown = words(svg(PLOTS[0]))
    for part in ("D ≤", "mu ≥", "<J & 'x'> ≤", "proven", "measured", "× 2", "× 8.7·10⁴",
                 "✖ beyond the bound, × 0.6667"):
        assert part in shown
    assert "Proven bounds" not in shown and "Proven bounds" in words(svg(PLOTS[0], headings=True))


def test_curves_are_named_at_their_ends():
    drawings = {p["key"]: words(svg(p)) for p in PLOTS}
    for part in ("loss (measured)", "one.theorem", "other.theorem", "step"):
        assert part in drawings["loss"]
    assert "n = 3" in drawings["lambda-depth"] and "depth L" in drawings["lambda-depth"]
    # far below everything else, it would only squeeze the rest
    assert "floor: at most 10⁻⁹, off the scale" in drawings["lambda-depth"]


def lines(drawn):
    return [
        (line.get_color(), line.get_linestyle(), line.get_marker())
        for line in figure(drawn).axes[0].lines if line.get_label() in
        {s["label"] for s in drawn["series"]}
    ]


@each
def test_nothing_is_told_by_colour_alone(plot):
    found = lines(plot)
    assert len({look[1:] for look in found}) == len(set(found))


def test_looks_repeat_late():
    looks = [tuple(nth(k).values()) for k in range(21)]
    assert len(set(looks)) == 21
    # without colour, as many as there are markers
    assert len({look[1:] for look in looks}) == 21


def luminance(color):
    parts = [int(color[k:k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("page", [1.0, luminance("#16191d")], ids=["light", "dark"])
def test_the_first_colours_stand_out(page):
    for color in COLORS[:4]:
        low, high = sorted((luminance(color), page))
        assert (high + 0.05) / (low + 0.05) >= 2.9, color


@pytest.mark.parametrize(("value", "text"), [
    (1e-4, "10⁻⁴"), (2e-4, "2·10⁻⁴"), (0.001, "0.001"), (3, "3"), (1000, "1000"),
    (99_999, "10⁵"), (85_316, "8.5·10⁴"), (0, "0"),
])
def test_ticks(value, text):
    assert (rounded(value) if value else power(value)) == text


@pytest.mark.parametrize(("ending", "start"), [
    ("svg", b"<?xml"), ("PNG", b"\x89PNG"), ("pdf", b"%PDF"),
])
def test_files_are_whole_and_the_same(tmp_path, ending, start):
    paths = [tmp_path / f"{name}.{ending}" for name in "ab"]
    for path in paths:
        save(PLOTS[:2], path, title="both")
    first, second = (p.read_bytes() for p in paths)
    assert first == second and first.startswith(start)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a.{ending}", f"b.{ending}"]


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(govcheck.InputError, match=r"\.svg, \.png or \.pdf"):
        save(PLOTS[0], tmp_path / "a.gif")
    with pytest.raises(govcheck.InputError, match="cannot be written"):
        save(PLOTS[0], tmp_path / "none" / "a.svg")


def test_a_ground_makes_it_legible_anywhere():
    root = ElementTree.fromstring(svg(PLOTS[0], ground="white"))
    assert root.attrib["color"] == "black"
    behind = list(root)[2]
    assert behind.tag.endswith("rect") and behind.attrib["fill"] == "white"


RUN = """
import sys
from govcheck.report.plot_data import plots_of
from govcheck.report import plots
assert "matplotlib" not in sys.modules
import matplotlib
names = [n for n in matplotlib.rcParams if n != "backend"]  # asking for it imports pyplot
before = [matplotlib.rcParams[n] for n in names]
plots.svg(plots_of({"training": {"records": [{"step": k, "loss": 1.0 + k} for k in (0, 1)]}})[0])
assert [matplotlib.rcParams[n] for n in names] == before
assert "matplotlib.pyplot" not in sys.modules
"""


def test_nothing_global_changes():
    found = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
