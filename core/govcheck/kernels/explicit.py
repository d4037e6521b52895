"""Sizes of derivatives on a trust region: the constants that Theorem A needs, in closed form.

The region is ``|W^(h) - W^(h)(0)|_F <= R sqrt(m)`` for all h, ``|a - a(0)| <= R sqrt(m)`` and,
for trained factors ``alpha_h = alpha_h(0) + gamma_h/sqrt(m)``, ``|alpha_h - alpha_h(0)| <= R``.
Networks, notation and prefactors are those of `govcheck.kernels.family`.
"""

from __future__ import annotations

from dataclasses import dataclass

from govcheck.bounds.answer import Unknown, merge_unknown
from govcheck.bounds.expr import ONE, ZERO, Expr, absolute, add, let, mul, num, sqrt
from govcheck.bounds.recurrence import complete_symmetric
from govcheck.kernels.descent import ParameterBlock
from govcheck.plugin.activation import Activation


@dataclass(frozen=True, eq=False)
class Smoothness:
    """What the theory needs of an activation.

    Args:
        zero: ``|sigma(0)|``.
        slope: L, supremum of ``|sigma'|``.
        curvature: beta, supremum of ``|sigma''|``.
        third: beta_3, supremum of ``|sigma'''|``.
        c_sigma: ``1/E sigma(Z)^2``.
    """

    zero: Expr
    slope: Expr
    curvature: Expr
    third: Expr
    c_sigma: Expr

    @classmethod
    def of(cls, activation: Activation, c_sigma: Expr) -> Smoothness | Unknown:
        """The constants of an activation; Unknown if one of them does not exist."""
        found = activation.constants()
        lost = merge_unknown((found.steepest, found.curvature, found.third))
        if lost is not None:
            return lost
        values = (found.steepest, found.curvature, found.third)
        L, beta, third = (v for v in values if isinstance(v, Expr))
        return cls(absolute(found.at_zero), L, beta, third, c_sigma)


@dataclass(frozen=True, eq=False)
class Region:
    """Norms on the trust region and at its centre.

    Args:
        weight: omega, bound of ``|W^(h)|_2/sqrt(m)`` for h >= 2.
        readout: bound of ``|a|_2/sqrt(m)``.
        features: chi, bound of ``|x^(h)|_2`` for h = 0..H.
        start: bound of ``|x^(h)|_2`` at the centre.
        readout_start: bound of ``|a|_2/sqrt(m)`` at the centre.
        readout_fourth: bound of ``|a|_4/m^(1/4)`` at the centre.
    """

    weight: Expr
    readout: Expr
    features: Expr
    start: Expr
    readout_start: Expr
    readout_fourth: Expr

    @classmethod
    def typical(cls, start: Expr) -> Region:
        """The norms that hold with high probability, with a slack of 0.1 for the region."""
        return cls(
            num("11/5"), num("6/5"), num("11/10") * start, start, num("11/10"), num("3/2")
        )


def geometric(ratio: Expr, count: int) -> Expr:
    """``1 + ratio + ... + ratio^(count - 1)``, called ``g_ratio(count)``."""
    return complete_symmetric(count - 1, ratio, ONE)


@dataclass(frozen=True, eq=False)
class BlockConstants:
    """Constants of all blocks on the region.

    Args:
        blocks: ``W1``, ..., ``WH``, ``a`` and, for trained factors, ``gamma2``, ...,
            ``gammaH``; trained with the common step.
        stability: K with ``|G^(H)_ij - G^(H)_ij(0)| <= (last prefactor)^2 m K R``, where the
            last prefactor is ``sqrt(c/m)`` or ``alpha_H(0)/(H sqrt(m))``.
        spread: ``|x^(h) - x^(h)(0)| <= spread R`` for h = 1..H.
    """

    blocks: tuple[ParameterBlock, ...]
    stability: Expr
    spread: Expr


def fc_constants(sigma: Smoothness, H: int, at: Region, m: Expr | None = None) -> BlockConstants:
    """Constants of a fully connected network.

    Args:
        sigma: of the activation.
        H: number of hidden layers.
        at: the region.
        m: the width; without it terms of order ``1/sqrt(m)`` are left out of `change`.

    Source: govcheck theory, widths and rates, section 2.
    """
    root, L, beta = sqrt(sigma.c_sigma), sigma.slope, sigma.curvature
    chi, c_x = at.features, let("c_x", root * L * at.weight)
    small = ZERO if m is None else 1 / sqrt(m)
    base = root * L * at.readout * chi
    size = [mul(base, c_x ** (H - h)) for h in range(1, H + 1)]
    # T_l: |x^(l) - x'^(l)| is at most eps sqrt(c) L chi T_l/sqrt(m)
    reach = [ZERO]
    for h in range(H):
        reach.append(let(f"T_{h + 1}", c_x * reach[-1] + size[h]))
    blocks = []
    for b in range(1, H + 1):
        slopes = mul(beta * chi / L, add(*reach[b:]))
        rest = add(*size[b:]) / at.weight + chi / at.readout + root * L * reach[b - 1]
        blocks.append(ParameterBlock(f"W{b}", size[b - 1], size[b - 1] * (slopes + small * rest)))
    blocks.append(ParameterBlock("a", chi, mul(root * L * chi, reach[H], small)))
    start, g = at.start, geometric(c_x, H)
    stability = (
        L**3 * at.readout_start**2 * root * start * geometric(c_x, H - 1) * (start + chi)
        + 2 * L * beta * at.readout_fourth**2 * start**3 * g
        + chi**2 * L**2 * (at.readout_start + at.readout)
    )
    return BlockConstants(tuple(blocks), stability, root * L * start * g)


