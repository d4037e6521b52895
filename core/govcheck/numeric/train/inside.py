"""Whether iterates are in the parameter set of an analysis, measured."""

from __future__ import annotations

from collections.abc import Mapping

from flint import arb
from torch import Tensor

from govcheck.analysis import Analysis
from govcheck.bounds.domain import AroundInit, Ball, Everything
from govcheck.bounds.expr import Expr
from govcheck.numeric.build import Network
from govcheck.numeric.initial import leaf_name
from govcheck.numeric.train.step_size import lower_float

ROOM = 1e-10
"""Computed norms count this much more than they are."""


class Inside:
    """Membership of the product set: one ball for each layer, each copy by itself.

    Args:
        analysis: whose domain it is.
        start: the initial parameters by name, for balls around them.
    """

    def __init__(self, analysis: Analysis, start: Mapping[str, Tensor]) -> None:
        self.analysis, self.start = analysis, start
        self._radii: dict[str, float | None] = {}

    @property
    def needed(self) -> bool:
        """Whether anything has to be checked."""
        return not isinstance(self.analysis.domain, Everything)

    def why_not(self, module: Network) -> str:
        """The first layer outside of its ball; empty if there is none."""
        domain = self.analysis.domain
        if isinstance(domain, Everything):
            return ""
        if not isinstance(domain, Ball | AroundInit):
            return f"membership of the set ({domain.describe()}) is not checked"
        around = isinstance(domain, AroundInit)
        squares: dict[str, Tensor] = {}
        for path, p in module.named_parameters():
            moved = p.detach().double()
            if around:
                moved = moved - self.start[path].double()
            layer = path.rpartition(".")[0]
            square = moved.square().sum()
            squares[layer] = squares[layer] + square if layer in squares else square
        for layer, square in squares.items():
            node = leaf_name(f"{layer}.x")
            radius = self._radius(node, domain.radii.get(node, domain.radius))
            size = float(square.sqrt())
            what = "has moved by" if around else "has norm"
            if radius is None:
                return f"the radius at {node} has no value"
            if not size * (1 + ROOM) <= radius:
                ball = f"its ball of radius {radius:.6g}"
                return f"layer {layer} {what} {size:.6g}, outside of {ball}"
        return ""

    def _radius(self, node: str, formula: Expr) -> float | None:
        if node not in self._radii:
            value = self.analysis.value(formula)
            self._radii[node] = lower_float(value) if isinstance(value, arb) else None
        return self._radii[node]
