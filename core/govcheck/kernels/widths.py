"""Explicit width, step size and rate at which gradient descent provably converges.

With independent standard normal weights, all samples of norm 1, ``sigma`` three times
differentiable with bounded derivatives and ``lambda_0 > 0``: if ``m >= width`` and
``0 < eta <= eta_star``, then with probability at least ``1 - delta``
``|y - u(k)|^2 <= (1 - eta lambda_0/2)^k |y - u(0)|^2`` for all k.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from govcheck.bounds.answer import Unknown
from govcheck.bounds.expr import (
    PI,
    Expr,
    ExprLike,
    absolute,
    add,
    function,
    let,
    maximum,
    minimum,
    mul,
    num,
    sqrt,
    sym,
)
from govcheck.kernels.descent import Descent, theorem_a
from govcheck.kernels.explicit import (
    BlockConstants,
    Region,
    Smoothness,
    fc_constants,
    geometric,
    residual_constants,
)
from govcheck.kernels.family import Family

LAMBDA_0: Final = sym("lambda_0", "smallest eigenvalue of K^(H)", latex=r"\lambda_0")
DELTA: Final = sym("delta", "probability of failure", latex=r"\delta")
LARGEST: Final = sym(
    "S_max", "largest entry of the limiting feature Gram matrices", latex=r"S_{\max}"
)
SLACK: Final = num("1/10")
BERNSTEIN: Final = num("27/25")


@dataclass(frozen=True)
class Event:
    """Something that may fail at initialisation, each time with probability delta/N_ev."""

    what: str
    count: Expr


@dataclass(frozen=True, eq=False)
class Explicit:
    """Closed forms of everything that the theorems of Du et al. leave to Omega and O.

    Args:
        events: what may fail; the failure probability is at most delta in all.
        t: ``log(N_ev/delta)``.
        radius: R of the trust region.
        size: M, the largest of the blocks' sizes.
        start: rho, bound of ``|y - u(0)|``.
        m_moments: width from which norms of W and a are typical.
        m_norm: from which ``| |x^(h)|^2 - S^(h)_ii | <= 1/2``.
        m_init: from which ``|G^(H)(0) - K^(H)| <= lambda_0/4``.
        m_drift: from which gradient descent cannot leave the region.
        width: m*, the largest of them.
        eta: eta*, the largest step, which holds for every width of at least `width`.
        constants: sizes of the blocks on the region, at width `width`.
        descent: what Theorem A concludes from them.
    """

    events: tuple[Event, ...]
    t: Expr
    radius: Expr
    size: Expr
    start: Expr
    m_moments: Expr
    m_norm: Expr
    m_init: Expr
    m_drift: Expr
    width: Expr
    eta: Expr
    constants: BlockConstants
    descent: Descent

    @property
    def count(self) -> Expr:
        """N_ev, the number of events."""
        return add(*(e.count for e in self.events))

    def steps(self, reduction: ExprLike = Fraction(1, 1000)) -> Expr:
        """Steps of size eta* until ``|y - u|^2`` has fallen by `reduction`."""
        return self.descent.steps(self.eta, reduction)


@dataclass(frozen=True, eq=False)
class Problem:
    """What the constants depend on besides the network.

    Args:
        n: number of samples, at least 2.
        targets: Euclidean norm of y.
        lambda_0: smallest eigenvalue of ``K^(H)``.
        delta: probability of failure.
    """

    n: Expr
    targets: Expr
    lambda_0: Expr = LAMBDA_0
    delta: Expr = DELTA


def fc_width(sigma: Smoothness, H: int, given: Problem) -> Explicit:
    """Width and step for a fully connected network.

    Source: govcheck theory, widths and rates, section 4.
    """
    n, c, L, beta = given.n, sigma.c_sigma, sigma.slope, sigma.curvature
    events = _events(n, H)
    t = _log(events, given.delta)
    at = Region.typical(sqrt(num("3/2")))
    growth = let("C_F", c * (L**2 + beta * (sigma.zero + L * sqrt(num(3) / PI))), at_least=2)
    noise = let("kappa_F", BERNSTEIN * c * (4 * sigma.zero**2 + 12 * L**2), at_least=2)
    slopes = beta**2 + L * sigma.third
    before = noise * geometric(growth, H - 1)
    last = c * (num("3/2") * (num("13/5") * L**2 + slopes * before) + L**2 * before)
    m_norm = t * (2 * noise * geometric(growth, H)) ** 2
    m_init = t * (4 * n * last / given.lambda_0) ** 2
    free = fc_constants(sigma, H, at)
    radius = minimum(
        SLACK,
        SLACK * at.start / free.spread,
        given.lambda_0 / (4 * n * c * free.stability),
    )

    def constants(m: Expr) -> BlockConstants:
        return fc_constants(sigma, H, at, m)

    return _explicit(given, events, t, at, radius, m_norm, m_init, constants, free)


def residual_width(
    sigma: Smoothness,
    alphas: Sequence[Expr],
    given: Problem,
    *,
    trained: bool = False,
    largest: Expr = LARGEST,
) -> Explicit:
    """Width and step for a residual network.

    With trained factors the statement is for ``gamma_h`` trained with the common step, where
    ``alpha_h = alpha_h(0) + gamma_h/sqrt(m)``; that is ``alpha_h`` trained with step ``eta/m``.

    Args:
        sigma: of the activation.
        alphas: ``alpha_2, ..., alpha_H`` at first; the last one not 0.
        given: data and probability.
        trained: whether the factors are trained.
        largest: upper bound of all ``S^(h)_ii``; see `closed_largest` for one in closed form.

    Source: govcheck theory, widths and rates, sections 5 and 6.

    Raises:
        ValueError: without alphas, or if the last one is 0: then ``K^(H)`` is 0.
    """
    if not alphas:
        raise ValueError("a residual network has at least two hidden layers")
    H, n, c = len(alphas) + 1, given.n, sigma.c_sigma
    L, beta, zero = sigma.slope, sigma.curvature, sigma.zero
    alpha, last = maximum(*map(absolute, alphas)), absolute(alphas[-1])
    if last.is_number and last.number == 0:
        raise ValueError("alpha_H(0) is 0, so that K^(H) is 0")
    tilde = let("lambda_tilde", given.lambda_0 * H**2 / last**2, at_least=4)
    events = (*_events(n, H), *_residual_events(n, H))
    t = _log(events, given.delta)
    s = let("s", sqrt(largest + Fraction(1, 2)), at_least=2)
    at = Region.typical(s)
    mean = zero + L * s * sqrt(2 / PI)
    growth = let(
        "C_r", alpha * (2 * mean + s * beta) + alpha**2 * (L**2 + beta * mean) / H
    )
    first = maximum(BERNSTEIN * c * (4 * zero**2 + 8 * L**2), sqrt(2 * c) * L)
    noise = let(
        "k_r",
        2 * sqrt(2) * alpha * L * maximum(s, s**2)
        + BERNSTEIN * alpha**2 * (4 * zero**2 + 8 * L**2 * s**2) / H,
    )

    def deviation(h: int) -> Expr:
        ratio = 1 + growth / H
        return let(f"nu_{h}", first * ratio ** (h - 1) + noise / H * geometric(ratio, h - 1))

    slopes = beta**2 + L * sigma.third
    own = s**2 * (num("13/5") * L**2 + slopes * deviation(H - 1)) + L**2 * deviation(H - 1)
    m_norm = t * (2 * deviation(H)) ** 2
    m_init = t * (4 * n * own / tilde) ** 2
    reach = alpha + SLACK if trained else alpha
    start = last if trained else None

    def constants(m: Expr | None) -> BlockConstants:
        return residual_constants(sigma, H, reach, at, trained=trained, last=start, m=m)

    free = constants(None)
    radius = minimum(
        SLACK, SLACK * at.start / free.spread, tilde / (4 * n * free.stability)
    )
    return _explicit(given, events, t, at, radius, m_norm, m_init, constants, free)


def closed_largest(sigma: Smoothness, alpha: Expr) -> Expr:
    """Upper bound of all ``S^(h)_ii`` of a residual network, for samples of norm 1."""
    return ((1 + sigma.zero / sigma.slope) * function("exp", alpha * sigma.slope)) ** 2


def explicit_for(
    family: Family, given: Problem, *, largest: Expr = LARGEST
) -> Explicit | Unknown:
    """The constants of a recognised network.

    Args:
        family: from `recognise`; trained factors in the parametrisation that moves them by
            ``gamma_h/sqrt(m)``, whatever the family's own speed is.
        given: data and probability.
        largest: upper bound of all ``S^(h)_ii`` of a residual network.

    Returns:
        Unknown for convolutions, for an activation without the constants, and if
        ``alpha_H(0)`` is 0.
    """
    if family.kind == "conv_resnet":
        return Unknown.because(
            "the dependence on the number of pixels, poly(p), is not known explicitly: the "
            "concentration of the patch Gram matrices has no derived constants"
        )
    sigma = Smoothness.of(family.activation, family.c_sigma)
    if isinstance(sigma, Unknown):
        return sigma
    if not family.residual:
        return fc_width(sigma, family.hidden, given)
    last = family.alphas[-1]
    if last.is_number and last.number == 0:
        return Unknown.because("alpha_H(0) is 0, so that K^(H) and lambda_0 are 0")
    return residual_width(
        sigma, family.alphas, given, trained=family.trained, largest=largest
    )


def _events(n: Expr, H: int) -> tuple[Event, ...]:
    return (
        Event("|W^(h)(0)|_2 <= 2.1 sqrt(m), h >= 2", num(H - 1)),
        Event("|a(0)|_2 <= 1.1 sqrt(m) and |a(0)|_4 <= 1.5 m^(1/4)", num(2)),
        Event("products <x_i^(h), x_j^(h)> near their mean, both sides", n * (n + 1) * H),
        Event("entries of the last layer's Gram matrix near their mean", n * (n + 1)),
        Event("|u(0)| <= sqrt(n) c_x0 (1 + sqrt(2 t))", num(1)),
    )


def _residual_events(n: Expr, H: int) -> tuple[Event, ...]:
    return (
        Event("<x_i^(h-1), sigma(W^(h) x_j^(h-1))> near their mean", 2 * (H - 1) * n**2),
        Event("means of the units near their limit", 2 * n * H),
    )


def _log(events: Sequence[Event], delta: Expr) -> Expr:
    return let("t", function("log", add(*(e.count for e in events)) / delta), at_least=2)


def _explicit(
    given: Problem,
    events: tuple[Event, ...],
    t: Expr,
    at: Region,
    radius: Expr,
    m_norm: Expr,
    m_init: Expr,
    constants: Callable[[Expr], BlockConstants],
    free: BlockConstants,
) -> Explicit:
    n, lambda_0 = given.n, given.lambda_0
    radius = let("R_star", radius)
    size = let("M", maximum(*(b.size for b in free.blocks)), at_least=2)
    start = let("rho", given.targets + sqrt(n) * at.start * (1 + sqrt(2 * t)))
    m_moments = maximum(200 * t, 3500 * t**2)
    m_drift = let("m_drift", mul(16, size**2, n, start**2) / (lambda_0**2 * radius**2))
    m_norm, m_init = let("m_norm", m_norm), let("m_init", m_init)
    width = let("m_star", maximum(m_moments, m_norm, m_init, m_drift))
    at_width = constants(width)
    descent = theorem_a(at_width.blocks, n, lambda_0, start)
    return Explicit(
        events, t, radius, size, start, m_moments, m_norm, m_init, m_drift, width,
        descent.eta, at_width, descent,
    )