def residual_constants(
    sigma: Smoothness,
    H: int,
    alpha: Expr,
    at: Region,
    *,
    trained: bool = False,
    last: Expr | None = None,
    m: Expr | None = None,
) -> BlockConstants:
    """Constants of a residual network with H >= 2.

    A factor ``I + alpha_l/(H sqrt m) J W`` of a derivative is at most ``1 + q`` and changes,
    relative to that, by ``(alpha/H)(beta omega dz + L dW/sqrt(m)) + d(alpha) L omega/H`` over
    ``1 + q``; other factors change relative to their own bound. Relative changes add up.

    Args:
        sigma: of the activation.
        H: number of hidden layers.
        alpha: bound of all ``|alpha_h|`` on the region.
        at: the region.
        trained: whether ``gamma_h`` is trained.
        last: ``|alpha_H(0)|``, if the factors are trained.
        m: the width; without it terms of order ``1/sqrt(m)`` are left out of `change`.

    Source: govcheck theory, widths and rates, section 3.

    Raises:
        ValueError: for H = 1, which is the fully connected network, and without `last`.
    """
    if H < 2:
        raise ValueError("a residual network has at least two hidden layers")
    if trained and last is None:
        raise ValueError("trained factors need the last one's start")
    root, L, beta = sqrt(sigma.c_sigma), sigma.slope, sigma.curvature
    chi, omega, a = at.features, at.weight, at.readout
    small = ZERO if m is None else 1 / sqrt(m)
    q = let("q", alpha * L * omega / H, at_least=2)
    branch = let("hbar", (sigma.zero + L * omega * chi) / H, at_least=2)
    grow = 1 + q
    size = [root * L * a * grow ** (H - 1)]
    size += [alpha / H * L * a * chi * grow ** (H - h) for h in range(2, H + 1)]
    factor = [a * grow ** (H - h) * branch if trained else ZERO for h in range(1, H + 1)]
    factor[0] = ZERO
    # eps X_l/sqrt(m) bounds the change of x^(l), eps Z_l that of z^(l), and eps F_l that of
    # the l-th factor relative to its bound
    X, Z, F = [root * L * size[0]], [size[0]], [ZERO]
    for h in range(1, H):
        Z.append(let(f"Z_{h + 1}", omega * X[-1] + chi * size[h]))
        F.append(
            (alpha / H * (beta * omega * Z[h] + L * size[h] * small)
             + factor[h] * L * omega / H * small) / grow
        )
        X.append(
            let(f"X_{h + 1}", grow * X[-1] + alpha / H * L * chi * size[h] + branch * factor[h])
        )
    readout = chi / a * small
    after = [ZERO] * (H + 1)
    for h in range(H - 1, -1, -1):
        after[h] = let(f"F_{h + 1}", F[h] + after[h + 1])
    blocks = [ParameterBlock("W1", size[0], size[0] * (beta / L * Z[0] + after[1] + readout))]
    for h in range(1, H):
        own = beta / L * Z[h] + small * (X[h - 1] / chi + factor[h] / alpha) + after[h + 1]
        blocks.append(ParameterBlock(f"W{h + 1}", size[h], size[h] * (own + readout)))
    blocks.append(ParameterBlock("a", chi, X[H - 1] * small))
    for h in range(1, H if trained else 1):
        own = after[h + 1] + readout + L * Z[h] * small / (H * branch)
        blocks.append(ParameterBlock(f"gamma{h + 1}", factor[h], factor[h] * own))
    inner, spread = _spreads(root * L, alpha, q, branch if trained else ZERO, H, at, L)
    return BlockConstants(tuple(blocks), _stability(sigma, inner, at, alpha, last), spread)


def _spreads(
    first: Expr, alpha: Expr, q: Expr, branch: Expr, H: int, at: Region, L: Expr
) -> tuple[Expr, Expr]:
    """D with ``|x^(h) - x^(h)(0)| <= D R`` for h = H - 1 and for h = H."""
    step = alpha * L * at.start / H + branch
    inner = first * (1 + q) ** (H - 2) + step * geometric(1 + q, H - 2)
    return inner, (1 + q) * inner + step


def _stability(
    sigma: Smoothness, spread: Expr, at: Region, alpha: Expr, last: Expr | None
) -> Expr:
    L, beta, start, chi = sigma.slope, sigma.curvature, at.start, at.features
    before = at.weight * spread + start
    found = (
        L**2 * at.readout_start**2 * spread * (start + chi)
        + 2 * L * beta * at.readout_fourth**2 * start**2 * before
        + chi**2 * L**2 * (at.readout_start + at.readout)
    )
    if last is None:
        return found
    # |alpha_H^2 - alpha_H(0)^2| <= (2 alpha_H(0) + R) R, and alpha_H is at most alpha
    change = (last + alpha) / last**2 * chi**2 * L**2 * at.readout**2
    return found * (alpha / last) ** 2 + change
