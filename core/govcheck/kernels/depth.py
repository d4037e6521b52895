"""What depth costs: required width and step of fully connected against residual networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb
from numpy.typing import ArrayLike

from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import ball, evaluate
from govcheck.bounds.expr import ONE, Expr, ExprLike, as_expr, num
from govcheck.kernels.dual import Array, Dual
from govcheck.kernels.explicit import Smoothness
from govcheck.kernels.normalisation import c_sigma
from govcheck.kernels.papers import Kernels, fc_kernels, resnet_kernels
from govcheck.kernels.spectrum import SmallestEigenvalue, smallest_eigenvalue
from govcheck.kernels.widths import (
    DELTA,
    LAMBDA_0,
    LARGEST,
    Explicit,
    Problem,
    fc_width,
    residual_width,
)
from govcheck.plugin.activation import Activation

TENTH = Fraction(1, 10)


@dataclass(frozen=True)
class Needs:
    """What one network needs.

    Args:
        smallest: lambda_0, from kernels in float64 without allowance for their errors.
        width: m*; infinite where lambda_0 is not above the numerical floor.
        eta: eta*.
        steps: of size eta* until ``|y - u|^2`` has fallen to 1/1000.
    """

    smallest: SmallestEigenvalue
    width: arb
    eta: arb
    steps: arb


@dataclass(frozen=True)
class Comparison:
    """Both networks with H hidden layers; at H = 1 they are the same."""

    H: int
    fc: Needs
    resnet: Needs


def compare_depths(
    activation: Activation,
    x: ArrayLike,
    targets: float,
    depths: Iterable[int],
    *,
    alpha: ExprLike = ONE,
    delta: Fraction = TENTH,
) -> Iterator[Comparison] | Unknown:
    """Widths, steps and lambda_0 for a range of depths.

    Args:
        activation: free of symbols.
        x: samples of norm 1, samples x features.
        targets: Euclidean norm of y.
        depths: numbers of hidden layers.
        alpha: factor of the residual branches.
        delta: probability of failure.

    Returns:
        Unknown if the activation has no expectations or not the constants that are needed.
    """
    dual = activation.dual(lambda e: float(evaluate(as_expr(e), {}).mid()))
    constant = c_sigma(activation)
    if isinstance(dual, Unknown):
        return dual
    if isinstance(constant, Unknown):
        return constant
    sigma = Smoothness.of(activation, constant)
    if isinstance(sigma, Unknown):
        return sigma
    rows = np.asarray(x, dtype=float)
    problem = Problem(num(len(rows)), num(Fraction(targets)))
    factor, probability = as_expr(alpha), ball(delta)
    return (
        _compare(sigma, dual, rows, problem, H, factor, probability) for H in depths
    )


def _compare(
    sigma: Smoothness, dual: Dual, x: Array, given: Problem, H: int, alpha: Expr, delta: arb
) -> Comparison:
    plain = _needs(fc_kernels(x, H, dual), fc_width(sigma, H, given), delta)
    if H == 1:
        return Comparison(H, plain, plain)
    size = float(evaluate(alpha, {}).mid())
    kernels = resnet_kernels(x, [size] * (H - 1), dual)
    return Comparison(
        H, plain, _needs(kernels, residual_width(sigma, [alpha] * (H - 1), given), delta)
    )


def _needs(kernels: Kernels, found: Explicit, delta: arb) -> Needs:
    smallest = smallest_eigenvalue(kernels.last)
    if not smallest.certified_positive:
        infinite = arb("inf")
        return Needs(smallest, infinite, arb(0), infinite)
    largest = max(float(np.diag(s).max()) for s in kernels.features[1:])
    env = {LAMBDA_0: ball(smallest.lower), DELTA: delta, LARGEST: ball(largest)}
    memo: dict[Expr, arb] = {}
    return Needs(
        smallest,
        evaluate(found.width, env, memo),
        evaluate(found.eta, env, memo),
        evaluate(found.steps(), env, memo),
    )
