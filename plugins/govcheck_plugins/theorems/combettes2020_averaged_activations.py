"""Lipschitz constants of chains from averaged activations.

P. L. Combettes and J.-C. Pesquet, Lipschitz certificates for layered network structures
driven by averaged activation operators, SIAM J. Math. Data Sci. 2 (2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING, ClassVar, Final

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import ComposedBound, Ref, Unknown, Value
from govcheck.bounds.domain import AroundInit
from govcheck.bounds.evaluate import ball, upper
from govcheck.bounds.expr import ONE, ZERO, num
from govcheck.graph.blocks import Chain, Leaf, Repeat
from govcheck.plugin import Activation
from govcheck.theorems.protocol import Hypothesis, Reading, Theorem, TheoremExample, Verdict
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.dropout import Dropout
from govcheck_plugins.layers.flatten import Flatten
from govcheck_plugins.theorems._support import show, sound, summarised

if TYPE_CHECKING:
    from govcheck.graph.weights import Placed

PAPER: Final = Ref("Combettes and Pesquet 2020", "the recursion for theta")
DIGITS: Final = 12
EXAMPLE: Final = """
govcheck: 1
name: example
input: [3]
layers:
  - {first}
  - {activation}
  - affine: {{out: 2}}
data: {{sphere: {{n: 2}}}}
domain: {domain}
theorems: []
"""


@dataclass
class _Links:
    """The affine layers of a chain with the sector of what stands between them.

    `outer` is the product of all scales and of the largest slopes before the first affine
    layer and after the last.
    """

    affine: list[Placed] = field(default_factory=list)
    sectors: list[tuple[arb, arb]] = field(default_factory=list)
    outer: arb = field(default_factory=lambda: arb(1))


class AveragedActivations(Theorem):
    """``|J| <= f(n)`` for a chain of affine maps and elementwise activations.

    With slopes in ``[c - r, c + r]`` each derivative of an activation is ``c + r E``,
    ``|E| <= 1``; expanding every one of them gives `certify.chains.averaged_norm`. For
    c = r = 1/2 the activations are firmly nonexpansive (1/2-averaged) and the bound is that
    of the paper; other sectors go by the same expansion, which is its own proof. It is
    never above the product of norms and slopes, and holds on the whole parameter set.
    """

    name: ClassVar[str] = "combettes2020.averaged_activations"
    title: ClassVar[str] = "Lipschitz constant of a chain from averaged activations"
    reference: ClassVar[Ref] = PAPER

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        def text(
            first: str = "affine: {out: 3}",
            activation: str = "tanh",
            domain: str = "{around_init: 1/100}",
        ) -> str:
            return EXAMPLE.format(first=first, activation=activation, domain=domain)

        return (
            TheoremExample(text(), measured=_measured),
            TheoremExample(text(first="residual: [affine: {out: 3}]"), "chain"),
            TheoremExample(text(activation="relu_squared"), "sector"),
            TheoremExample(text(domain="{ball: 1}"), "weights"),
        )

    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        proven = sound(analysis)
        hypotheses = (_chain(proven), _sectors(proven), _weights(proven))
        conclusions = {}
        if all(h.holds for h in hypotheses):
            conclusions["J"] = ComposedBound(
                "J",
                "the whole network",
                num(_bound(proven)),
                "upper",
                "expansion of every activation around the middle of its sector",
                self.reference,
                (proven.bounds["J"],),
                "for all parameters of the set and all inputs",
            )
        verdict = Verdict(
            self.name, self.title, self.reference, reading, hypotheses, conclusions
        )
        applies = ""
        if conclusions:
            applies = (
                f"For the map from input to output, {show(proven, 'J', conclusions['J'])}; the "
                f"composed bound, of all rules there are, is "
                f"{show(proven, 'J', proven.bounds['J'])}."
            )
        return summarised(verdict, applies)


def _measured(analysis: Analysis) -> Mapping[str, float]:
    from govcheck.numeric.network import extreme

    return {"J": extreme(analysis, "J", starts=2, steps=20)}


def _layers(body: Chain) -> Iterator[Leaf | str]:
    """The layers of a plain chain; the name of a block that is none instead of its layers."""
    if not body.linear:
        yield "edges between steps that are not neighbours"
        return
    for step in body.steps:
        if isinstance(step.block, Leaf):
            yield step.block
        elif isinstance(step.block, Repeat):
            yield from _layers(step.block.body)
        else:
            yield step.block.node


def _passes(leaf: Leaf, analysis: Analysis) -> bool:
    """Whether the layer's derivative is the identity up to the order of entries."""
    kind = type(leaf.layer)
    if kind is Dropout:
        own = analysis.local[leaf.node]
        return own.value("J") is ONE and own.value("sigma_J") is ONE
    return kind is Flatten


