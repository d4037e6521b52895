"""The operations a certificate is written in, and what layers give to be covered.

A certificate holds the network as a list of these operations; `govcheck.certify.checker` knows
their values, derivatives and bounds and nothing else. A layer is covered when it says, in
`Layer.certificate_operations`, which of them it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

FUNCTIONS: Final = ("tanh", "sigmoid", "softplus", "erf", "gelu", "identity")
"""Activations the checker encloses."""


@dataclass(frozen=True)
class Operation:
    """One operation of a certificate.

    Args:
        op: its name.
        fields: its other keys, as JSON.
        parameters: for each key that names a trained array, the layer's name of it.
        coupled: whether its groups run over the samples of the batch.
    """

    op: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    coupled: bool = False


def linear(
    *,
    scale: float = 1.0,
    bias: bool = False,
    normalise: str = "none",
    eps: float | None = None,
    window: Mapping[str, Sequence[int]] | None = None,
) -> Operation:
    """``scale P(weight) x + bias``, on vectors or, with a window, on each patch of an image.

    Args:
        scale: a fixed number.
        bias: whether the layer has a parameter called ``bias``.
        normalise: ``none``, ``rows`` (``w/sqrt(eps + |w|^2)``) or ``entries``.
        eps: for the two normalisations.
        window: see `window`.
    """
    fields = {"scale": float(scale).hex(), "normalise": normalise, "window": window}
    fields["eps"] = None if eps is None else float(eps).hex()
    if not bias:
        return Operation("linear", {**fields, "bias": None}, {"weight": "weight"})
    return Operation("linear", fields, {"weight": "weight", "bias": "bias"})


def window(
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
) -> dict[str, list[int]]:
    """Windows of an image; `padding` has two numbers for each axis, before and behind."""
    return {
        "kernel": list(kernel),
        "stride": list(stride),
        "padding": list(padding) if padding is not None else [0, 0] * len(kernel),
        "dilation": list(dilation) if dilation is not None else [1] * len(kernel),
    }


def activation(function: str) -> Operation:
    """An elementwise map, one of `FUNCTIONS`."""
    return Operation("activation", {"function": function})


def scale(factor: float, parameter: str | None = None) -> Operation:
    """Multiplication by a fixed number and, if a parameter is named, by a trained one.

    The parameter's shape is the beginning of a sample's: one number, one for each channel, one for
    each entry.
    """
    fields: dict[str, Any] = {"factor": float(factor).hex()}
    if parameter is None:
        return Operation("scale", {**fields, "parameter": None})
    return Operation("scale", fields, {"parameter": parameter})


def shift(parameter: str) -> Operation:
    """A trained number added to each entry, of a parameter with a shape as in `scale`."""
    return Operation("shift", {}, {"parameter": parameter})


def normalise(eps: float, groups: int = 1) -> Operation:
    """``(x - mean)/sqrt(eps + var)`` over groups of entries of a sample, var their mean square.

    Args:
        eps: added to the variance.
        groups: into how many equal parts the entries of a sample fall, in order.
    """
    fields: dict[str, Any] = {"eps": float(eps).hex()}
    return Operation("normalise", fields if groups == 1 else {**fields, "groups": groups})


def normalise_batch(eps: float) -> Operation:
    """Like `normalise` for each channel, over all samples and positions."""
    return Operation("normalise", {"eps": float(eps).hex()}, coupled=True)


def average(kernel: Sequence[int], stride: Sequence[int]) -> Operation:
    """Means over windows of each channel."""
    return Operation("average", {"window": window(kernel, stride)})


def flatten() -> Operation:
    """All entries of a sample as one vector."""
    return Operation("flatten")
