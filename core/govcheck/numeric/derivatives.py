"""Exact derivatives of a small torch module in float64, as numbers to hold against bounds.

A module is seen as a map ``f(theta, X)`` of all its parameters, flattened to one vector,
and a batch X; a batch as a matrix has one column for each sample. Every derivative is
taken in reverse mode, which every torch operation supports, through scalars such as

    S(v, h, k) = <D2f[h, k], v> = d/dk d/dh <f, v>,

linear in each direction, so that the best direction of one kind for given others is a
gradient of S. The quantities are those of `govcheck.bounds.answer.CARRIED`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

Second = Literal["xx", "xt", "tt"]
SECOND: Final[tuple[Second, ...]] = ("xx", "xt", "tt")


class Function:
    """A module as a map of one parameter vector and a batch.

    Args:
        module: maps ``(N, *shape)`` to ``(N, *shape_out)``; its float64 parameters are
            copied and left alone.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.slices: dict[str, slice] = {}
        self._shapes: dict[str, torch.Size] = {}
        size = 0
        parts = []
        for name, p in module.named_parameters():
            self.slices[name] = slice(size, size + p.numel())
            self._shapes[name] = p.shape
            size += p.numel()
            parts.append(p.detach().reshape(-1).to(torch.float64))
        self.size = size
        self.theta = torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)

    def layers(self) -> dict[str, list[slice]]:
        """Places of the parameters of each layer, by the layer's path in the module."""
        found: dict[str, list[slice]] = {}
        for name, place in self.slices.items():
            found.setdefault(name.rpartition(".")[0], []).append(place)
        return found

    def __call__(self, theta: Tensor, x: Tensor) -> Tensor:
        """``f(theta, X)``, shape ``(N, *shape_out)``."""
        weights = {n: theta[s].reshape(self._shapes[n]) for n, s in self.slices.items()}
        result: Tensor = functional_call(self.module, weights, (x,))
        return result


def matrix(z: Tensor) -> Tensor:
    """A batch ``(N, ...)`` as the matrix with one column for each sample."""
    return z.reshape(z.shape[0], -1).T


def smallest_on_units(a: Tensor) -> Tensor:
    """``min |a v|`` over unit v: 0 for a matrix with more columns than rows."""
    if a.shape[1] > a.shape[0]:
        return a.new_zeros(())
    least: Tensor = torch.linalg.svdvals(a)[-1]
    return least


def surjectivity(a: Tensor) -> Tensor:
    """Surjectivity modulus ``min |a^T v|`` over unit v: 0 for more rows than columns."""
    return smallest_on_units(a.T)


