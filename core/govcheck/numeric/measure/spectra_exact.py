"""Singular values of the derivative of a part of a network: all of them, from matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from govcheck.numeric.measure.record import Cost, speed, stopwatch
from govcheck.numeric.measure.spectra_cdf import Array
from govcheck.numeric.measure.spectra_linear import linearise
from govcheck.numeric.measure.spectra_ops import Diagonal, Matrix, Op, Row, norms
from govcheck.numeric.measure.spectra_place import Place

EPS = float(np.finfo(float).eps)
SVD_FLOPS = 8
PAIR_FLOPS = 24
"""Operations of a decomposition without and with vectors, over ``m n^2``, at the speed of a
product of matrices."""


@dataclass(eq=False)
class Derivative:
    """The derivative of a part in its input at a batch.

    Args:
        place: the part and the batch.
    """

    place: Place
    seconds: float = field(init=False)

    def __post_init__(self) -> None:
        y, self.op = linearise(self.place.part, self.place.x)
        self.input, self.output = self.place.x.shape, y.shape
        self.samples = self.input[0]
        self.inputs, self.outputs = math.prod(self.input[1:]), math.prod(self.output[1:])
        self.columns, self.rows = self.samples * self.inputs, self.samples * self.outputs
        self.count = min(self.columns, self.rows)
        self.norms = norms(self.op)
        generator = torch.Generator().manual_seed(0)
        u = torch.randn(self.output, generator=generator, dtype=torch.float64)
        self.op.jtu(u)
        with stopwatch() as clock:
            self.op.jv(self.op.jtu(u))
        self.seconds = clock.seconds / 2

    @property
    def rank(self) -> int:
        """Of what goes through the statistics of batch norms, at most."""
        return sum(n.rank for n in self.norms)

    @cached_property
    def apart(self) -> bool:
        """Whether, statistics held constant, samples do not influence each other."""
        if self.samples == 1:
            return True
        generator = torch.Generator().manual_seed(1)
        self.freeze(True)
        try:
            for i in {0, self.samples - 1}:
                u = torch.zeros(self.output, dtype=torch.float64)
                u[i] = torch.randn(self.output[1:], generator=generator, dtype=torch.float64)
                g = self.op.jtu(u)
                if bool(torch.cat([g[:i], g[i + 1:]]).any()):
                    return False
        finally:
            self.freeze(False)
        return True

    @property
    def coupled(self) -> bool:
        """Whether samples influence each other."""
        return self.samples > 1 and (bool(self.norms) or not self.apart)

    def freeze(self, frozen: bool) -> None:
        """Hold the statistics constant, or not."""
        for n in self.norms:
            n.frozen = frozen

    @property
    def alone(self) -> Op | None:
        """The only map there is, None if there are more."""
        op = self.op
        while isinstance(op, Row):
            inner = list(op)
            if len(inner) != 1:
                return None
            op = inner[0]
        return op

    def zeros(self) -> tuple[Tensor | None, Tensor | None]:
        """Which rows and columns are 0 because an entrywise map is flat there."""
        op: Op = self.op
        if not isinstance(op, Row):
            op = Row([op])
        inner = [o for o in op if not isinstance(o, Row) or len(list(o))]
        if not inner:
            return None, None
        ends = []
        for end, shape in ((inner[-1], self.output), (inner[0], self.input)):
            while isinstance(end, Row):
                end = list(end)[-1 if shape is self.output else 0]
            flat = (end.d == 0).expand(shape) if isinstance(end, Diagonal) else None
            ends.append(flat if flat is not None and bool(flat.any()) else None)
        return ends[0], ends[1]

    def certain_zeros(self) -> int:
        """So many singular values are 0, as an entrywise map is flat in many places."""
        least = self.count
        if isinstance(self.op, Row):
            for o in self.op:
                if isinstance(o, Diagonal) and o.d.shape[0] == self.samples:
                    least = min(least, int((o.d != 0).sum()))
        return self.count - least


def floor_of(largest: float, size: int) -> float:
    """Below this a singular value of a matrix of that size is not told from 0."""
    return EPS * size * largest


def dense_cost(d: Derivative) -> Cost:
    """Of `dense`."""
    small, large = d.count, max(d.rows, d.columns)
    return Cost(small * d.seconds + SVD_FLOPS * small**2 * large / speed(torch.float64),
                3 * 8 * small * large)


def dense(d: Derivative) -> Array:
    """All singular values, from the whole matrix."""
    wide = d.rows <= d.columns
    shape, product = (d.output, d.op.jtu) if wide else (d.input, d.op.jv)
    lines = torch.empty(d.count, max(d.rows, d.columns), dtype=torch.float64)
    unit = torch.zeros(shape, dtype=torch.float64)
    flat = unit.view(-1)
    for i in range(d.count):
        flat[i] = 1.0
        lines[i] = product(unit).reshape(-1)
        flat[i] = 0.0
    return np.asarray(torch.linalg.svdvals(lines).numpy())


def structured_cost(d: Derivative) -> Cost:
    """Of `structured`."""
    op, rate = d.alone, speed(torch.float64)
    if isinstance(op, Diagonal):
        return Cost(d.seconds, 2 * 8 * d.count)
    if isinstance(op, Matrix):
        m, n = op.w.shape
        return Cost(SVD_FLOPS * m * n * min(m, n) / rate, 3 * 8 * m * n)
    small, large = sorted((d.inputs, d.outputs))
    blocks = 1 if d.op.constant else d.samples
    one = SVD_FLOPS * small**2 * large / rate
    return Cost(small * d.seconds * blocks / d.samples + blocks * one,
                8 * (blocks + 2) * small * large)


def structured(d: Derivative) -> tuple[Array, str]:
    """All singular values from one block for each sample, statistics held constant.

    A linear map of single samples has the same block for each, and a matrix on the last
    dimension, ``W ⊗ Id``, those of W.
    """
    op = d.alone
    if isinstance(op, Diagonal):
        return np.abs(op.d.expand(d.input).numpy().reshape(-1)), "diagonal"
    if isinstance(op, Matrix):
        values = torch.linalg.svdvals(op.w).numpy()
        copies = d.count // len(values)
        return np.tile(values, copies), f"matrix ⊗ Id, {copies} copies of each value"
    if d.op.constant and d.samples > 1:
        one = Derivative(Place(d.place.path, d.place.part, d.place.x[:1]))
        values, _ = structured(one)
        return np.tile(values, d.samples), "one block, the same for all samples"
    parts = [torch.linalg.svdvals(block).numpy() for block in sample_blocks(d)]
    return np.concatenate(parts), f"{d.samples} blocks, one for each sample"


def sample_blocks(d: Derivative) -> Tensor:
    """The blocks ``(N, outputs, inputs)`` with statistics held constant."""
    wide = d.outputs <= d.inputs
    shape, product = (d.output, d.op.jtu) if wide else (d.input, d.op.jv)
    lines = torch.empty(d.samples, min(d.inputs, d.outputs), max(d.inputs, d.outputs),
                        dtype=torch.float64)
    unit = torch.zeros(shape, dtype=torch.float64)
    flat = unit.view(d.samples, -1)
    d.freeze(True)
    try:
        for i in range(lines.shape[1]):
            flat[:, i] = 1.0
            lines[:, i] = product(unit).reshape(d.samples, -1)
            flat[:, i] = 0.0
    finally:
        d.freeze(False)
    return lines if wide else lines.mT
