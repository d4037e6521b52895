"""How much each layer alone stretches its input, at the inputs that the batch gives it.

The derivative of a layer's output in its input is taken over the whole batch, batch norm in
train mode with its statistics. Where its norm can be read off it is; elsewhere Lanczos gives
it from below.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import torch
from torch import Tensor, nn

from govcheck.analysis import Analysis
from govcheck.numeric.distributed import agreed
from govcheck.numeric.initial import leaf_name
from govcheck.numeric.measure.lanczos import extremes
from govcheck.numeric.measure.record import Budget, Cost, Measurement, stopwatch
from govcheck.numeric.measure.scalars import ROUNDING, leaf_modules
from govcheck.numeric.measure.spectra_linear import linearise
from govcheck.numeric.measure.spectra_ops import Diagonal, Matrix, Op
from govcheck.numeric.measure.subject import Subject
from govcheck.numeric.measure.table import Row, row

STEPS: Final = 60
TOLERANCE: Final = 1e-6
SMALL: Final = 512
"""Up to this size a matrix's norm comes from its singular values."""


def node_of(path: str) -> str:
    """The name that all copies of a layer share."""
    return leaf_name(f"{path}.")


def local_cost(s: Subject, wanted: Callable[[str], bool]) -> Cost:
    """The cost of `layer_norms`."""
    count = sum(wanted(node_of(path)) for path, _ in leaf_modules(s.module))
    item = torch.finfo(s.dtype).bits // 8
    largest = max([s.x.numel(), s.rows, *(s.samples * p[0] for p in s.shapes.values() if p)])
    # layers share a forward and a backward pass for each of their products
    return Cost(s.gradient_seconds * (2 + STEPS / 2 * (count > 0)), 48 * item * largest)


def layer_norms(
    s: Subject, wanted: Callable[[str], bool], budget: Budget = Budget(), seed: int = 0  # noqa: B008
) -> list[Measurement]:
    """``J`` of single layers, in the order they run.

    Args:
        s: the subject.
        wanted: whether to measure a layer of that name.
        budget: of time for all together.
        seed: of starts.
    """
    found: list[Measurement] = []
    layers = [(path, m) for path, m in leaf_modules(s.module) if wanted(node_of(path))]
    until = time.monotonic() + budget.max_seconds
    busy = False

    def hook(path: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def listen(m: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            nonlocal busy
            if busy:
                return
            busy = True
            rest = max(1, len(layers) - len(found))
            seconds = max(0.0, until - time.monotonic()) / rest
            try:
                found.append(_norm(s, path, m, inputs[0].detach(), seconds, seed))
            finally:
                busy = False

        return listen

    handles = [m.register_forward_hook(hook(path)) for path, m in layers]
    try:
        with torch.no_grad():
            s.module(s.x)
    finally:
        for h in handles:
            h.remove()
    return found


def _norm(
    s: Subject, path: str, module: nn.Module, x: Tensor, seconds: float, seed: int
) -> Measurement:
    with stopwatch(s.device) as clock:
        op = linearise(module, x)[1]
        if op.constant:
            # the same for every sample
            x = x[:1]
        value, residual, method, exact = _largest(op, x, seconds, seed)
    error = residual + 8 * s.unit * math.sqrt(max(x[0].numel(), 1)) * value
    return Measurement(
        "J", path, value, "operator norm, in the layer's input", method, error,
        ROUNDING if exact else "residual of the Ritz pair", side="both" if exact else "at least",
        seconds=clock.seconds, dtype=str(s.dtype)[6:], seed=None if exact else seed,
    )


def _largest(op: Op, x: Tensor, seconds: float, seed: int) -> tuple[float, float, str, bool]:
    if isinstance(op, Diagonal):
        return float(op.d.abs().max()), 0.0, "largest entry of a diagonal", True
    if isinstance(op, Matrix) and min(op.w.shape) <= SMALL:
        return float(torch.linalg.matrix_norm(op.w, 2)), 0.0, "singular values", True
    found = extremes(
        lambda v: op.jtu(op.jv(v.reshape(x.shape))), x.reshape(-1), tolerance=TOLERANCE,
        ends=("largest",), max_steps=STEPS, max_seconds=seconds, seed=seed)
    value = math.sqrt(max(found.largest.value, 0.0))
    error = found.largest.residual / max(value, 1e-300) if agreed(value > 0) else 0.0
    return value, error, f"Lanczos, {found.steps} products with J^T J", False


def layer_rows(
    analysis: Analysis, copies: Mapping[str, int], measured: Iterable[Measurement]
) -> list[Row]:
    """Each layer's largest measured J beside its own proven bound.

    In a repeat the bound is that of a copy behind another one, so that only those count.

    Args:
        analysis: its set contains the point; its bounds of a layer hold on the inputs that
            the network can give it.
        copies: numbers of copies in the repeats, by their paths.
        measured: from `layer_norms`.
    """
    largest: dict[str, Measurement] = {}
    for m in measured:
        node = node_of(m.where)
        constants = analysis.local.get(node)
        if m.quantity != "J" or constants is None or not _behind(m.where, copies):
            continue
        if node not in largest or m.value > largest[node].value:
            largest[node] = m
    return [row(analysis, analysis.local[node].bounds["J"], m) for node, m in largest.items()]


def _behind(path: str, copies: Mapping[str, int]) -> bool:
    """Whether no repeat around a layer is in its first of several copies."""
    return not any(
        path.startswith(f"{repeat}.0.") for repeat, count in copies.items() if count > 1
    )
