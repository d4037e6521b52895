"""Gradient descent near its start: a convergence theorem that knows no architecture.

The network's outputs on n samples are u, its targets y, the loss ``|u - y|^2/2``. Parameters
come in blocks theta_b, block b trained with step ``s_b eta``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from govcheck.bounds.expr import (
    ONE,
    Expr,
    ExprLike,
    add,
    as_expr,
    function,
    let,
    maximum,
    minimum,
    mul,
    sqrt,
)


@dataclass(frozen=True, eq=False)
class ParameterBlock:
    """What is known of one block on the trust region, for every sample.

    Args:
        name: of the block.
        size: B, upper bound of the norm of the output's derivative in the block.
        change: Lambda: for two points of the region that differ by at most ``eps s_c B_c`` in
            each block c, these derivatives differ by at most ``eps Lambda``.
        multiplier: s, the block's step as a multiple of the common one.
        radius: r, how far the region extends in this block; None if it is as large as needed.
    """

    name: str
    size: Expr
    change: Expr
    multiplier: Expr = ONE
    radius: Expr | None = None


@dataclass(frozen=True, eq=False)
class Descent:
    """What Theorem A concludes.

    Args:
        eta: the largest step it allows.
        radii: by block, how far gradient descent moves at most.
        rate: ``lambda_0/2``: with step eta every step multiplies ``|y - u|^2`` by at most
            ``1 - eta rate``.
        trace: B_2, the bound of ``trace(G)/n`` with G the sum of all ``s_b G_b``.
        curvature: S, the bound of the path's second-order term.
    """

    eta: Expr
    radii: dict[str, Expr]
    rate: Expr
    trace: Expr
    curvature: Expr

    def factor(self, eta: ExprLike) -> Expr:
        """Upper bound of the factor of ``|y - u|^2`` in a step of size eta."""
        return 1 - as_expr(eta) * self.rate

    def steps(self, eta: ExprLike, reduction: ExprLike = Fraction(1, 1000)) -> Expr:
        """Steps of size eta after which ``|y - u|^2`` has fallen at least by `reduction`.

        ``log(1/reduction)/(eta lambda_0/2)``, because ``1 - x <= exp(-x)``.
        """
        return function("log", 1 / as_expr(reduction)) / (as_expr(eta) * self.rate)


def theorem_a(
    blocks: Sequence[ParameterBlock], n: ExprLike, lambda_0: ExprLike, rho: ExprLike
) -> Descent:
    """Gradient descent converges linearly if it starts well enough conditioned.

    Let the region be all parameters with ``|theta_b - theta_b(0)| <= r_b`` for every block, and
    let on it the bounds of the blocks hold and ``lambda_min(G) >= lambda_0/2`` for the sum G of
    all ``s_b G_b``, ``G_b`` the Gram matrix of the outputs' derivatives in block b. If
    ``r_b >= radii[b]`` for each block and ``0 < eta <= Descent.eta``, then gradient descent
    stays in the region, and after k steps
    ``|y - u|^2 <= (1 - eta lambda_0/2)^k |y - u(0)|^2``. What the arguments are taken from,
    derivation or measurement, decides what that is worth.

    Args:
        blocks: all trained blocks.
        n: number of samples, at least 2.
        lambda_0: positive.
        rho: upper bound of ``|y - u(0)|``.

    Source: govcheck theory, widths and rates, section 1 (Theorem A).

    Raises:
        ValueError: without blocks.
    """
    if not blocks:
        raise ValueError("Theorem A needs at least one block of parameters")
    samples, least, start = as_expr(n), as_expr(lambda_0), as_expr(rho)
    trace = let("B_2", add(*(mul(b.multiplier, b.size**2) for b in blocks)))
    curvature = let("S", add(*(mul(b.multiplier, b.size, b.change) for b in blocks)))
    first = 1 / (samples * trace)
    second = samples ** Fraction(3, 2) * curvature * start
    # maximum of the inverses: the curvature of a linear model is 0
    eta = 1 / maximum(1 / first, 4 * second / least)
    radii = {b.name: 4 * b.multiplier * b.size * sqrt(samples) * start / least for b in blocks}
    return Descent(eta, radii, least / 2, trace, curvature)


def theorem_a_jointly(
    size: ExprLike, curvature: ExprLike, lambda_0: ExprLike, rho: ExprLike
) -> Descent:
    """Theorem A for all parameters and all outputs together, in operator norms.

    On the region, the ball of radius ``radii["all"]`` or more around the start, let the
    derivative of all outputs be at most `size`, the second derivative at most `curvature`, and
    ``lambda_min(G) >= lambda_0/2``; any number of outputs for each sample is allowed.

    Args:
        size: upper bound of the operator norm of the outputs' derivative.
        curvature: upper bound of its Lipschitz constant.
        lambda_0: positive.
        rho: upper bound of ``|y - u(0)|``.

    Source: govcheck theory, widths and rates, section 1 (remark).
    """
    B, least = as_expr(size), as_expr(lambda_0)
    blocks = [ParameterBlock("all", B, as_expr(curvature) * B)]
    found = theorem_a(blocks, 1, least, rho)
    # eta lambda_0 <= 16/9 does not follow from eta <= 1/B^2 here
    return replace(found, eta=minimum(found.eta, Fraction(16, 9) / least))