def jacobians(f: Function, theta: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices of the derivatives in the batch and in the parameters.

    Returns:
        J of shape (outputs of the batch, entries of X), D of shape (outputs, parameters).
    """
    t, b = theta.detach().requires_grad_(), x.detach().requires_grad_()
    out = f(t, b).reshape(-1)
    rows_x, rows_t = [], []
    for y in out:
        in_t, in_x = gradients(y, (t, b))
        rows_t.append(in_t.reshape(-1))
        rows_x.append(in_x.reshape(-1))
    return torch.stack(rows_x).detach(), torch.stack(rows_t).detach()


def gradients(
    value: Tensor, inputs: tuple[Tensor, ...], *, create_graph: bool = False
) -> tuple[Tensor, ...]:
    """Gradients of a scalar, zeros where it does not depend on an input at all."""
    if not value.requires_grad:
        return tuple(torch.zeros_like(i) for i in inputs)
    found = torch.autograd.grad(
        value, inputs, create_graph=create_graph, retain_graph=True, allow_unused=True
    )
    return tuple(
        torch.zeros_like(i) if g is None else g for g, i in zip(found, inputs, strict=True)
    )


@dataclass(frozen=True, eq=False)
class Directions:
    """Unit vectors: `v` in the output, `h` and `k` for the two slots of a bilinear map."""

    v: Tensor
    h: Tensor
    k: Tensor


def trilinear(
    f: Function, kind: Second, theta: Tensor, x: Tensor, v: Tensor, h: Tensor, k: Tensor
) -> Tensor:
    """``<D2f[h, k], v>``, differentiable in everything.

    Args:
        f: the map.
        kind: ``xx``, ``xt`` (h in the batch, k in the parameters) or ``tt``.
        theta: parameters, requiring gradients.
        x: batch, requiring gradients.
        v: shaped as the output.
        h: shaped as the batch or as theta, by `kind`.
        k: shaped as the batch or as theta, by `kind`.
    """
    first, second = _slots(kind, theta, x)
    along_v = (f(theta, x) * v).sum()
    (g,) = gradients(along_v, (first,), create_graph=True)
    (gg,) = gradients((g * h).sum(), (second,), create_graph=True)
    return (gg * k).sum()


def _slots(kind: Second, theta: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    return (x if kind[0] == "x" else theta), (x if kind[1] == "x" else theta)


def bilinear(
    f: Function, kind: Second, theta: Tensor, x: Tensor, h: Tensor, k: Tensor
) -> Tensor:
    """The vector ``D2f[h, k]``, shaped as the output; arguments as in `trilinear`."""
    t, b = theta.detach().requires_grad_(), x.detach().requires_grad_()
    v = torch.zeros_like(f(t, b)).requires_grad_()
    (value,) = gradients(trilinear(f, kind, t, b, v, h, k), (v,))
    return value.detach()


def random_directions(
    f: Function, kind: Second, theta: Tensor, x: Tensor, generator: torch.Generator
) -> Directions:
    """Unit directions of the shapes that `kind` needs."""
    first, second = _slots(kind, theta, x)
    with torch.no_grad():
        out = f(theta, x)
    v, h, k = (_random_like(a, generator) for a in (out, first, second))
    return Directions(v, h, h.clone() if kind != "xt" else k)


def _random_like(a: Tensor, generator: torch.Generator) -> Tensor:
    return unit(torch.randn(a.shape, generator=generator, dtype=torch.float64))


def unit(a: Tensor) -> Tensor:
    """A vector scaled to length 1; 0 stays."""
    length = torch.linalg.vector_norm(a)
    return a / length if length > 0 else a


def climb(
    f: Function, kind: Second, theta: Tensor, x: Tensor, start: Directions, rounds: int = 6
) -> tuple[float, Directions]:
    """Maximise ``|D2f[h, k]|`` over unit directions at a fixed point, from a start.

    Each direction in turn is replaced by the best for the two others, so that the value
    never falls; `start.k` only gives the shape. For ``xx`` and ``tt`` the supremum is
    attained with ``h = k``, and h, k are not tied together: any value found is below the
    norm all the same.
    """
    t, b = theta.detach().requires_grad_(), x.detach().requires_grad_()
    v, h, k = start.v, start.h, start.k
    best, found = -1.0, start
    for _ in range(rounds):
        for place in (2, 0, 1):
            dirs = [d.detach().requires_grad_() for d in (v, h, k)]
            (g,) = gradients(trilinear(f, kind, t, b, *dirs), (dirs[place],))
            value = float(torch.linalg.vector_norm(g))
            if value == 0:
                return max(best, 0.0), found
            best = max(best, value)
            g = unit(g.detach())
            v, h, k = (g if place == i else d for i, d in enumerate((v, h, k)))
            found = Directions(v, h, k)
    return best, found


def largest_bilinear(
    f: Function,
    kind: Second,
    theta: Tensor,
    x: Tensor,
    *,
    starts: int = 4,
    rounds: int = 20,
    seed: int = 0,
) -> float:
    """The largest ``|D2f[h, k]|`` over unit directions found by local search: a lower bound."""
    generator = torch.Generator().manual_seed(seed)
    best = 0.0
    for _ in range(starts):
        start = random_directions(f, kind, theta, x, generator)
        best = max(best, climb(f, kind, theta, x, start, rounds)[0])
    return best


def first_order(f: Function, theta: Tensor, x: Tensor) -> dict[str, float]:
    """The quantities without second derivatives at one point, exact up to rounding."""
    j, d = jacobians(f, theta, x)
    with torch.no_grad():
        z = matrix(f(theta, x))
    return {
        "out": float(torch.linalg.matrix_norm(z)),
        "out_spec": float(torch.linalg.matrix_norm(z, 2)),
        "out_inj": float(smallest_on_units(z)),
        "J": _operator_norm(j),
        "D": _operator_norm(d),
        "sigma_J": float(surjectivity(j)),
        "sigma_D": float(surjectivity(d)),
        "out_max": float(torch.linalg.vector_norm(z, dim=0).max()),
        "J_rows": float(torch.linalg.vector_norm(j, dim=1).max()),
        "D_rows": float(torch.linalg.vector_norm(d, dim=1).max()),
    }


def _operator_norm(a: Tensor) -> float:
    return float(torch.linalg.matrix_norm(a, 2)) if a.numel() else 0.0


def quantities(
    f: Function, theta: Tensor, x: Tensor, *, starts: int = 4, rounds: int = 20, seed: int = 0
) -> dict[str, float]:
    """All quantities at one point; those of second order are lower bounds by search."""
    values = first_order(f, theta, x)
    for kind in SECOND:
        values[kind] = largest_bilinear(
            f, kind, theta, x, starts=starts, rounds=rounds, seed=seed
        )
    return values
