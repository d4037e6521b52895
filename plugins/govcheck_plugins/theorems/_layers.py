"""The hypotheses of Proposition 4.2 about each layer by itself."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from govcheck.analysis import SAMPLES, Analysis
from govcheck.bounds.answer import Unknown
from govcheck.bounds.constants import LayerConstants
from govcheck.bounds.domain import Ball, Domain
from govcheck.bounds.expr import sym
from govcheck.graph.ask import layer_constants
from govcheck.plugin.layer import At
from govcheck.theorems.protocol import Hypothesis, Status
from govcheck_plugins.theorems._support import place_key

SHOWN: Final = 6

PROPERTIES: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("f_bounded", "every layer f is bounded", ("out",)),
    ("f_lipschitz", "every layer f is Lipschitz", ("J", "D")),
    ("Df_bounded", "every Df is bounded", ("D",)),
    ("Jf_bounded", "every Jf is bounded", ("J",)),
    ("Df_lipschitz", "every Df is Lipschitz", ("xt", "tt")),
    ("Jf_lipschitz", "every Jf is Lipschitz", ("xx", "xt")),
)
SECOND: Final = ("xx", "xt", "tt")
SET: Final = "on S x B for each bounded set B of inputs"


@dataclass
class _Lost:
    """Nodes by the reason why a quantity has no bound there."""

    refuted: dict[str, list[str]] = field(default_factory=dict)
    open: dict[str, list[str]] = field(default_factory=dict)

    def note(self, node: str, constants: LayerConstants, quantity: str) -> None:
        """Sort the causes of a lost quantity of the layer `node`.

        A parameter without bound makes the layer unbounded only where the layer's formula
        in that parameter is attained, which a layer says by declaring it tight.
        """
        bound = constants[quantity]
        if not isinstance(bound.value, Unknown):
            return
        for cause in bound.value.causes:
            reason = cause.reason
            if cause.kind == "not smooth":
                reason = f"no smoothness: {reason}"
            proven = cause.kind == "not smooth" or (cause.kind == "unbounded" and bound.note)
            nodes = (self.refuted if proven else self.open).setdefault(reason, [])
            if node not in nodes[-1:]:
                nodes.append(node)


def _sentence(reasons: dict[str, list[str]]) -> str:
    parts = []
    for reason, nodes in reasons.items():
        more = f" and {len(nodes) - SHOWN} more" if len(nodes) > SHOWN else ""
        parts.append(f"{', '.join(nodes[:SHOWN])}{more}: {reason}")
    return "; ".join(parts)


def own_constants(analysis: Analysis, domain: Domain | None = None) -> dict[str, LayerConstants]:
    """Constants of each layer on ``S x {|X| <= B}``, whatever stands before it.

    Args:
        analysis: layers, shapes and mode.
        domain: S; that of the analysis when omitted.
    """
    where = domain or analysis.domain
    return analysis.keep(("own constants", where), lambda: _own_constants(analysis, where))


def _own_constants(analysis: Analysis, domain: Domain) -> dict[str, LayerConstants]:
    size = sym("B", "Frobenius norm of the input of a layer")
    spectral = sym("B_2", "operator norm of the input of a layer")
    found = {}
    asked: dict[Hashable, LayerConstants] = {}
    for leaf in analysis.leaves():
        key = place_key(analysis, leaf)
        if key in asked:
            found[leaf.node] = asked[key]
            continue
        at = At(
            node=leaf.node,
            shape=analysis.shapes[leaf.node],
            samples=SAMPLES,
            frobenius=size,
            spectral=spectral,
            domain=domain,
        )
        found[leaf.node] = asked[key] = layer_constants(leaf.layer, at, analysis.mode, skip=False)
    return found


def layer_hypotheses(analysis: Analysis) -> tuple[Hypothesis, ...]:
    """One hypothesis for each property that Proposition 4.2 asks of every layer.

    f is Lipschitz if J and D are finite, Jf if xx and xt are, Df if xt and tt are.
    """
    own = own_constants(analysis)
    return tuple(
        _decide(own, key, f"{statement} {SET}", quantities)
        for key, statement, quantities in PROPERTIES
    )


def differentiable(analysis: Analysis) -> Hypothesis:
    """That the network is continuously differentiable in its parameters and inputs."""
    own = own_constants(analysis)
    if any(_grows(c) for c in own.values()):
        # a derivative may grow with the parameters and still be continuous: ask on bounded sets
        near = own_constants(analysis, Ball(sym("R", "norm of the parameters of a layer")))
        own = {node: near[node] if _grows(c) else c for node, c in own.items()}
    statement = "every layer is continuously differentiable"
    found = _decide(own, "differentiable", statement, SECOND)
    if found.status != "proved":
        return found
    evidence = f"the derivative of each of the {len(own)} layers is Lipschitz on bounded sets"
    return Hypothesis(found.key, statement, "symbolic", "proved", evidence)


def _grows(constants: LayerConstants) -> bool:
    """Whether a second derivative lacks a bound only because a parameter lacks one."""
    lost = [v for v in map(constants.value, SECOND) if isinstance(v, Unknown)]
    return bool(lost) and all(c.kind == "unbounded" for v in lost for c in v.causes)


def _decide(
    own: dict[str, LayerConstants], key: str, statement: str, quantities: tuple[str, ...]
) -> Hypothesis:
    lost = _Lost()
    for node, constants in own.items():
        for quantity in quantities:
            lost.note(node, constants, quantity)
    evidence = f"a finite closed form of {' and '.join(quantities)} for each of {len(own)} layers"
    status: Status = "proved"
    if lost.refuted:
        status, evidence = "refuted", _sentence(lost.refuted)
    elif lost.open:
        status, evidence = "unknown", _sentence(lost.open)
    return Hypothesis(key, statement, "symbolic", status, evidence)
