"""Pieces of drawings as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Json = dict[str, Any]


def plot(
    key: str, kind: str, title: str, alt: str, source: str, *,
    x: tuple[str, str], y: tuple[str, str | Sequence[str]], series: list[Json],
) -> Json:
    """One drawing; an axis is a label with a scale, or with the names of its rows."""
    return {
        "key": key, "kind": kind, "title": title, "alt": alt, "source": source,
        "x": _axis(*x), "y": _axis(*y), "series": series,
    }


def _axis(label: str, scale: str | Sequence[str]) -> Json:
    if isinstance(scale, str):
        return {"label": label, "scale": scale}
    return {"label": label, "scale": "rows", "names": list(scale)}


def series(label: str, role: str, x: Sequence[float], y: Sequence[float], **more: Any) -> Json:
    """Points with a name; `role` says how they look."""
    return {"label": label, "role": role, "x": list(x), "y": list(y), **more}


def short(value: float) -> str:
    """A number in a sentence."""
    return f"{value:.4g}"


def listed(words: Iterable[str]) -> str:
    """Words with commas."""
    return ", ".join(words)


def thinned(count: int, most: int) -> list[int]:
    """At most `most` positions out of `count`, evenly, with the first and the last."""
    if count <= most:
        return list(range(count))
    return sorted({round(k * (count - 1) / (most - 1)) for k in range(most)})
