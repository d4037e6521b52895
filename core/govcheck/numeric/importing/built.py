"""Networks that govcheck built, on the way back: their layers are known."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from torch import nn

from govcheck.bounds.expr import Expr, num
from govcheck.bounds.walk import substitute, symbols_of
from govcheck.graph.blocks import Chain, Leaf, Parallel, Residual
from govcheck.numeric.build import Network
from govcheck.plugin.importing import Claim
from govcheck.plugin.layer import Layer, Values
from govcheck.spec.fields import field_specs


def built_layers(module: nn.Module) -> dict[nn.Module, tuple[Layer, Values]]:
    """The layer of each module that was built from one, and the values of its symbols."""
    found = {}
    for network in module.modules():
        if isinstance(network, Network):
            for leaf in _leaves(network.chain):
                child = network._modules[leaf.node]
                assert child is not None
                found[child] = (leaf.layer, network.values)
    return found


def _leaves(chain: Chain) -> Iterator[Leaf]:
    """Layers of a chain outside of repeats, which are networks of their own."""
    for step in chain.steps:
        match step.block:
            case Leaf() as leaf:
                yield leaf
            case Residual(_, body):
                yield from _leaves(body)
            case Parallel(_, _, branches):
                for b in branches:
                    yield from _leaves(b)


def built_claim(layer: Layer, values: Values, module: nn.Module) -> Claim:
    """A layer as a claim of the module that it built."""
    settings: dict[str, object] = {}
    for spec in field_specs(type(layer)):
        value = getattr(layer, spec.key)
        if spec.required or value != spec.default:
            settings[spec.key] = _setting(value, values)
    return Claim(layer.name, settings, dict(module.named_parameters()),
                 dict(module.named_buffers()))


def _setting(value: Any, values: Values) -> object:
    if isinstance(value, tuple):
        return [_setting(v, values) for v in value]
    if not isinstance(value, Expr):
        return value
    known = {s: num(_short(values(s))) for s in symbols_of(value)}
    plain = substitute(value, known)
    if plain.is_number and plain.number.denominator == 1:
        return int(plain.number)
    return repr(plain)


def _short(value: float) -> Fraction:
    short = Fraction(value).limit_denominator(10**6)
    return short if float(short) == value else Fraction(value)
