"""The drawn layer graph: everything is there, nothing overlaps, lines end where they should."""

import itertools
import xml.etree.ElementTree as ET

import pytest

import govcheck
from govcheck.report.document import document
from govcheck.report.graph_layout import layout
from govcheck.report.graph_svg import WIDTH, graph_svg, leaves
from govcheck.report.graph_svg import _end as end

HEAD = "govcheck: 1\nname: drawn\ninput: [4]\ncost: square\ndomain: {ball: 1}\nlayers:\n"
CHAIN = HEAD + "  - affine: {out: 4}\n  - tanh\n" * 30
NESTED = HEAD + """
  - affine: {out: 4}
  - repeat:
      times: 3
      block:
        - residual:
            - parallel:
                join: sum
                branches: [[{affine: {out: 4}}, tanh], [], [{affine: {out: 4}}]]
            - residual: [tanh]
        - tanh
  - parallel:
      join: concat
      branches: [[tanh], [{affine: {out: 2}}]]
"""
EDGES = HEAD + """
  - affine: {id: a, out: 4}
  - tanh: {id: b}
  - affine: {id: c, out: 4}
  - sum: {id: d, from: [a, c]}
  - tanh: {id: e}
  - concat: {id: f, from: [b, e, input]}
"""


@pytest.fixture(scope="module")
def drawn(registry):
    def make(text):
        arch = govcheck.loads(text, registry=registry)
        doc = document(govcheck.analyze(arch, registry=registry))
        picture = layout(doc["architecture"]["tree"], lambda s: (WIDTH, 30.0),
                         (end("input"), end("output")))
        return doc, picture

    return make


@pytest.mark.parametrize("text", [CHAIN, NESTED, EDGES])
def test_every_layer_has_a_box_of_its_own(drawn, text):
    doc, picture = drawn(text)
    names = [b.key for b in picture.boxes]
    assert sorted(names) == sorted(
        ["input", "output", *(s["node"] for s in leaves(doc["architecture"]["tree"]))])
    for b in picture.boxes:
        assert b.x >= 0 and b.x + b.width <= picture.width
        assert b.y >= 0 and b.y + b.height <= picture.height
    for a, b in itertools.combinations(picture.boxes, 2):
        apart = (a.x + a.width <= b.x or b.x + b.width <= a.x
                 or a.y + a.height <= b.y or b.y + b.height <= a.y)
        assert apart, (a, b)


@pytest.mark.parametrize("text", [CHAIN, NESTED, EDGES])
def test_arrows_end_at_boxes_and_joins(drawn, text):
    _, picture = drawn(text)

    def touches(x, y):
        edge = 0.6
        on_box = any(b.x - edge <= x <= b.x + b.width + edge
                     and b.y - edge <= y <= b.y + b.height + edge for b in picture.boxes)
        return on_box or any((c.x - x) ** 2 + (c.y - y) ** 2 <= (9 + edge) ** 2
                             for c in picture.circles)

    arrows = [e for e in picture.lines if e.arrow]
    assert arrows and all(touches(*e.points[-1]) for e in arrows)
    for e in picture.lines:
        for (x0, y0), (x1, y1) in itertools.pairwise(e.points):
            assert x0 == x1 or y0 == y1, e
            assert min(x0, x1) >= -1 and max(x0, x1) <= picture.width + 1, e


def test_each_box_is_reached(drawn):
    """Going along lines from the input reaches the output."""
    for text in (CHAIN, NESTED, EDGES):
        _, picture = drawn(text)
        ends = {e.points[-1] for e in picture.lines}
        for b in picture.boxes:
            if b.key != "input":
                assert any(abs(y - b.y) < 0.6 and b.x <= x <= b.x + b.width
                           for x, y in ends), b.key


def test_named_edges_are_drawn(drawn):
    _, picture = drawn(EDGES)
    skips = [e for e in picture.lines if e.kind == "skip"]
    assert len(skips) == 3  # a to d, b to f, input to f
    assert len({e.points[1][0] for e in skips}) == 3  # each in a lane of its own
    assert [c.sign for c in picture.circles] == ["+", "\u2225"]


def test_long_chains_take_columns(drawn):
    _, picture = drawn(CHAIN)
    assert len({b.x for b in picture.boxes}) > 1 and picture.width <= 1000


def test_bounds_stand_on_the_boxes_with_their_place(drawn):
    doc, _ = drawn(NESTED)
    text = graph_svg(doc)
    assert text == graph_svg(doc)
    root = ET.fromstring(text)
    shown = {e.get("data-at"): e.text for e in root.iter() if e.get("data-at")}
    for i, layer in enumerate(doc["layers"]):
        for q in ("J", "D"):
            answer = layer["bounds"]["tight"][q]
            at = f"/layers/{i}/bounds/tight/{q}/value"
            if answer["value"] is not None and answer["text"] != "0":
                assert shown[at] == answer["value"]
    assert not any(name == "style" for e in root.iter() for name in e.attrib)


def test_hostile_names_stay_text(drawn):
    doc, _ = drawn(EDGES)
    doc["architecture"]["name"] = '"><script>alert(1)</script>'
    mode = doc["modes"][0]["name"] = 'x"/~<b>'
    for layer in doc["layers"]:
        layer["bounds"][mode] = layer["bounds"]["tight"]
    root = ET.fromstring(graph_svg(doc))
    assert root.get("aria-label").endswith("</script>")
    assert {e.tag.rpartition("}")[2] for e in root.iter()} <= {
        "svg", "title", "desc", "g", "rect", "path", "circle", "text", "tspan"}
