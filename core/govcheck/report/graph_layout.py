"""Where the parts of a drawn layer graph go; coordinates in pixels, y downwards.

Every block becomes a `Picture` whose data enters at the top of its spine and leaves at the
bottom; pictures are put together from those of the blocks inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

Json = dict[str, Any]
Point = tuple[float, float]

GAP: Final = 16.0
SKIP: Final = 16.0
PAD: Final = 10.0
HEAD: Final = 20.0
LANE: Final = 14.0
JOIN: Final = 9.0
BESIDE: Final = 18.0
COLUMN_GAP: Final = 44.0
TALL: Final = 900.0
WIDE: Final = 960.0
MOST_COLUMNS: Final = 4


@dataclass(frozen=True)
class Box:
    """A layer, or the network's input or output; `key` is its node."""

    key: str
    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True)
class Circle:
    """A place where branches meet."""

    key: str
    x: float
    y: float
    sign: str


@dataclass(frozen=True)
class Frame:
    """Around what is repeated."""

    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class Line:
    """A connection through corner points; with an arrow at its end."""

    points: tuple[Point, ...]
    arrow: bool = True
    kind: str = "flow"


@dataclass(frozen=True)
class Picture:
    """A drawn block.

    Args:
        width, height: it lies in [0, width] x [0, height].
        spine: x at which data enters at y = 0 and leaves at y = height.
        right: where lines to and from its right side attach.
        head: whether a line that enters it ends there, and so has an arrow.
    """

    width: float
    height: float
    spine: float
    boxes: tuple[Box, ...] = ()
    circles: tuple[Circle, ...] = ()
    frames: tuple[Frame, ...] = ()
    lines: tuple[Line, ...] = ()
    right: Point = (0.0, 0.0)
    head: bool = True

    def at(self, x: float, y: float) -> Picture:
        """The same picture moved to another place."""
        return replace(
            self,
            boxes=tuple(replace(b, x=b.x + x, y=b.y + y) for b in self.boxes),
            circles=tuple(replace(c, x=c.x + x, y=c.y + y) for c in self.circles),
            frames=tuple(replace(f, x=f.x + x, y=f.y + y) for f in self.frames),
            lines=tuple(
                replace(e, points=tuple((px + x, py + y) for px, py in e.points))
                for e in self.lines
            ),
            right=(self.right[0] + x, self.right[1] + y),
        )


@dataclass
class _Parts:
    """Collects moved pictures and lines of a picture that is being put together."""

    pictures: list[Picture] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    circles: list[Circle] = field(default_factory=list)

    def picture(self, width: float, height: float, spine: float, right: Point) -> Picture:
        inner = self.pictures
        return Picture(
            width, height, spine,
            boxes=tuple(b for p in inner for b in p.boxes),
            circles=(*(c for p in inner for c in p.circles), *self.circles),
            frames=(*self.frames, *(f for p in inner for f in p.frames)),
            lines=(*(e for p in inner for e in p.lines), *self.lines),
            right=right,
        )


Size = Callable[[Json], tuple[float, float]]


def box(key: str, width: float, height: float, kind: str) -> Picture:
    """A picture of one box."""
    return Picture(
        width, height, width / 2, boxes=(Box(key, 0, 0, width, height, kind),),
        right=(width, height / 2),
    )


def layout(steps: Sequence[Json], size: Size, ends: tuple[Picture, Picture]) -> Picture:
    """The whole graph, long chains in several columns.

    Args:
        steps: ``architecture.tree`` of a report document.
        size: width and height of the box of a layer.
        ends: pictures of the input and of the output.
    """
    inner = [_block(s, size) for s in steps]
    pictures = [ends[0], *inner, ends[1]]
    if any("from" in s for s in steps):
        return _chain(pictures, [None, *steps, None])
    total = sum(p.height + GAP for p in pictures)
    count = min(MOST_COLUMNS, max(1, round(total / TALL + 0.35)))
    found = _columns(pictures, count)
    while count > 1 and found.width > WIDE:
        count -= 1
        found = _columns(pictures, count)
    return found


def _block(step: Json, size: Size) -> Picture:
    kind = step["kind"]
    if kind == "layer":
        width, height = size(step)
        return box(step["node"], width, height, "layer")
    if kind == "repeat":
        return _repeat(_body(step["body"], size), str(step["times"]))
    if kind == "residual":
        return _residual(_body(step["body"], size), step["node"])
    if kind == "parallel":
        branches = [_body(b, size) for b in step["branches"]]
        return _parallel(branches, step["node"], _sign(step["join"]))
    circle = Circle(step["node"], JOIN, JOIN, _sign(kind))
    return Picture(2 * JOIN, 2 * JOIN, JOIN, circles=(circle,), right=(2 * JOIN, JOIN))


def _sign(join: str) -> str:
    return "+" if join == "sum" else "\u2225"


def _body(steps: Sequence[Json], size: Size) -> Picture:
    if not steps:
        return Picture(2 * BESIDE, 2 * GAP, BESIDE,
                       lines=(Line(((BESIDE, 0), (BESIDE, 2 * GAP)), arrow=False, kind="skip"),),
                       right=(BESIDE, GAP), head=False)
    return _chain([_block(s, size) for s in steps], list(steps))


