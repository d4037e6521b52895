"""How residual networks with a given branch scale behave with depth, in two senses of J.

The network is ``x^(h) = x^(h-1) + s/sqrt(m) phi(W^(h) x^(h-1))`` with standard normal weights;
s is 1 in what is called standard initialisation, 1/sqrt(H) or 1/H.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from govcheck.kernels.dual import Array, Dual
from govcheck.kernels.finite import Function
from govcheck.kernels.papers import resnet_kernels


@dataclass(frozen=True)
class Extremes:
    """The ends of the spectrum of ``J J^T`` for H hidden layers."""

    H: int
    largest: float
    smallest: float

    @property
    def condition(self) -> float:
        """Largest by smallest."""
        return self.largest / self.smallest


def branch_scale(H: int, power: Fraction) -> float:
    """``H^-power``, the factor s."""
    return math.pow(H, -float(power))


def parameter_extremes(x: ArrayLike, H: int, power: Fraction, dual: Dual) -> Extremes:
    """J the outputs' derivative in all weights and a; ``J J^T`` in the limit of large width.

    Args:
        x: samples x features.
        H: hidden layers, at least 2.
        power: of 1/H in the branch scale.
        dual: of the activation.
    """
    alpha = H * branch_scale(H, power)
    values = np.linalg.eigvalsh(resnet_kernels(x, [alpha] * (H - 1), dual).ntk)
    return Extremes(H, float(values[-1]), float(values[0]))


def input_jacobian(
    H: int, power: Fraction, value: Function, slope: Function, c_sigma: float, m: int, seed: int
) -> Array:
    """``d x^(H)/d x^(1)`` of one random network at a random input of norm 1.

    Args:
        H: hidden layers, at least 2.
        power: of 1/H in the branch scale.
        value, slope: the activation and its derivative.
        c_sigma: of the first layer's prefactor.
        m: the width.
        seed: of the weights, drawn layer by layer.
    """
    draw = np.random.default_rng(seed)
    s = branch_scale(H, power) / np.sqrt(m)
    # for an input of norm 1 the first layer's arguments are standard normal
    x = np.sqrt(c_sigma / m) * value(draw.standard_normal(m))
    whole = np.eye(m)
    for _ in range(H - 1):
        w = draw.standard_normal((m, m))
        z = w @ x
        whole = whole + s * slope(z)[:, None] * (w @ whole)
        x = x + s * value(z)
    return whole


def input_extremes(
    H: int,
    power: Fraction,
    value: Function,
    slope: Function,
    c_sigma: float,
    *,
    m: int = 200,
    seeds: int = 2,
) -> Extremes:
    """J the derivative of ``x^(H)`` in ``x^(1)``, measured: means over `seeds` networks.

    Args:
        H, power, value, slope, c_sigma, m: see `input_jacobian`.
        seeds: networks with seeds 0, 1, ...
    """
    found = [
        np.linalg.svd(input_jacobian(H, power, value, slope, c_sigma, m, seed), compute_uv=False)
        for seed in range(seeds)
    ]
    return Extremes(
        H,
        float(np.mean([v[0] ** 2 for v in found])),
        float(np.mean([v[-1] ** 2 for v in found])),
    )
