"""An architecture: the network's structure with all that is said about it in the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from govcheck.bounds.expr import Expr
from govcheck.graph.blocks import NOWHERE, Chain, Mark
from govcheck.plugin.cost import Cost
from govcheck.plugin.data import DataSource
from govcheck.plugin.layer import Shape


@dataclass(frozen=True)
class DomainSpec:
    """Which parameters are considered; radii by node name override `radius`."""

    kind: Literal["everything", "ball", "around_init"] = "everything"
    radius: Expr | None = None
    radii: dict[str, Expr] = field(default_factory=dict)
    mark: Mark = NOWHERE


InitMethod = Literal["normal", "lecun", "he", "torch", "zero"]


@dataclass(frozen=True)
class LayerInit:
    """How the weights of one layer are drawn; `zero` makes every parameter of it 0."""

    method: InitMethod
    std: Expr | None = None


@dataclass(frozen=True)
class InitSpec:
    """How weights are drawn: entries from a normal distribution, scaled by fan-in or not.

    Args:
        method: for every layer that `at` does not name.
        std: standard deviation, with the method ``normal``.
        seed: of all random streams.
        at: by node name.
    """

    method: InitMethod = "normal"
    std: Expr | None = None
    seed: int = 0
    at: dict[str, LayerInit] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class TheoremRequest:
    """A theorem the file asks for by name, with its options."""

    name: str
    options: dict[str, Expr] = field(default_factory=dict)
    mark: Mark = NOWHERE


@dataclass(frozen=True, eq=False)
class Architecture:
    """A parsed and shape-checked architecture.

    Args:
        name: for headings.
        file: where it was read from.
        symbols: declared symbols, by name.
        values: value of each valued symbol, a formula without symbols.
        input: shape of one sample.
        body: the network.
        output: shape of one output sample.
        cost, data: instances of plugins; None when the file has none.
        init: how initial weights are drawn.
        domain: the parameter set.
        theorems: asked for by name; None means every theorem that is installed.
        train: settings for training, checked and otherwise untouched.
    """

    name: str
    file: str
    symbols: dict[str, Expr]
    values: dict[Expr, Expr]
    input: Shape
    body: Chain
    output: Shape
    cost: Cost | None = None
    data: DataSource | None = None
    init: InitSpec = field(default_factory=InitSpec)
    domain: DomainSpec = field(default_factory=DomainSpec)
    theorems: tuple[TheoremRequest, ...] | None = None
    train: dict[str, Any] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        from govcheck.report.jupyter import architecture_html

        return architecture_html(self)

    def _repr_svg_(self) -> str | None:
        from govcheck.report.jupyter import architecture_svg

        return architecture_svg(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        from govcheck.report.jupyter import architecture_text

        printer.text(architecture_text(self))
