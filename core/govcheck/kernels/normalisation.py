"""The constant ``c_sigma = 1/E sigma(Z)^2`` of an activation, Z standard normal, enclosed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Final

from govcheck.bounds.answer import Unknown, Value
from govcheck.bounds.evaluate import evaluate
from govcheck.bounds.expr import Enclosure, ExprLike, as_expr, node
from govcheck.plugin.activation import Activation
from govcheck.plugin.layer import Layer

ROUNDING: Final = Fraction(1, 2**36)
"""Relative allowance for float64: at most 2^15 positive terms are summed, each within a few
units in the last place."""

NAME: Final = "c_sigma"


def c_sigma(activation: Activation, label: str = "") -> Value:
    """An enclosure of ``1/E sigma(Z)^2``.

    The Gaussian expectation is a closed form or a trapezoidal sum with a proven bound of its
    discretisation error, see `govcheck.kernels.dual`; rounding is allowed for on top.

    Args:
        activation: free of symbols.
        label: how formulas call the constant; its own name by default.

    Returns:
        Unknown if the expectation is not known with a proven error, or is 0.
    """
    import numpy as np

    dual = activation.dual(_number)
    if isinstance(dual, Unknown):
        return dual
    one = np.ones(1)
    found = dual.expect(0, one, one, one)
    if found.error.kind == "estimate":
        return Unknown.because(
            f"E sigma(Z)^2 of {activation.name} is known up to an estimated error only"
        )
    square = Fraction(float(found.values[0]))
    slack = Fraction(found.error.size) + ROUNDING * square
    if square <= slack:
        return Unknown.because(f"E sigma(Z)^2 of {activation.name} is 0, as far as can be told")
    name = label or f"{NAME}({activation.name})"
    latex = rf"c_{{\mathrm{{{activation.name.replace('_', ' ')}}}}}"
    return node("enc", (), Enclosure(name, 1 / (square + slack), 1 / (square - slack), latex))


def _number(e: ExprLike) -> float:
    return float(evaluate(as_expr(e), {}).mid())


@lru_cache(maxsize=256)
def _of_class(layer: type[Activation]) -> Value:
    return c_sigma(layer())


def by_name(layers: Mapping[str, type[Layer]]) -> Callable[[str], Value]:
    """What ``c_sigma(NAME)`` means in a formula: the activation NAME with its default keys.

    The function returned raises KeyError for a name that is no activation.
    """

    def find(name: str) -> Value:
        layer = layers.get(name)
        if layer is None or not issubclass(layer, Activation):
            raise KeyError(name)
        try:
            return _of_class(layer)
        except TypeError:
            return Unknown.because(f"{name} has settings without default")

    return find
