"""Proposition 4.7: regularity of a parameterised affine layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from flint import arb

from govcheck.analysis import SAMPLES, X_FROBENIUS, X_SIGMA, X_SIGMA_ONES, X_SPECTRAL, Analysis
from govcheck.bounds.answer import ComposedBound, Ref
from govcheck.bounds.domain import Ball
from govcheck.bounds.expr import Expr, mul, sym
from govcheck.bounds.walk import symbols_of
from govcheck.graph.ask import layer_constants
from govcheck.graph.blocks import Leaf
from govcheck.plugin import Isometry
from govcheck.plugin.layer import At
from govcheck.theorems.protocol import Hypothesis, Reading, Status, Theorem, TheoremExample, Verdict
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.theorems._errata import errata
from govcheck_plugins.theorems._support import (
    false_statement,
    independent_data,
    paper,
    sound,
    summarised,
    written,
)

FLOOR: Final = {
    "plain": "sigma(DP) = 1",
    "weight_norm": "sigma(DP(w)) = min over rows of eps/(eps + |w|^2)^(3/2) > 0",
    "entrywise": "sigma(DP(w)) = min over entries of eps/(eps + w^2)^(3/2) > 0",
}
JUMPS: Final = {"torch_weight_norm": "a row of the weight", "spectral": "the weight"}


_LAYER: Final = """
govcheck: 1
name: one layer
input: [3]
layers:
  - {layer}
data: {{{data}}}
"""


class Proposition47(Theorem):
    """``sigma(D aff_P(w, X)) >= sigma(X) sigma(DP(w))``, for the network's first layer."""

    name: ClassVar[str] = "macdonald2022.proposition_4_7"
    title: ClassVar[str] = "Regularity of the first affine layer"
    reference: ClassVar[Ref] = paper("Prop 4.7", "E3")
    readings: ClassVar[tuple[Reading, ...]] = ("as_printed", "as_corrected")

    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        proven = sound(analysis)
        leaf = _first(proven)
        hypotheses = (*_layer(leaf, proven), independent_data(proven))
        conclusions = {}
        if leaf is not None and isinstance(leaf.layer, Affine) and leaf.layer.weight in FLOOR:
            conclusions["sigma_D"] = _regularity(proven, leaf, self.reference)
        if reading == "as_printed":
            hypotheses = (*hypotheses, false_statement("E3"))
        verdict = Verdict(
            self.name,
            self.title,
            self.reference,
            reading,
            hypotheses,
            conclusions,
            errata=errata("E3"),
            remarks=(
                "sigma is the surjectivity modulus; the value listed is proved under it, in both "
                "readings. With the smallest singular value instead the inequality fails for "
                "parameterisations with fewer parameters than the weight has entries.",
            ),
        )
        applies = ""
        if conclusions:
            bound = conclusions["sigma_D"]
            applies = f"For the first layer sigma(D) >= {written(bound.expr)}, {bound.note}."
        return summarised(verdict, applies)

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        plain, data = "affine: {out: 2, bias: false}", "orthonormal: {n: 2}"
        many = "sphere: {n: 5}"
        single = "affine: {out: 2, weight: orthogonal, bias: false}"
        return (
            TheoremExample(_LAYER.format(layer=plain, data=data), measured=_measured),
            TheoremExample(_LAYER.format(layer=plain, data=many), "data"),
            TheoremExample(_LAYER.format(layer="tanh", data=data), "layer"),
            TheoremExample(_LAYER.format(layer=single, data=data), "DP"),
            TheoremExample(_LAYER.format(layer=plain, data=data), "statement", "as_printed"),
        )


def _measured(analysis: Analysis) -> Mapping[str, float]:
    from govcheck.numeric.network import extreme

    return {"sigma_D": extreme(analysis, "sigma_D")}


def _first(analysis: Analysis) -> Leaf | None:
    """The first step that is not a mere rearrangement, if it is a layer."""
    for step in analysis.architecture.body.steps:
        if not isinstance(step.block, Leaf):
            return None
        if not isinstance(step.block.layer, Isometry):
            return step.block
    return None


def _layer(leaf: Leaf | None, analysis: Analysis) -> tuple[Hypothesis, ...]:
    shape = "the first layer is affine, with a continuously differentiable parameterisation P"
    regular = "sigma(DP(w)) > 0 for every w"
    if leaf is None or not isinstance(leaf.layer, Affine):
        found = f"{leaf.node} is {leaf.layer.name}" if leaf else "the first block is not a layer"
        return (Hypothesis("layer", shape, "symbolic", "refuted", found),)
    layer = leaf.layer
    if layer.weight in JUMPS:
        why = f"{leaf.node}: weight: {layer.weight} jumps where {JUMPS[layer.weight]} is 0"
        return (Hypothesis("layer", shape, "symbolic", "refuted", why),)
    bias = "; a bias only adds columns to D" if layer.bias else ""
    is_affine = Hypothesis(
        "layer", shape, "symbolic", "proved", f"{leaf.node}: weight: {layer.weight}{bias}"
    )
    if layer.weight in FLOOR:
        floor = Hypothesis("DP", regular, "symbolic", "proved", FLOOR[layer.weight])
    else:
        entries = analysis.value(mul(layer.out, *analysis.shapes[leaf.node]))
        many = isinstance(entries, arb) and entries > 1
        status: Status = "refuted" if many else "unknown"
        why = f"{leaf.node} trains one factor only, so DP has a single column"
        floor = Hypothesis("DP", regular, "symbolic", status, why)
    return is_affine, floor


def _regularity(analysis: Analysis, leaf: Leaf, ref: Ref) -> ComposedBound:
    """The layer's sigma(D) where its parameters have norm at most R."""
    radius = sym("R", "largest norm of the parameters of the first layer")
    at = At(
        node=leaf.node,
        shape=analysis.shapes[leaf.node],
        samples=SAMPLES,
        frobenius=X_FROBENIUS,
        spectral=X_SPECTRAL,
        injective=X_SIGMA,
        injective_ones=X_SIGMA_ONES,
        domain=Ball(radius),
    )
    own = layer_constants(leaf.layer, at, analysis.mode, skip=False)["sigma_D"]
    everywhere = isinstance(own.value, Expr) and radius not in symbols_of(own.value)
    return ComposedBound(
        "sigma_D",
        leaf.node,
        own.value,
        "lower",
        "sigma(D) >= sigma(X) sigma(DP(w))",
        ref,
        (own,),
        "for all parameters" if everywhere else "where the layer's parameters have norm at most R",
    )