def _chain(pictures: Sequence[Picture], steps: Sequence[Json | None]) -> Picture:
    """Below each other on one spine; edges that skip steps run on the right."""
    spine = max(p.spine for p in pictures)
    parts = _Parts()
    y = 0.0
    for p in pictures:
        parts.pictures.append(p.at(spine - p.spine, y))
        y += p.height + GAP
    height = y - GAP
    width = max(spine - p.spine + p.width for p in pictures)
    tops = [0.0]
    for p in pictures:
        tops.append(tops[-1] + p.height + GAP)
    lanes: list[tuple[float, float]] = []
    names = [s["node"] if s else "" for s in steps]
    for i in range(len(pictures)):
        step = steps[i]
        sources = step.get("from") if step else None
        before = i - 1
        for j in [before] if sources is None else _sources(sources, names, i):
            if j == before and j >= 0:
                parts.lines.append(Line(((spine, tops[i] - GAP), (spine, tops[i])),
                                        arrow=pictures[i].head))
            elif j >= 0:
                parts.lines.append(_lane(parts.pictures[j], parts.pictures[i], width, lanes))
    width += LANE * len({round(x) for _, x in lanes})
    last = parts.pictures[-1]
    return replace(parts.picture(width, height, spine, last.right), head=pictures[0].head)


def _sources(sources: Sequence[str], names: Sequence[str], i: int) -> list[int]:
    """Positions of the steps that these names mean; the input is at the first position."""
    places = {name: j for j, name in enumerate(names[:i]) if name}
    return [places.get(s, 0 if not names[0] else -1) for s in sources]


def _lane(
    source: Picture, target: Picture, width: float, lanes: list[tuple[float, float]]
) -> Line:
    x = width + LANE * (len(lanes) + 1) - LANE / 2
    lanes.append((source.right[1], x))
    (x0, y0), (x1, y1) = source.right, target.right
    return Line(((x0, y0), (x, y0), (x, y1), (x1, y1)), kind="skip")


def _repeat(body: Picture, times: str) -> Picture:
    parts = _Parts([body.at(PAD, HEAD + PAD)])
    width, height = body.width + 2 * PAD, body.height + HEAD + 2 * PAD
    spine = body.spine + PAD
    parts.frames.append(Frame(0, 0, width, height, times))
    parts.lines.append(Line(((spine, 0), (spine, HEAD + PAD)), arrow=body.head))
    parts.lines.append(Line(((spine, height - PAD), (spine, height)), arrow=False))
    return replace(parts.picture(width, height, spine, (width, height / 2)), head=False)


def _residual(body: Picture, node: str) -> Picture:
    top = GAP
    parts = _Parts([body.at(SKIP, top)])
    spine = body.spine + SKIP
    end = top + body.height
    meet = end + GAP + JOIN
    parts.circles.append(Circle(node, spine, meet, "+"))
    parts.lines += [
        Line(((spine, 0), (spine, top)), arrow=body.head),
        Line(((spine, end), (spine, meet - JOIN))),
        Line(((spine, 4), (4, 4), (4, meet), (spine - JOIN, meet)), kind="skip"),
    ]
    whole = parts.picture(body.width + SKIP, meet + JOIN, spine, (spine + JOIN, meet))
    return replace(whole, head=False)


def _parallel(branches: Sequence[Picture], node: str, sign: str) -> Picture:
    parts = _Parts()
    deepest = max(b.height for b in branches)
    x = 0.0
    spines = []
    top = 2 * GAP
    for b in branches:
        parts.pictures.append(b.at(x, top))
        spines.append(x + b.spine)
        if b.height < deepest:
            parts.lines.append(Line(((x + b.spine, top + b.height), (x + b.spine, top + deepest)),
                                    arrow=False))
        x += b.width + BESIDE
    width = x - BESIDE
    spine = spines[0]
    end = top + deepest
    meet = end + GAP + JOIN
    parts.circles.append(Circle(node, spine, meet, sign))
    for i, s in enumerate(spines):
        parts.lines.append(Line(((spine, 0), (spine, top)) if i == 0 else
                                ((spine, GAP / 2), (s, GAP / 2), (s, top)),
                                arrow=branches[i].head))
        parts.lines.append(Line(((spine, end), (spine, meet - JOIN)) if i == 0 else
                                ((s, end), (s, meet), (spine + JOIN, meet))))
    return replace(parts.picture(width, meet + JOIN, spine, (spine + JOIN, meet)), head=False)


def _columns(pictures: Sequence[Picture], count: int) -> Picture:
    """A chain in columns beside each other, from the foot of one to the head of the next."""
    columns = [_chain(g, [None] * len(g)) for g in _split(pictures, count)]
    parts = _Parts()
    x = 0.0
    lead = GAP if len(columns) > 1 else 0.0
    feet: list[Point] = []
    for c in columns:
        if feet:
            (x0, y0), turn, spine = feet[-1], x - COLUMN_GAP / 2, x + c.spine
            low, high = y0 + GAP / 2, lead / 2
            parts.lines.append(Line(
                ((x0, y0), (x0, low), (turn, low), (turn, high), (spine, high), (spine, lead)),
                arrow=c.head))
        parts.pictures.append(c.at(x, lead))
        feet.append((x + c.spine, lead + c.height))
        x += c.width + COLUMN_GAP
    height = max(c.height for c in columns) + 2 * lead
    return parts.picture(x - COLUMN_GAP, height, columns[0].spine, (0, 0))


def _split(pictures: Sequence[Picture], count: int) -> list[list[Picture]]:
    """Consecutive groups of about the same height."""
    total = sum(p.height + GAP for p in pictures)
    groups: list[list[Picture]] = [[]]
    filled = 0.0
    for p in pictures:
        full = filled + p.height / 2 > total / count * len(groups)
        if groups[-1] and full and len(groups) < count:
            groups.append([])
        groups[-1].append(p)
        filled += p.height + GAP
    return groups
