"""Limiting Gram matrices of the networks of Du et al. and their variants, from the definitions.

`as_printed` gives what the definitions say in print, where they differ from what they are
limits of: the last layer's matrix is built from the covariances of one layer too early
(erratum D-1), the cross terms of a residual layer are swapped (D-2), and for convolutions
the skip adds sums over patches (D-3) and the last layer lacks its factor (D-4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from govcheck.kernels.conv import Patches
from govcheck.kernels.dual import Array, Dual, normalisation

Erratum = Literal["index", "cross", "skip", "factor"]
ALL: Final[frozenset[Erratum]] = frozenset({"index", "cross", "skip", "factor"})


@dataclass(frozen=True, eq=False)
class Kernels:
    """Limiting matrices of a network with H hidden layers, n samples.

    Args:
        features: ``S^(h)``, h = 0..H; for convolutions the pixel Gram, (n, n, p, p).
        means: ``b^(h)``, h = 1..H - 1 of residual networks; (n,) or (n, p).
        last: ``K^(H)``, the Gram matrix of the derivative in ``W^(H)``.
        weights: of the derivatives in ``W^(1), ..., W^(H)``; the last is `last`.
        output: of the derivative in a, which is ``S^(H)``.
        factors: mean of the random block of each ``alpha_h``, h = 2..H.
    """

    features: tuple[Array, ...]
    means: tuple[Array, ...]
    last: Array
    weights: tuple[Array, ...] = ()
    output: Array = field(default_factory=lambda: np.zeros((0, 0)))
    factors: tuple[Array, ...] = ()

    @property
    def ntk(self) -> Array:
        """Sum of the blocks of all weights and of a, trained factors left out."""
        total: Array = self.output + sum(self.weights)
        return total


def _moments(s: Array) -> tuple[Array, Array, Array]:
    q = np.diag(s)
    return q[:, None], s, q[None, :]


def _hidden(H: int, as_printed: bool) -> None:
    if H < 1:
        raise ValueError(f"the number of hidden layers must be at least 1, not {H}")
    if as_printed and H == 1:
        raise ValueError("as printed, K^(1) is built from A^(0), which is not defined")


def fc_kernels(
    x: ArrayLike,
    H: int,
    dual: Dual,
    *,
    c_sigma: float | None = None,
    as_printed: bool = False,
) -> Kernels:
    """Fully connected: ``x^(h) = sqrt(c/m) phi(W^(h) x^(h-1))`` (Du et al., definition 5.1).

    Args:
        x: samples x features.
        H: number of hidden layers.
        dual: of the activation.
        c_sigma: c; ``1/E phi(Z)^2`` by default.
        as_printed: K^(H) as the definition prints it; without the other blocks.

    Raises:
        ValueError: for H < 1, and for H = 1 as printed.
    """
    _hidden(H, as_printed)
    c = normalisation(dual) if c_sigma is None else c_sigma
    rows = np.asarray(x, dtype=float)
    features = [rows @ rows.T]
    slopes = []
    for _ in range(H):
        slopes.append(c * dual.slopes(*_moments(features[-1])))
        features.append(c * dual.product(*_moments(features[-1])))
    if as_printed:
        return Kernels(tuple(features), (), features[H - 1] * slopes[H - 2])
    after = np.ones_like(features[0])
    weights: list[Array] = []
    for h in range(H, 0, -1):
        after = after * slopes[h - 1]
        weights.insert(0, features[h - 1] * after)
    return Kernels(tuple(features), (), weights[-1], tuple(weights), features[-1])


def resnet_kernels(
    x: ArrayLike,
    alphas: Sequence[float],
    dual: Dual,
    *,
    c_sigma: float | None = None,
    as_printed: bool = False,
    errata: frozenset[Erratum] | None = None,
) -> Kernels:
    """Residual: ``x^(h) = x^(h-1) + alpha_h/(H sqrt m) phi(W^(h) x^(h-1))`` (definition 6.1).

    Args:
        x: samples x features.
        alphas: ``alpha_2, ..., alpha_H``; H is one more than there are.
        dual: of the activation.
        c_sigma: factor of the first layer; ``1/E phi(Z)^2`` by default.
        as_printed: all errata of the definition.
        errata: those of "index" and "cross" to reproduce, instead of all or none.

    Raises:
        ValueError: for H = 1 as printed.
    """
    wrong = errata if errata is not None else ALL if as_printed else frozenset()
    H = len(alphas) + 1
    _hidden(H, "index" in wrong)
    c = normalisation(dual) if c_sigma is None else c_sigma
    rows = np.asarray(x, dtype=float)
    features = [rows @ rows.T]
    products = [dual.product(*_moments(features[0]))]
    slopes = [dual.slopes(*_moments(features[0]))]
    means = [np.sqrt(c) * dual.mean(np.diag(features[0]))]
    features.append(c * products[0])
    rho = [np.sqrt(c)] + [a / H for a in alphas]
    for h in range(2, H + 1):
        s, b, r = features[-1], means[-1], rho[h - 1]
        p = dual.mean(np.diag(s))
        products.append(dual.product(*_moments(s)))
        slopes.append(dual.slopes(*_moments(s)))
        cross = np.outer(b, p)
        if "cross" in wrong:
            cross = np.outer(b * p, np.ones_like(b))
        features.append(s + r * (cross + cross.T) + r * r * products[-1])
        means.append(b + r * p)
    if "index" in wrong:
        last = rho[-1] ** 2 * features[H - 1] * slopes[H - 2]
        return Kernels(tuple(features), tuple(means), last)
    after = np.ones_like(features[0])
    weights: list[Array] = []
    factors: list[Array] = []
    for h in range(H, 0, -1):
        own = rho[h - 1] ** 2 * slopes[h - 1]
        weights.insert(0, features[h - 1] * own * after)
        if h > 1:
            factors.insert(0, products[h - 1] * after / H**2)
            after = after * (1 + own)
    return Kernels(
        tuple(features), tuple(means), weights[-1], tuple(weights), features[-1], tuple(factors)
    )


def conv_resnet_kernels(
    x: ArrayLike,
    H: int,
    dual: Dual,
    *,
    c_res: float,
    patch: int | tuple[int, ...],
    grid: tuple[int, ...] | None = None,
    c_sigma: float | None = None,
    as_printed: bool = False,
    errata: frozenset[Erratum] | None = None,
) -> Kernels:
    """Convolutional residual network with a dense last layer (definition 7.1).

    Args:
        x: samples x channels x pixels.
        H: number of hidden layers.
        dual: of the activation.
        c_res: the residual branch has the factor ``c_res/(H sqrt m)``.
        patch: odd number of pixels of a patch, one for each dimension of the grid.
        grid: size of the image in pixels; one dimension by default.
        c_sigma: factor of the first layer; ``1/E phi(Z)^2`` by default.
        as_printed: all errata of the definition.
        errata: those to reproduce, instead of all or none.

    Raises:
        ValueError: for H < 1 and for H = 1 as printed.
    """
    wrong = errata if errata is not None else ALL if as_printed else frozenset()
    _hidden(H, "index" in wrong)
    c = normalisation(dual) if c_sigma is None else c_sigma
    images = np.asarray(x, dtype=float)
    shape = grid or (images.shape[2],)
    kernel = patch if isinstance(patch, tuple) else (patch,) * len(shape)
    around = Patches.same(shape, kernel)
    pixel = np.einsum("icl,jcr->ijlr", images, images)
    features = [pixel]
    sums = [around.summed(pixel, 2)]
    q = _pixel_variances(sums[0])
    means = [np.sqrt(c) * dual.mean(q)]
    features.append(c * _pixelwise(dual, 0, sums[0], q))
    rho = c_res / H
    for _ in range(2, H + 1):
        sums.append(around.summed(features[-1], 2))
        q, b = _pixel_variances(sums[-1]), means[-1]
        p = dual.mean(q)
        if "cross" in wrong:
            own = (b * p)[:, None, :, None] + (b * p)[None, :, None, :]
        else:
            own = b[:, None, :, None] * p[None, :, None, :] + p[:, None, :, None] * b[
                None, :, None, :
            ]
        skip = sums[-1] if "skip" in wrong else features[-1]
        features.append(skip + rho * own + rho**2 * _pixelwise(dual, 0, sums[-1], q))
        means.append(b + rho * p)
    at = sums[H - 2] if "index" in wrong else sums[H - 1]
    slopes = _pixelwise(dual, 1, at, _pixel_variances(at))
    prefactor = c if H == 1 else 1.0 if "factor" in wrong else rho**2
    last = prefactor * np.einsum("ijll->ij", sums[H - 1] * slopes)
    output = np.einsum("ijll->ij", features[H])
    return Kernels(tuple(features), tuple(means), last, (), output)


def _pixel_variances(sums: Array) -> Array:
    variances: Array = np.einsum("iill->il", sums)
    return variances


def _pixelwise(dual: Dual, order: Literal[0, 1], s: Array, q: Array) -> Array:
    left, right = q[:, None, :, None], q[None, :, None, :]
    return dual.expect(order, left, s, right).values
