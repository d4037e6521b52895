"""Search for the inputs, weights and directions at which a quantity of a module is extreme.

What the search finds is attained, so a value above an upper bound (or below a lower one)
refutes the bound. The reverse proves nothing: the search is local.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from govcheck.bounds.answer import CARRIED, LOCAL, sense_of
from govcheck.numeric.derivatives import (
    SECOND,
    Directions,
    Function,
    Second,
    climb,
    first_order,
    gradients,
    jacobians,
    matrix,
    random_directions,
    smallest_on_units,
    unit,
)

ROWS = ("J_rows", "D_rows")
REFRESH = 15
"""Steps after which directions are replaced by the best ones at the point reached."""


@dataclass(frozen=True)
class Inputs:
    """Batches X in a set given by norms of X as a matrix with one column for each sample.

    Args:
        shape: of the batch, ``(N, *sample)``.
        frobenius: largest Frobenius norm.
        spectral: largest operator norm; `frobenius` when omitted.
        injective: least ``min |X v|`` over unit v; the set must not be empty.

    Raises:
        ValueError: if no batch of this shape has these norms.
    """

    shape: tuple[int, ...]
    frobenius: float
    spectral: float | None = None
    injective: float = 0.0

    def __post_init__(self) -> None:
        samples, features = self.shape[0], math.prod(self.shape[1:])
        wide = samples > features and self.injective > 0
        if wide or self.injective * math.sqrt(samples) > self.frobenius * (1 + 1e-12):
            raise ValueError(f"no batch of shape {self.shape} has these norms")

    def project(self, x: Tensor) -> Tensor:
        """A batch of the set near x: singular values moved into their ranges."""
        u, s, w = torch.linalg.svd(matrix(x), full_matrices=False)
        top = self.frobenius if self.spectral is None else self.spectral
        s = s.clamp(min(self.injective, top), top)
        excess = s - self.injective
        if torch.linalg.vector_norm(s) > self.frobenius:
            # |injective + t excess| = frobenius, solved for t
            a, b = (excess @ excess).item(), self.injective * excess.sum().item()
            c = len(s) * self.injective**2 - self.frobenius**2
            t = (-b + math.sqrt(max(b * b - a * c, 0.0))) / a
            s = self.injective + t * excess
        projected: Tensor = ((u * s) @ w).T.reshape(self.shape)
        return projected

    def draw(self, generator: torch.Generator) -> Tensor:
        """A batch on the boundary of the set, by chance close to rank one."""
        x = _normal(self.shape, generator)
        if torch.rand((), generator=generator) < 0.5:
            rows = x.reshape(self.shape[0], -1)
            pull = torch.outer(_normal((rows.shape[0],), generator), rows[0])
            x = (0.05 * rows + pull).reshape(self.shape)
        return self.project(x * (self.frobenius / torch.linalg.vector_norm(x)))


@dataclass(frozen=True, eq=False)
class Weights:
    """A set of parameters: a product of balls, one for each layer, or everything.

    Args:
        radius: Euclidean radius for each layer; None for no constraint.
        centre: the flat vector the balls are around; 0 when omitted.
        radii: radii by layer name that override `radius`.
        spread: standard deviation of the entries at the start of the search where there is
            no radius.
        entries: largest absolute entry of the parameters of a layer, by its name; only where
            the balls are around 0.
    """

    radius: float | None = None
    centre: Tensor | None = None
    radii: Mapping[str, float] = field(default_factory=dict)
    spread: float = 1.0
    entries: Mapping[str, float] = field(default_factory=dict)

    def balls(self, f: Function) -> list[tuple[Tensor, float]]:
        """Places in the flat vector and radius, for each constrained layer."""
        found = []
        for path, places in f.layers().items():
            radius = self.radii.get(path.rpartition(".")[2], self.radius)
            if radius is not None:
                found.append((torch.cat([torch.arange(p.start, p.stop) for p in places]), radius))
        return found

    def origin(self, f: Function) -> Tensor:
        """The centre as a vector."""
        return torch.zeros_like(f.theta) if self.centre is None else self.centre

    def project(self, f: Function, theta: Tensor) -> Tensor:
        """The nearest point of the set."""
        away: Tensor = theta - self.origin(f)
        for places, radius in self.balls(f):
            length = torch.linalg.vector_norm(away[places])
            if length > radius:
                away[places] *= radius / length
        # moves every entry towards 0, so that the balls still hold the result
        for path, own in f.layers().items():
            most = self.entries.get(path.rpartition(".")[2])
            if most is not None:
                for place in own:
                    away[place] = away[place].clamp(-most, most)
        return self.origin(f) + away

    def draw(self, f: Function, generator: torch.Generator) -> Tensor:
        """A point of the set, often on the boundary of some of the balls."""
        theta: Tensor = self.origin(f) + self.spread * _normal(tuple(f.theta.shape), generator)
        for places, radius in self.balls(f):
            share = min(1.0, 1.5 * float(torch.rand((), generator=generator)))
            step = unit(_normal((len(places),), generator))
            theta[places] = self.origin(f)[places] + share * radius * step
        return self.project(f, theta) if self.entries else theta


@dataclass(frozen=True, eq=False)
class Found:
    """The most extreme value found.

    Args:
        value: attained at the point, up to rounding.
        theta: the parameters, flat.
        x: the batch.
    """

    value: float
    theta: Tensor
    x: Tensor


def attack(
    module: nn.Module | Function,
    quantity: str,
    inputs: Inputs,
    weights: Weights | None = None,
    *,
    starts: int = 4,
    steps: int = 60,
    rate: float = 0.1,
    seed: int = 0,
    at: tuple[Tensor, Tensor] | None = None,
    fixed_inputs: bool = False,
) -> Found:
    """Maximise a quantity, or minimise it if it is one that is bounded from below.

    Projected Adam from random starts over the batch, the parameters and the directions at
    once; in between and at the end the directions are replaced by the best at that point.
    The same arguments give the same result.

    Args:
        module: maps batches to batches, twice differentiable where it is searched.
        quantity: one of `govcheck.bounds.answer.CARRIED` or `LOCAL`.
        inputs: where the batch may be.
        weights: where the parameters may be; everywhere when omitted.
        starts: number of starts.
        steps: of each ascent; 0 only looks at the starts.
        rate: first step size, relative to the size of what is moved.
        seed: of the random starts.
        at: parameters and batch to start from before any random start.
        fixed_inputs: leave the batch of each start as it is.

    Raises:
        ValueError: for a quantity that does not exist.
    """
    if quantity not in CARRIED + LOCAL:
        raise ValueError(f"no quantity {quantity!r}; there are {', '.join(CARRIED + LOCAL)}")
    f = module if isinstance(module, Function) else Function(module)
    allowed = weights or Weights()
    generator = torch.Generator().manual_seed(seed)
    sign = -1.0 if sense_of(quantity) == "lower" else 1.0
    kind = Search
    if quantity in LOCAL:
        # that module builds on this one
        from govcheck.numeric.attack_local import LocalSearch

        kind = LocalSearch
    best: Found | None = None
    for index in range(starts):
        if at is not None and index == 0:
            theta, x = at[0].detach().clone(), at[1].detach().clone()
        else:
            theta, x = allowed.draw(f, generator), inputs.draw(generator)
        search = kind(f, quantity, inputs, allowed, theta, x, generator, fixed_inputs)
        found = search.run(steps, rate)
        if best is None or sign * found.value > sign * best.value:
            best = found
    if best is None:
        raise ValueError("an attack needs at least one start")
    return best


class Search:
    """One ascent."""

    def __init__(
        self,
        f: Function,
        quantity: str,
        inputs: Inputs,
        weights: Weights,
        theta: Tensor,
        x: Tensor,
        generator: torch.Generator,
        fixed_inputs: bool,
    ) -> None:
        self.f, self.quantity, self.inputs, self.weights = f, quantity, inputs, weights
        self.theta, self.x = theta.requires_grad_(), x.requires_grad_()
        self.sign = -1.0 if sense_of(quantity) == "lower" else 1.0
        self.moving_x = not fixed_inputs
        kind = _second(quantity)
        drawn = random_directions(f, kind or "xx", theta, x, generator)
        self.directions = [d.requires_grad_() for d in (drawn.v, drawn.h)]
        self.row = 0
        self.best = -math.inf
        self.where = (theta.detach().clone(), x.detach().clone())
        self._refresh()

    def run(self, steps: int, rate: float) -> Found:
        """Ascend and report the best point, its value computed afresh."""
        if steps:
            optimizer, rates = self._optimizer(rate)
            for step in range(steps):
                if step and step % REFRESH == 0:
                    self._refresh()
                for group, full in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = full * (1 - 0.97 * step / steps)
                value = self._value()
                if not self._note(value):
                    break
                self._set_gradients(value)
                optimizer.step()
                self._project()
        self._refresh()
        self._note(self._value())
        self._straight(steps // 2, rate)
        return self._final()

    def _straight(self, steps: int, rate: float) -> None:
        """Steps along the gradient from the best point, each kept only if it is better.

        Adam moves all entries by the same amount, so that on a sphere it stays where all
        entries are equal although none of them is best.
        """
        with torch.no_grad():
            self.theta.copy_(self.where[0])
            self.x.copy_(self.where[1])
        self._refresh()
        size = max((r for _, r in self.weights.balls(self.f)), default=self.weights.spread)
        moved = [(d, 1.0) for d in self.directions]
        moved += [(self.theta, size)] if self.f.size else []
        moved += [(self.x, self.inputs.frobenius)] if self.moving_x else []
        step = rate
        value = self._value()
        for _ in range(steps):
            if not math.isfinite(value.item()) or step < 1e-7:
                break
            kept = [p.detach().clone() for p, _ in moved]
            slopes = gradients(value, tuple(p for p, _ in moved))
            with torch.no_grad():
                for (p, reach), g in zip(moved, slopes, strict=True):
                    p += self.sign * step * reach * unit(g)
            self._project()
            after = self._value()
            if self.sign * (after - value).item() > 0:
                value, step = after, 1.5 * step
                self._note(value)
            else:
                with torch.no_grad():
                    for (p, _), old in zip(moved, kept, strict=True):
                        p.copy_(old)
                value, step = self._value(), step / 3
        self._refresh()
        self._note(self._value())

    def _optimizer(self, rate: float) -> tuple[torch.optim.Adam, list[float]]:
        sizes: list[tuple[Tensor, float]] = [(d, 1.0) for d in self.directions]
        if self.f.size:
            radii = [r for _, r in self.weights.balls(self.f)]
            sizes.append((self.theta, max(radii) if radii else self.weights.spread))
        if self.moving_x:
            sizes.append((self.x, max(self.inputs.frobenius, 1e-6)))
        groups = [{"params": [p], "lr": rate} for p, _ in sizes]
        rates = [rate * s / math.sqrt(max(p.numel(), 1)) for p, s in sizes]
        return torch.optim.Adam(groups, betas=(0.8, 0.95)), rates

    def _set_gradients(self, value: Tensor) -> None:
        moved = (*self.directions, self.theta, self.x)
        for p, g in zip(moved, gradients(value, moved), strict=True):
            p.grad = -self.sign * g

    def _note(self, value: Tensor) -> bool:
        number = self.sign * value.item()
        if not math.isfinite(number):
            return False
        if number > self.best:
            self.best = number
            self.where = (self.theta.detach().clone(), self.x.detach().clone())
        return True

    def _project(self) -> None:
        with torch.no_grad():
            self.theta.copy_(self.weights.project(self.f, self.theta))
            if self.moving_x:
                self.x.copy_(self.inputs.project(self.x))
            for d in self.directions:
                d.copy_(unit(d))

    def _value(self) -> Tensor:
        """The quantity along the current directions, differentiable in point and directions."""
        value: Tensor
        f, q = self.f, self.quantity
        v, h = (d / torch.linalg.vector_norm(d).clamp_min(1e-300) for d in self.directions)
        out = f(self.theta, self.x)
        if q == "out":
            value = torch.linalg.vector_norm(out)
            return value
        if q == "out_spec":
            value = torch.linalg.matrix_norm(matrix(out), 2)
            return value
        if q == "out_inj":
            return smallest_on_units(matrix(out))
        along = (out * v).sum()
        if q == "out_max":
            value = torch.linalg.vector_norm(matrix(out), dim=0).max()
            return value
        kind = _second(q)
        if kind is None:
            slot = self.x if q in ("J", "J_rows", "sigma_J") else self.theta
            along = out.reshape(-1)[self.row] if q in ROWS else along
            (g,) = gradients(along, (slot,), create_graph=True)
            value = torch.linalg.vector_norm(g)
            return value
        first = self.x if kind[0] == "x" else self.theta
        second = self.x if kind[1] == "x" else self.theta
        (g,) = gradients(along, (first,), create_graph=True)
        (gg,) = gradients((g * h).sum(), (second,), create_graph=True)
        value = torch.linalg.vector_norm(gg)
        return value

    def _refresh(self) -> None:
        """Replace the directions by the best ones for the current point."""
        theta, x = self.theta.detach(), self.x.detach()
        if not bool(torch.isfinite(theta).all() and torch.isfinite(x).all()):
            return
        kind = _second(self.quantity)
        if kind is not None:
            v, h = (d.detach() for d in self.directions)
            k = torch.zeros_like(x if kind[1] == "x" else theta)
            _, best = climb(self.f, kind, theta, x, Directions(v, h, k), rounds=2)
            self._set_directions(best.v, best.h)
        elif self.quantity not in ("out", "out_spec", "out_max", "out_inj"):
            j, d = jacobians(self.f, theta, x)
            a = j if self.quantity in ("J", "J_rows", "sigma_J") else d
            if self.quantity in ROWS:
                self.row = int(torch.linalg.vector_norm(a, dim=1).argmax())
            elif a.numel() and bool(torch.isfinite(a).all()):
                u = torch.linalg.svd(a).U
                column = u[:, -1] if self.sign < 0 else u[:, 0]
                self._set_directions(column.reshape(self.directions[0].shape))

    def _set_directions(self, *new: Tensor) -> None:
        with torch.no_grad():
            for d, n in zip(self.directions, new, strict=False):
                d.copy_(n)

    def _final(self) -> Found:
        theta, x = self.where
        if self.quantity in SECOND:
            return Found(max(self.best, 0.0), theta, x)
        return Found(first_order(self.f, theta, x)[self.quantity], theta, x)


def _second(quantity: str) -> Second | None:
    for kind in SECOND:
        if kind == quantity:
            return kind
    return None


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)
