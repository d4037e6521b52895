"""Lipschitz constants of chains from averaged activations (Combettes and Pesquet, 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Final

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import ComposedBound, Ref, Unknown
from govcheck.bounds.domain import AroundInit
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import ONE, ZERO, Expr, absolute, num
from govcheck.graph.blocks import Chain, Leaf, Repeat
from govcheck.graph.weights import Placed, initial_weights, placed_layers
from govcheck.plugin import Activation
from govcheck.theorems.protocol import Hypothesis, Reading, Theorem, TheoremExample, Verdict
from govcheck_plugins.layers.affine import Affine
from govcheck_plugins.layers.dropout import Dropout
from govcheck_plugins.layers.flatten import Flatten
from govcheck_plugins.layers.identity import Identity
from govcheck_plugins.theorems._support import show, sound, summarised

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAPER: Final = Ref(
    "Combettes and Pesquet 2020",
    "Lipschitz certificates for layered network structures driven by averaged activation "
    "operators (SIAM J. Math. Data Sci. 2), the recursion for theta",
)
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

    `outer` is the product of the largest slopes before the first and after the last.
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
            TheoremExample(text()),
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
                f"The network's Lipschitz constant has {show(proven, 'J', conclusions['J'])}; "
                f"the product of norms gives {show(proven, 'J', proven.bounds['J'])}."
            )
        return summarised(verdict, applies)


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
    return kind in (Flatten, Identity)


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


def _bound(a: Analysis) -> Expr:
    from govcheck.certify.chains import averaged_norm

    links = _links(a)
    placed = placed_layers(a.architecture.body, a.shapes, a.env)
    given = initial_weights(placed, a.env, a.architecture.init)
    weights: list[NDArray] = []
    norms, radii, scale = [], [], links.outer
    for place in links.affine:
        assert isinstance(place.layer, Affine)
        weights.append(given[place.node, "weight"])
        far = _number(a, a.domain.norm(place.leaf, "weight", "spectral"))
        near = _number(a, a.domain.norm(place.leaf, "weight", "spectral", ZERO))
        norms.append(near.upper())
        radii.append((far - near).upper().max(arb(0)))
        scale *= _number(a, absolute(place.layer.scale))
    return evaluate_upper(averaged_norm(weights, norms, radii, links.sectors), scale)