def _chain(a: Analysis) -> Hypothesis:
    statement = "the network is a chain of plain affine layers and elementwise activations"
    count = 0
    for item in _layers(a.architecture.body):
        if isinstance(item, str):
            return Hypothesis("chain", statement, "symbolic", "refuted", f"there is {item}")
        layer = item.layer
        affine = isinstance(layer, Affine) and layer.weight == "plain"
        count += affine
        if not (affine or isinstance(layer, Activation) or _passes(item, a)):
            why = f"{item.node} is {layer.name}"
            if isinstance(layer, Affine):
                why += f" with weight {layer.weight}"
            return Hypothesis("chain", statement, "symbolic", "refuted", why)
    if not count:
        why = "there is no affine layer"
        return Hypothesis("chain", statement, "symbolic", "refuted", why)
    why = f"{count} affine layers (those in a repeat count once)"
    return Hypothesis("chain", statement, "symbolic", "proved", why)


def _activations(a: Analysis) -> Iterator[tuple[str, Activation]]:
    for leaf in a.leaves():
        if isinstance(leaf.layer, Activation):
            yield leaf.node, leaf.layer


def _sectors(a: Analysis) -> Hypothesis:
    statement = "the slope of each activation lies in a known bounded interval"
    for node, layer in _activations(a):
        for end in (layer.constants().slope_low, layer.constants().slope_high):
            number = a.value(end)
            if isinstance(number, Unknown):
                return Hypothesis("sector", statement, "symbolic", "unknown",
                                  f"{node}: {number.reason}")
            if not isinstance(number, arb):
                why = f"{node}: {', '.join(number.names)} has no value"
                return Hypothesis("sector", statement, "symbolic", "unknown", why)
    kinds = ", ".join(dict.fromkeys(layer.name for _, layer in _activations(a)))
    return Hypothesis("sector", statement, "symbolic", "proved", kinds or "no activation")


def _weights(a: Analysis) -> Hypothesis:
    statement = "the parameter set lies around given weights"
    if not isinstance(a.domain, AroundInit):
        why = f"nothing is known of products of weights on the set: {a.domain.describe()}"
        return Hypothesis("weights", statement, "data", "unknown", why)
    for leaf in a.leaves():
        if isinstance(leaf.layer, Affine):
            for formula in (a.domain.norm(leaf.node, "weight", "spectral"), leaf.layer.scale):
                number = a.value(formula)
                if isinstance(number, Unknown):
                    return Hypothesis("weights", statement, "data", "unknown", number.reason)
                if not isinstance(number, arb):
                    why = f"no value for {', '.join(number.names)}"
                    return Hypothesis("weights", statement, "data", "unknown", why)
    return Hypothesis("weights", statement, "data", "verified on data", a.domain.describe())


def _bound(a: Analysis) -> Fraction:
    from govcheck.certify.chains import averaged_norm
    from govcheck.certify.rounding import precision
    from govcheck.graph.weights import initial_weights, placed_layers

    assert isinstance(a.domain, AroundInit)
    placed = placed_layers(a.architecture.body, a.shapes, a.env)
    links = _links(a, placed)
    given = initial_weights(placed, a.env, a.architecture.init)
    weights = [given[p.node, "weight"] for p in links.affine]
    # for a layer in a repeat the norm is the largest over its copies
    norms = [_number(a, a.domain.norm(p.leaf, "weight", "spectral", ZERO)) for p in links.affine]
    radii = [_number(a, a.domain.radii.get(p.leaf, a.domain.radius)) for p in links.affine]
    inner = averaged_norm(weights, norms, radii, links.sectors)
    with precision():
        return Fraction(upper(ball(inner) * links.outer, DIGITS))


def _links(a: Analysis, placed: Sequence[Placed]) -> _Links:
    from govcheck.certify.rounding import precision

    links = _Links()
    here = (arb(1), arb(1))
    with precision():
        for place in placed:
            layer = place.layer
            if isinstance(layer, Activation):
                facts = layer.constants()
                ends = [_number(a, facts.slope_low), _number(a, facts.slope_high)]
                products = [x * y for x in here for y in ends]
                here = (reduce(arb.min, products), reduce(arb.max, products))
            elif isinstance(layer, Affine):
                if links.affine:
                    links.sectors.append(here)
                else:
                    links.outer *= abs(here[0]).max(abs(here[1]))
                here = (arb(1), arb(1))
                links.outer *= abs(_number(a, layer.scale))
                links.affine.append(place)
        links.outer *= abs(here[0]).max(abs(here[1]))
    return links


def _number(a: Analysis, formula: Value) -> arb:
    found = a.value(formula)
    assert isinstance(found, arb), "the hypotheses hold"
    return found
