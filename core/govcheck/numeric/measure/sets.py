"""Bounds proven on a parameter set that contains the point measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor

from govcheck.analysis import Analysis, analyze, data_values
from govcheck.bounds.answer import ComposedBound, Unknown
from govcheck.bounds.domain import AroundInit, Ball, Everything
from govcheck.bounds.expr import Expr, num
from govcheck.graph.architecture import DomainSpec
from govcheck.numeric.initial import leaf_name
from govcheck.numeric.measure.subject import Subject
from govcheck.plugin.registry import Registry

Which = Literal["auto", "file", "point"]


@dataclass(frozen=True, eq=False)
class Proven:
    """An analysis on a set that contains the point.

    Args:
        analysis: its bounds hold on the set.
        words: the set, and how the point lies in it.
        contains: whether other parameters, as one float64 vector, lie in it too.
    """

    analysis: Analysis
    words: str
    contains: Callable[[Tensor], bool]

    @property
    def bounds(self) -> Mapping[str, ComposedBound]:
        """All bounds by name."""
        return self.analysis.bounds


def distances(s: Subject, theta: Tensor, centre: Tensor | None) -> dict[str, float]:
    """Euclidean norm of each layer's parameters minus the centre, by the layer's name, the
    largest over the copies in a repeat; rounded up."""
    away = theta.double().cpu() if centre is None else theta.double().cpu() - centre
    found: dict[str, float] = {}
    for path, places in s.layer_slices().items():
        length = float(torch.linalg.vector_norm(torch.cat([away[p] for p in places])))
        node = leaf_name(f"{path}.")
        found[node] = max(found.get(node, 0.0), length * (1 + 1e-12))
    return found


def _farthest(
    s: Subject, points: Sequence[Tensor], centre: Tensor | None
) -> dict[str, float]:
    found: dict[str, float] = {}
    for theta in points:
        for node, length in distances(s, theta, centre).items():
            found[node] = max(found.get(node, 0.0), length)
    return found


def proven(
    analysis: Analysis, s: Subject, start: Tensor, registry: Registry, which: Which = "auto",
    also: Sequence[Tensor] = (),
) -> Proven:
    """Bounds on a set that contains the subject's parameters.

    Args:
        analysis: on the set that the file names.
        s: the subject.
        start: initial parameters, as one vector.
        registry: the plugins.
        which: ``file``: the file's set, enlarged to reach the point where it lies outside;
            ``point``: the smallest set around the initial weights; ``auto``: the file's, but
            the smallest around the initial weights where nothing holds on all parameters.
        also: further parameters that the set is to contain.
    """
    points = (s.theta, *also)
    if which == "auto":
        hopeless = isinstance(analysis.domain, Everything) and isinstance(
            analysis.bounds["D"].value, Unknown)
        which = "point" if hopeless else "file"
    if which == "point":
        radii = _farthest(s, points, start)
        made = _on(analysis, registry, "around_init", 0.0, radii)
        moved = max(radii.values(), default=0.0)
        words = (
            "the initial weights themselves" if moved == 0 else
            f"each layer within its actual distance from the initial weights (up to {moved:.4g})"
        )
        return Proven(made, words, _within(s, start, radii, math.inf))
    domain = analysis.domain
    if isinstance(domain, Everything):
        return Proven(analysis, "all parameters", lambda theta: True)
    assert isinstance(domain, Ball | AroundInit)
    centre = None if isinstance(domain, Ball) else start
    now = _farthest(s, points, centre)
    named = {node: _number(analysis, r) for node, r in domain.radii.items()}
    radius = _number(analysis, domain.radius)
    outside = {n: d for n, d in now.items() if d > named.get(n, radius)}
    if not outside:
        return Proven(analysis, domain.describe(), _within(s, centre, named, radius))
    kind: Literal["ball", "around_init"] = "ball" if centre is None else "around_init"
    radii = named | outside
    made = _on(analysis, registry, kind, radius, radii)
    words = (
        f"{domain.describe()}, enlarged at {', '.join(outside)} to reach the point, which lies "
        "outside"
    )
    return Proven(made, words, _within(s, centre, radii, radius))


def _number(analysis: Analysis, radius: Expr) -> float:
    value = analysis.value(radius)
    # a radius without a value admits everything; then bounds have no value either
    return math.inf if not hasattr(value, "lower") else float(value.lower())


def _within(
    s: Subject, centre: Tensor | None, radii: Mapping[str, float], radius: float
) -> Callable[[Tensor], bool]:
    def contains(theta: Tensor) -> bool:
        now = distances(s, theta, centre)
        return all(d <= radii.get(n, radius) for n, d in now.items())

    return contains


def _on(
    analysis: Analysis,
    registry: Registry,
    kind: Literal["ball", "around_init"],
    radius: float,
    radii: Mapping[str, float],
) -> Analysis:
    """The analysis on another set; the data are shared."""
    arch = analysis.architecture
    spec = DomainSpec(kind, num(_up(radius)), {n: num(_up(r)) for n, r in radii.items()})
    made = analyze(replace(arch, domain=spec, theorems=()), analysis.mode, registry, data=False)
    return _with_data(made, analysis)


def in_mode(analysis: Analysis, mode: str, registry: Registry) -> Analysis:
    """The same analysis under another mode, without theorems."""
    arch = replace(analysis.architecture, theorems=())
    return _with_data(analyze(arch, mode, registry, data=False), analysis)


def _with_data(made: Analysis, analysis: Analysis) -> Analysis:
    made.data = analysis.data
    if analysis.data is not None:
        made.env.update(data_values(analysis.data))
    return made


def _up(x: float) -> Fraction:
    """A short decimal that is at least x."""
    if x == 0:
        return Fraction(0)
    digits = 8 - math.ceil(math.log10(x))
    scale = Fraction(10) ** digits
    return Fraction(math.ceil(Fraction(x) * scale)) / scale


