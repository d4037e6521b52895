"""The layer graph of a report as one SVG element, with the bounds of each layer on its box."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from govcheck.report.graph_layout import Box, Circle, Frame, Line, Picture, box, layout
from govcheck.report.pointers import pointer

Json = dict[str, Any]

WIDTH: Final = 176.0
HEIGHT: Final = 42.0
FLAT: Final = 25.0
MARGIN: Final = 6.0
LETTER: Final = 7.0
SMALL: Final = 6.2
SHOWN: Final = ("J", "D")
SIGN: Final = {"upper": "\u2264", "lower": "\u2265"}
FILL: Final = {"layer": "#f4f7fa", "plain": "#ffffff", "end": "#e4eaef", "lost": "#fdeeec"}
CORNER: Final = 5.0


def graph_svg(doc: Json) -> str:
    """The architecture of a report document as ``<svg>``.

    Each layer shows the bounds of its derivatives in its input (J) and its parameters (D), in
    the report's first mode. Colours are attributes; a style sheet can replace them through
    the classes ``gc-box`` (with ``gc-layer``, ``gc-plain``, ``gc-end`` or
    ``gc-lost``), ``gc-line``, ``gc-skip``, ``gc-text``, ``gc-small``,
    ``gc-frame`` and ``gc-join``. Every shown number carries its place in the document as
    ``data-at`` (a JSON pointer).

    Args:
        doc: from `govcheck.report.document`.
    """
    drawing = _Drawing(doc)
    arch = doc["architecture"]
    ends = (_end("input"), _end("output"))
    picture = layout(arch["tree"], drawing.size, ends)
    width, height = picture.width + 2 * MARGIN, picture.height + 2 * MARGIN
    moved = picture.at(MARGIN, MARGIN)
    title = f"Layer graph of {arch['name']}"
    return "".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" class="gc-graph" '
        f'width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'font-family="system-ui, sans-serif" font-size="12" aria-label={quoteattr(title)}>',
        f"<title>{escape(title)}</title><desc>{escape(_description(doc))}</desc>",
        *(_frame(f) for f in moved.frames),
        *(_line(e) for e in moved.lines),
        *(_circle(c) for c in moved.circles),
        *(drawing.box(b) for b in moved.boxes),
        "</svg>",
    ])


def _end(key: str) -> Picture:
    return box(key, WIDTH, FLAT, "end")


class _Drawing:
    """Boxes of layers with what the document says about them."""

    def __init__(self, doc: Json) -> None:
        self._doc = doc
        mode = doc["modes"][0]["name"]
        self._bounds: dict[str, list[tuple[str, Json, str]]] = {}
        for i, layer in enumerate(doc["layers"]):
            answers = layer["bounds"][mode]
            self._bounds[layer["node"]] = [
                (q, answers[q], pointer("layers", i, "bounds", mode, q, "value"))
                for q in SHOWN if q in answers and not (q == "D" and answers[q]["text"] == "0")
            ]
        self._layers = {s["node"]: s for s in leaves(doc["architecture"]["tree"])}

    def size(self, step: Json) -> tuple[float, float]:
        flat = len(self._bounds.get(step["node"], ())) < 2
        return WIDTH, FLAT if flat and len(step["node"]) < 13 else HEIGHT

    def box(self, b: Box) -> str:
        if b.kind == "end":
            return self._end(b)
        layer = self._layers[b.key]
        bounds = self._bounds.get(b.key, [])
        lost = any(a["unknown"] is not None for _, a, _ in bounds)
        kind = "lost" if lost else "layer" if layer["parameters"] else "plain"
        parts = [_rect(b, kind, 4.0),
                 f"<title>{escape(_tooltip(layer, bounds))}</title>"]
        shape = "\u00d7".join(layer["input"])
        right = b.x + b.width - 8
        if b.height == FLAT:
            parts.append(_text(b.x + 8, b.y + 16.5, _cut(b.key, 12), "gc-text"))
            parts += [_bounds(right, b.y + 16.5, bounds, "end")]
        else:
            room = int((b.width - 24 - SMALL * len(shape)) / LETTER)
            parts.append(_text(b.x + 8, b.y + 16.5, _cut(b.key, max(room, 8)), "gc-text"))
            if len(b.key) <= room:
                parts.append(_text(right, b.y + 16.5, shape, "gc-small", "end"))
            parts.append(_bounds(b.x + 8, b.y + 33.5, bounds, "start"))
        return f"<g>{''.join(parts)}</g>"

    def _end(self, b: Box) -> str:
        arch = self._doc["architecture"]
        shape = "\u00d7".join(str(d["value"] or d["text"]) for d in arch[b.key])
        label = f"{b.key} {shape}"
        if b.key == "output" and arch["cost"]:
            label += f" \u2192 {arch['cost']}"
        middle = b.x + b.width / 2
        return "<g>" + _rect(b, "end", b.height / 2) + _text(
            middle, b.y + 16.5, _cut(label, 27), "gc-text", "middle") + "</g>"


def leaves(steps: list[Json]) -> Iterator[Json]:
    """All layers of an architecture tree, in its order."""
    for step in steps:
        if step["kind"] == "layer":
            yield step
        yield from leaves(step.get("body", []))
        for branch in step.get("branches", []):
            yield from leaves(branch)


def _description(doc: Json) -> str:
    arch = doc["architecture"]
    names = [s["node"] for s in leaves(arch["tree"])]
    shown = ", ".join(names[:40]) + (f" and {len(names) - 40} more" if len(names) > 40 else "")
    return (
        f"Layers from input to output: {shown}. Each box names a layer and the bounds of its "
        "derivative in its input (J) and in its parameters (D); dashed lines are skips, dashed "
        "frames are repeated, circles join branches by sum (+) or concatenation (\u2225)."
    )


def _tooltip(layer: Json, bounds: list[tuple[str, Json, str]]) -> str:
    given = ", ".join(f"{k} {v}" for k, v in layer["settings"].items())
    lines = [f"{layer['node']}: {layer['layer']}" + (f" ({given})" if given else "")]
    for q, a, _ in bounds:
        if a["unknown"] is not None:
            lines.append(f"{q} unknown: {a['unknown']['reason']}")
        elif a["value"] is None and len(a["text"]) <= 200:
            lines.append(f"{q} {SIGN[a['sense']]} {a['text']}")
    return "\n".join(lines)


def _bounds(x: float, y: float, bounds: list[tuple[str, Json, str]], anchor: str) -> str:
    parts = []
    for q, a, at in bounds:
        if a["unknown"] is not None:
            shown = f"{q} unknown"
        elif a["value"] is not None:
            shown = f'{q} {SIGN[a["sense"]]} <tspan data-at={quoteattr(at)}>' \
                    f'{escape(a["value"])}</tspan>'
        elif len(a["text"]) <= 12:
            shown = f"{q} {SIGN[a['sense']]} {escape(a['text'])}"
        else:
            shown = f"{q}: formula"
        parts.append(shown)
    return _raw_text(x, y, "\u2003".join(parts), "gc-small", anchor)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "\u2026"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _rect(b: Box, kind: str, radius: float) -> str:
    return (
        f'<rect class="gc-box gc-{kind}" x="{_n(b.x)}" y="{_n(b.y)}" width="{_n(b.width)}" '
        f'height="{_n(b.height)}" rx="{_n(radius)}" fill="{FILL[kind]}" stroke="#8b98a5"/>'
    )


def _text(x: float, y: float, text: str, css: str, anchor: str = "start") -> str:
    return _raw_text(x, y, escape(text), css, anchor)


def _raw_text(x: float, y: float, text: str, css: str, anchor: str) -> str:
    look = 'fill="#1d2126"' if css == "gc-text" else 'fill="#4d5761" font-size="10.5"'
    place = f'x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"'
    return f'<text class="{css}" {place} {look}>{text}</text>'


def _frame(f: Frame) -> str:
    return (
        f'<rect class="gc-frame" x="{_n(f.x)}" y="{_n(f.y)}" width="{_n(f.width)}" '
        f'height="{_n(f.height)}" rx="7" fill="none" stroke="#5f6d7a" stroke-dasharray="5 4"/>'
        + _text(f.x + f.width - 9, f.y + 17, f"\u00d7 {_times(f.label)}", "gc-text", "end")
    )


def _times(label: str) -> str:
    return f"({_cut(label, 18)})" if " " in label else _cut(label, 20)


def _circle(c: Circle) -> str:
    return (
        f'<circle class="gc-join" cx="{_n(c.x)}" cy="{_n(c.y)}" r="9" fill="#ffffff" '
        f'stroke="#8b98a5"/>' + _text(c.x, c.y + 4.3, c.sign, "gc-text", "middle")
    )


def _line(e: Line) -> str:
    css = "gc-skip" if e.kind == "skip" else "gc-line"
    dash = ' stroke-dasharray="3 3"' if e.kind == "skip" else ""
    path = (f'<path class="{css}" d="{_rounded(e.points)}" fill="none" stroke="#5f6d7a"'
            f' stroke-width="1.3"{dash}/>')
    return path + (_arrow(e.points) if e.arrow else "")


def _rounded(points: tuple[tuple[float, float], ...]) -> str:
    """A path through the points with rounded corners; all its pieces are axis-parallel."""
    parts = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        into, out = _towards(here, before), _towards(here, after)
        parts.append(f"L{_n(into[0])} {_n(into[1])}Q{_n(here[0])} {_n(here[1])} "
                     f"{_n(out[0])} {_n(out[1])}")
    parts.append(f"L{_n(points[-1][0])} {_n(points[-1][1])}")
    return "".join(parts)


def _towards(here: tuple[float, float], there: tuple[float, float]) -> tuple[float, float]:
    dx, dy = there[0] - here[0], there[1] - here[1]
    length = max(abs(dx), abs(dy), 1e-9)
    step = min(CORNER, length / 2)
    return here[0] + dx / length * step, here[1] + dy / length * step


def _arrow(points: tuple[tuple[float, float], ...]) -> str:
    (x0, y0), (x, y) = points[-2], points[-1]
    length = max(abs(x - x0), abs(y - y0), 1e-9)
    ux, uy = (x - x0) / length, (y - y0) / length
    corners = [(x, y), (x - 7 * ux + 3.2 * uy, y - 7 * uy - 3.2 * ux),
               (x - 7 * ux - 3.2 * uy, y - 7 * uy + 3.2 * ux)]
    path = "L".join(f"{_n(px)} {_n(py)}" for px, py in corners)
    return f'<path class="gc-head" d="M{path}Z" fill="#5f6d7a"/>'
