"""What would close a proof that stays open: factors of the output and of the readout's steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from govcheck.certify.floats import Parameters
from govcheck.certify.prover import Prover

MOST: Final = 2.0**40


def output_scale(prover: Prover, theta: Parameters) -> float | None:
    """Least factor in front of the network at which a proof from theta would close.

    Args:
        prover: of the network.
        theta: where gradient descent starts.

    Returns:
        The factor, in float64 and to 2 %; None if none up to `MOST` does it.
    """
    *before, last = prover.task.operations
    inside = last["op"] == "linear" and last["bias"] is None

    def closes(factor: float) -> bool:
        if inside:  # so that the last operation stays a readout
            return _closes(prover, [*before, _rescaled(last, factor)], theta)
        scale = {"op": "scale", "from": [len(before) + 1], "factor": factor.hex(),
                 "parameter": None}
        return _closes(prover, [*before, last, scale], theta)

    return _least(closes)


def readout_step(prover: Prover, theta: Parameters) -> float | None:
    """Least factor on the steps of the readout's weights at which it would close from theta.

    Descent with steps ``m eta`` for ``W`` in ``s W x + b`` is descent with steps eta for V in
    ``s sqrt(m) V x + b``, from ``V = W/sqrt(m)``, so that network is tried.

    Returns:
        The factor, in float64 and to 2 %; None where the last operation is no plain linear map or
        no factor up to `MOST` does it.
    """
    last = prover.task.operations[-1]
    if last["op"] != "linear" or last["normalise"] != "none":
        return None
    return _least(lambda m: _closes(prover, *stretched(prover, theta, m)))


def stretched(
    prover: Prover, theta: Parameters, factor: float
) -> tuple[list[dict[str, Any]], Parameters]:
    """The network, as operations and weights, whose descent has steps `factor` times as long."""
    *before, last = prover.task.operations
    root, name = math.sqrt(factor), last["weight"]
    return [*before, _rescaled(last, root)], {**theta, name: theta[name] / root}


def _closes(prover: Prover, operations: list[dict[str, Any]], theta: Parameters) -> bool:
    other = Prover(replace(prover.task, operations=operations), prover.target)
    return other.plan(theta, other.measure(theta), "steps", None) is not None


def _rescaled(linear: dict[str, Any], factor: float) -> dict[str, Any]:
    return {**linear, "scale": (float.fromhex(linear["scale"]) * factor).hex()}


def _least(closes: Callable[[float], bool]) -> float | None:
    """Least factor with `closes`: powers of 2 up to `MOST`, then bisection to 2 %."""
    high = 1.0
    while not closes(high):
        high *= 2
        if high > MOST:
            return None
    low = high / 2
    while high / low > 1.02:
        middle = math.sqrt(high * low)
        low, high = (low, middle) if closes(middle) else (middle, high)
    return high
