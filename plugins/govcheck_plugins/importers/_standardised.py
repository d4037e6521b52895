"""Weights that are standardised kernels, recognised by what they are."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from govcheck_plugins.importers._shared import exact

if TYPE_CHECKING:
    from torch import Tensor

CLOSE = 1e-9


def standardised(w: Tensor) -> tuple[dict[str, object], dict[str, Tensor]] | None:
    """Settings and weights of a kernel with rows ``s g u/sqrt(eps + |u|^2)``, else None.

    u is a row of a parameter v minus its mean, g is 1 or another parameter. If W is such a
    kernel, its rows are ``c u`` and ``(g/c)^2 = (|u|^2 + eps)/s^2`` is affine in ``|u|^2``: a
    fit over the rows gives s and eps, and its residual says whether it is one. That the same
    holds at other weights is for the check of the import to see.
    """
    import torch

    from govcheck.numeric.importing.selection import sources

    found = sources(w)
    kernels = [p for p in found if p.shape == w.shape and p is not w]
    gains = [p for p in found if p.numel() == len(w) and p.shape != w.shape]
    if len(kernels) != 1 or len(gains) + 1 != len(found) or len(gains) > 1 or len(w) < 2:
        return None
    v = kernels[0].detach().flatten(1)
    u = v - v.mean(1, keepdim=True)
    square = (u * u).sum(1)
    kernel = w.detach().flatten(1)
    g = gains[0].detach().flatten() if gains else torch.ones_like(square)
    # q = c u is had from W, or from its derivative in g, which may be 0
    along = [u, torch.linspace(-1, 1, u.numel(), dtype=u.dtype).reshape(u.shape)]
    dots = [_times_q(w, gains, d) for d in along]
    c = dots[0] / square
    off = max((dots[1] - c * (along[1] * u).sum(1)).abs().max() / dots[1].abs().max(),
              (kernel - (g * c).unsqueeze(1) * u).abs().max())
    if not bool(off <= CLOSE * max(1.0, float(kernel.abs().max()))) or not bool((c > 0).all()):
        return None
    value = c**-2
    table = torch.stack([square, torch.ones_like(square)], 1)
    slope, offset = torch.linalg.lstsq(table, value.unsqueeze(1)).solution.flatten().tolist()
    fits = (table @ torch.tensor([slope, offset], dtype=value.dtype) - value).abs().max()
    # without a constant below the root the map has no derivative at 0, and is no such layer
    no_root = slope <= 0 or offset <= CLOSE * slope * float(square.mean())
    if no_root or not bool(fits <= CLOSE * value.abs().max()):
        return None
    scale, eps = slope**-0.5, offset / slope
    meant = exact(_nice(eps, u.shape[1]))
    settings: dict[str, object] = {"weight": "standardised", "eps": meant}
    if abs(scale - 1) > CLOSE:
        settings["scale"] = _root(scale)
    if not gains:
        return settings, {"weight": kernels[0]}
    settings["factor"] = True
    return settings, {"weight": kernels[0], "gain": gains[0].reshape(-1)}


def _times_q(w: Tensor, gains: list[Tensor], along: Tensor) -> Tensor:
    """``q . d`` for each row, ``W = g q``."""
    import torch

    if not gains:
        return (w.detach().flatten(1) * along).sum(1)
    with torch.enable_grad():
        total = (w.flatten(1) * along).sum()
    (found,) = torch.autograd.grad(total, gains, retain_graph=True)
    return found.flatten()


def _root(scale: float) -> str | int:
    """A scale as the root of a fraction if it is one, else to the digits that the fit has."""
    square = Fraction(scale**2).limit_denominator(64)
    if abs(float(square) - scale**2) <= 1e-12 * scale**2:
        return f"sqrt({square})"
    return exact(float(f"{scale:.13g}"))


def _nice(eps: float, entries: int) -> float:
    """The constant as it was meant: a short decimal times the number of entries, or one less."""
    for n in (entries, entries - 1, 1):
        short = float(f"{eps / n:.2g}") if n else eps
        if n and abs(short * n - eps) <= 1e-4 * eps:
            return short * n
    return eps
