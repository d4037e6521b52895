"""Gram matrices ``DF DF^T`` of the derivative of all outputs in the parameters.

Where samples do not influence each other, each layer's part is computed from its inputs and
from c backward passes (c outputs for each sample), see `govcheck.numeric.measure.gram_parts`;
the Jacobian is never formed. Batch normalisation in train mode couples samples; then the rows
of the Jacobian come from one backward pass of the whole batch for each output of each sample,
and are multiplied in blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from govcheck.certify.matrices import lambda_min_lower
from govcheck.numeric.measure.gram_parts import SLICE_BYTES, parts, product
from govcheck.numeric.measure.record import Budget, Cost, Measurement, speed, stopwatch
from govcheck.numeric.measure.subject import Subject, units

CERTIFIED_ROWS = 3000
"""Above this many rows the smallest eigenvalue is not certified: it takes too long."""

Take = Callable[[str, Tensor], None]


@dataclass(frozen=True, eq=False)
class Gram:
    """A Gram matrix of n c rows.

    Args:
        matrix: symmetric.
        where: of which parameters: a path, or ``network``.
        floor: about how far rounding may have moved its eigenvalues.
    """

    matrix: Tensor
    where: str
    floor: float


@dataclass(frozen=True, eq=False)
class Grams:
    """All Gram matrices of a network.

    Args:
        total: over all parameters.
        blocks: one for each parameter that was asked for.
        method: how they were found.
        expected: the cost foreseen.
        seconds: what they took.
    """

    total: Gram
    blocks: dict[str, Gram]
    method: str
    expected: Cost
    seconds: float


def grams(
    s: Subject,
    keep: Callable[[str], bool] = lambda name: True,
    budget: Budget = Budget(),  # noqa: B008
) -> Grams:
    """The Gram matrix over all parameters and those of single parameters.

    Args:
        s: the subject.
        keep: which parameters' own matrices to return.
        budget: of memory.

    Raises:
        InputError: if the matrices do not fit into memory.
    """
    kept = [n for n in s.slices if keep(n)]
    cost = gram_cost(s, len(kept))
    budget.check(
        f"a Gram matrix of {s.rows} rows ({len(kept)} of them kept)", cost,
        "use fewer samples, keep fewer layers, or the matrix-free extremes",
    )
    total = s.x.new_zeros(s.rows, s.rows)
    blocks: dict[str, Gram] = {}

    def take(name: str, part: Tensor) -> None:
        total.add_(part)
        if name in kept:
            blocks[name] = Gram(_symmetric(part), name, floor(s, part))

    with stopwatch(s.device) as clock:
        structured = not s.coupled and layerwise(s, take)
        if not structured:
            total.zero_()
            blocks.clear()
            by_rows(s, take)
    method = (
        "layer by layer from inputs and signals" if structured
        else f"{s.rows} backward passes of the whole batch"
    )
    blocks = {n: blocks[n] for n in kept}
    whole = Gram(_symmetric(total), "network", floor(s, total))
    return Grams(whole, blocks, method, cost, clock.seconds)


def _symmetric(a: Tensor) -> Tensor:
    lower = torch.tril(a)
    return lower + torch.tril(a, -1).T


def floor(s: Subject, gram: Tensor) -> float:
    """About how far rounding moves eigenvalues: ``u sqrt(depth of the sums) trace``."""
    longest = max([s.rows, *(math.prod(p[1:]) for p in s.shapes.values() if len(p) > 1)])
    layers = max(1, len(s.layer_slices()))
    return s.unit * math.sqrt(longest * layers) * float(torch.trace(gram))


def gram_cost(s: Subject, kept: int) -> Cost:
    """The cost of `grams`."""
    item = torch.finfo(s.dtype).bits // 8
    rate = speed(s.dtype, s.device)
    square = s.rows**2
    if s.coupled:
        step = _row_step(s)
        passes = s.rows * (1 + math.ceil(s.rows / step)) / 2 if step < s.rows else s.rows
        seconds = passes * s.gradient_seconds + square * s.parameters / rate
        room = 2 * min(step, s.rows) * s.parameters
    else:
        # the signals of all layers, and slices
        seconds = 2 * s.width * s.gradient_seconds
        room = 2 * SLICE_BYTES // item
        for name, shape in s.shapes.items():
            if name.rpartition(".")[2] == "weight" and len(shape) > 1:
                dense = len(shape) == 2
                seconds += 2 * square * (shape[0] if dense else math.prod(shape)) / rate
        room += s.rows * sum(p[0] for p in s.shapes.values() if len(p) > 1)
    # eigenvalues and a certificate of each
    seconds += (1 + kept) * 30 * s.rows**3 / speed(torch.float64)
    return Cost(seconds, item * (room + (3 + kept) * square))


def layerwise(s: Subject, take: Take) -> bool:
    """Give each parameter's Gram matrix to `take`; False if the layers cannot be told apart.

    Each layer's signals are used as soon as the backward pass has them, and not kept.
    """
    layers = units(s.module)
    covered = {f"{path}.{n}" if path else n for path, m in layers.items()
               for n, _ in m.named_parameters()}
    if covered != set(s.slices):
        return False
    taps = {path: _Tap(m, path, s.width, take) for path, m in layers.items()}
    handles = [layers[path].register_forward_hook(tap.listen) for path, tap in taps.items()]
    try:
        with torch.enable_grad():
            out = s.module(s.x.detach()).reshape(s.samples, s.width)
    finally:
        for h in handles:
            h.remove()
    if not all(tap.usable(s.samples) for tap in taps.values()):
        return False
    # every way back from the outputs ends at a layer that no other comes before
    ends = [tap.first for tap in taps.values() if tap.first is not None]
    for c in range(s.width):
        for tap in taps.values():
            tap.column = c
        if ends:
            torch.autograd.grad(out[:, c].sum(), ends, retain_graph=c + 1 < s.width,
                                allow_unused=True)
    del out
    for tap in taps.values():
        tap.finish()
    return True


class _Tap:
    """What a layer takes in, and the signals that come back to it.

    Args:
        unit: the layer.
        path: its name.
        width: number of outputs of the network for each sample.
        take: receives the Gram matrices of the layer's parameters.
    """

    def __init__(self, unit: nn.Module, path: str, width: int, take: Take) -> None:
        self.unit, self.path, self.width, self.take = unit, path, width, take
        self.column = self.calls = self.version = 0
        self.heeded = False
        self.input: Tensor | None = None
        self.output = torch.Size()
        self.signals: Tensor | None = None
        self.first: GradientEdge | None = None

    def listen(self, m: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """A forward hook."""
        self.calls += 1
        self.input, self.version = inputs[0].detach(), inputs[0]._version
        self.output = output.shape
        self.heeded = output.requires_grad
        if self.heeded:
            # neither keeps the output, and both mean it as it is before anything works in place
            output.register_hook(self.hear)  # type: ignore[no-untyped-call]
            if not inputs[0].requires_grad:
                self.first = get_gradient_edge(output)

    def usable(self, samples: int) -> bool:
        """Whether there is one input for each sample, which nothing has overwritten."""
        return (self.calls == 1 and self.input is not None and self.heeded
                and self.output[:1] == (samples,) and self.input._version == self.version)

    def hear(self, g: Tensor) -> None:
        """Signals of one output of the network; after those of the last one all are there."""
        if self.width == 1:
            self.signals = g.unsqueeze(1)
        else:
            if self.signals is None:
                self.signals = g.new_zeros(g.shape[0], self.width, *g.shape[1:])
            self.signals[:, self.column] = g
        if self.column + 1 == self.width:
            self.finish()

    def finish(self) -> None:
        """Make the matrices, unless that was done."""
        a, b = self.input, self.signals
        if a is None:
            return
        self.input = self.signals = None
        if b is None:
            b = a.new_zeros(self.output[0], self.width, *self.output[1:])
        for name, part in parts(self.unit, a, b):
            self.take(f"{self.path}.{name}" if self.path else name, part.detach())


def _row_step(s: Subject) -> int:
    item = torch.finfo(s.dtype).bits // 8
    return max(1, 4 * SLICE_BYTES // max(1, s.parameters * item))


def by_rows(s: Subject, take: Take) -> None:
    """The same for any network, from rows of the Jacobian in blocks."""
    module = s.module
    names = list(s.slices)
    weights = list(module.parameters())
    with torch.enable_grad():
        out = module(s.x).reshape(-1)

    def rows(block: range) -> dict[str, Tensor]:
        found = {n: s.x.new_zeros(len(block), *s.shapes[n]) for n in names}
        for k, i in enumerate(block):
            gradients = torch.autograd.grad(
                out[i], weights, retain_graph=True, allow_unused=True
            ) if out.requires_grad else [None] * len(weights)
            for n, g in zip(names, gradients, strict=True):
                if g is not None:
                    found[n][k] = g
        return found

    step = _row_step(s)
    blocks = [range(i, min(s.rows, i + step)) for i in range(0, s.rows, step)]
    totals = {n: s.x.new_zeros(s.rows, s.rows) for n in names}
    for i in blocks:
        left = rows(i)
        for j in blocks:
            if j.start > i.start:
                break
            right = left if j is i else rows(j)
            at, to = slice(i.start, i.stop), slice(j.start, j.stop)
            for n, total in totals.items():
                total[at, to] = product(left[n], right[n])
                total[to, at] = total[at, to].T.clone()
    for n, total in totals.items():
        take(n, total)


def spectrum(g: Gram, s: Subject, expected: Cost, method: str) -> list[Measurement]:
    """Largest and smallest eigenvalue of a Gram matrix.

    That no eigenvalue of the float64 matrix is below ``value - error`` is proved for the smallest,
    up to `CERTIFIED_ROWS` rows; how far the matrix is from the exact one is the floor, which
    is estimated.

    Args:
        g: the matrix.
        s: of which network.
        expected: the cost foreseen.
        method: how the matrix was found.
    """
    with stopwatch() as clock:
        matrix = np.ascontiguousarray(g.matrix.double().cpu().numpy())
        values = np.linalg.eigvalsh(matrix)
        low, high = float(values[0]), float(values[-1])
        spread = len(matrix) * 2.0**-53 * max(abs(low), abs(high))
        below, how, basis = spread, "symmetric eigenvalue routine", "its backward error plus floor"
        certify = len(matrix) <= CERTIFIED_ROWS and bool(np.isfinite(matrix).all())
        if certify:
            below = max(below, low - float(lambda_min_lower(matrix)))
    common: dict[str, Any] = {
        "norm": "eigenvalue of DF DF^T", "floor": g.floor, "expected": expected,
        "seconds": clock.seconds, "dtype": str(s.dtype)[6:],
    }
    largest = Measurement("gram_max", g.where, high, method=f"{method}; {how}",
                          error=spread + g.floor, basis=basis, **common)
    if certify:
        how, basis = "certified by a shifted Cholesky factor", "certificate plus floor"
    return [
        largest,
        Measurement("gram_min", g.where, low, method=f"{method}; {how}",
                    error=below + g.floor, basis=basis, **common),
    ]
