"""The derivative of all outputs in the batch, and searches for the largest second derivatives."""

from __future__ import annotations

import math
import time
from typing import Any, cast

import torch
from torch import Tensor

from govcheck.numeric.derivatives import SECOND, Function, Second, gradients, trilinear, unit
from govcheck.numeric.distributed import agreed
from govcheck.numeric.measure.lanczos import extremes
from govcheck.numeric.measure.products import Products
from govcheck.numeric.measure.record import Budget, Cost, Measurement, stopwatch
from govcheck.numeric.measure.scalars import ROUNDING, rounding
from govcheck.numeric.measure.subject import Subject


def jacobian_cost(s: Subject) -> Cost:
    """The cost of `input_jacobian`, its dense form."""
    item = torch.finfo(s.dtype).bits // 8
    per_sample = s.x[0].numel()
    if s.coupled:
        return Cost(s.rows * s.gradient_seconds, 3 * item * s.rows * s.x.numel())
    return Cost(s.width * s.gradient_seconds, 3 * item * s.rows * per_sample)


def input_jacobian(
    s: Subject, budget: Budget = Budget(), seed: int = 0  # noqa: B008
) -> list[Measurement]:
    """``J``, ``sigma_J`` and ``J_rows``: the derivative of all outputs in the whole batch.

    Without coupling it consists of one block for each sample, which c backward passes give
    together. With train-mode batch norm it is formed densely, or, where it does not fit,
    only its norm is found, matrix-free.
    """
    cost = jacobian_cost(s)
    if cost.bytes > budget.max_bytes:
        return _matrix_free(s, cost, budget, seed)
    with stopwatch(s.device) as clock:
        x = s.x.clone().requires_grad_()
        out = s.module(x).reshape(s.samples, s.width)
        if s.coupled:
            rows = torch.stack([_gradient(y, x).reshape(-1) for y in out.reshape(-1)])[None]
            method = f"dense, {s.rows} backward passes"
        else:
            rows = torch.stack([_gradient(out[:, c].sum(), x) for c in range(s.width)], 1)
            rows = rows.reshape(s.samples, s.width, -1)
            method = f"one block for each sample, {s.width} backward passes"
        values = torch.linalg.svdvals(rows)
        wide = rows.shape[1] <= rows.shape[2]
        top = float(values.max())
        low = float(values.min()) if wide else 0.0
        longest = float(torch.linalg.vector_norm(rows, dim=2).max())
    error = rounding(s, top)
    common: dict[str, Any] = {
        "method": f"{method}; singular values", "error": error, "basis": ROUNDING,
        "expected": cost, "seconds": clock.seconds, "dtype": str(s.dtype)[6:],
    }
    return [
        Measurement("J", "network", top, "operator norm", **common),
        Measurement("sigma_J", "network", low, "smallest |J^T v|, |v| = 1",
                    floor=error if wide else 0.0, **common),
        Measurement("J_rows", "network", longest, "largest Euclidean norm of a row",
                    **common),
    ]


def _gradient(y: Tensor, x: Tensor) -> Tensor:
    if not y.requires_grad:
        return torch.zeros_like(x)
    (g,) = torch.autograd.grad(y, x, retain_graph=True, allow_unused=True,
                               materialize_grads=True)
    return g


def _matrix_free(s: Subject, cost: Cost, budget: Budget, seed: int) -> list[Measurement]:
    products = Products(s, "input")
    like = s.outputs.reshape(-1)
    with stopwatch(s.device) as clock:
        found = extremes(products.gram, like, tolerance=1e-8, ends=("largest",),
                         max_seconds=budget.max_seconds, seed=seed)
    value = math.sqrt(max(found.largest.value, 0.0))
    error = found.largest.residual / max(2 * value, 1e-300) + rounding(s, value)
    return [
        Measurement("J", "network", value, "operator norm",
                    f"Lanczos on J J^T, {found.steps} products", error,
                    "residual of the Ritz pair", side="at least", expected=cost,
                    seconds=clock.seconds, dtype=str(s.dtype)[6:], seed=seed)
    ]


def second_cost(s: Subject, rounds: int, starts: int) -> Cost:
    """The cost of `second_derivatives`."""
    item = torch.finfo(s.dtype).bits // 8
    return Cost(len(SECOND) * starts * rounds * 3 * 10 * s.gradient_seconds,
                12 * item * (s.parameters + s.x.numel()))


def second_derivatives(
    s: Subject,
    *,
    rounds: int = 6,
    starts: int = 2,
    budget: Budget = Budget(),  # noqa: B008
    seed: int = 0,
) -> list[Measurement]:
    """``xx``, ``xt`` and ``tt`` at this point, from below: the best unit directions found.

    Each direction in turn is replaced by the best one for the others.

    Args:
        s: the subject.
        rounds: of each search.
        starts: number of searches for each.
        budget: its time is shared by the three.
        seed: of the starts.
    """
    cost = second_cost(s, rounds, starts)
    budget.check("the search for second derivatives", cost, "use --dtype float32")
    generator = torch.Generator().manual_seed(seed)
    made = []
    for kind in SECOND:
        until = time.monotonic() + budget.max_seconds / len(SECOND)
        best, done = 0.0, 0
        with stopwatch(s.device) as clock:
            for _ in range(starts):
                value, steps = _ascend(s, kind, _start(s, kind, generator), rounds, until)
                best, done = max(best, value), done + steps
                if agreed(time.monotonic() > until):
                    break
        made.append(
            Measurement(kind, "network", best, "norm of the bilinear map",
                        f"ascent over directions, {done} steps", rounding(s, best),
                        ROUNDING, side="at least", expected=cost,
                        seconds=clock.seconds, dtype=str(s.dtype)[6:], seed=seed)
        )
    return made


def _ascend(
    s: Subject, kind: Second, start: list[Tensor], rounds: int, until: float
) -> tuple[float, int]:
    """The largest ``|D2F[h, k]|`` met, and how many directions were replaced."""
    # a subject is called as a `Function` is
    f = cast(Function, s)
    t, x = (a.detach().clone().requires_grad_() for a in (s.theta, s.x))
    directions, best, steps = start, 0.0, 0
    for _ in range(rounds):
        before = best
        for place in (2, 0, 1):
            v, h, k = (d.detach().requires_grad_() for d in directions)
            (g,) = gradients(trilinear(f, kind, t, x, v, h, k), ((v, h, k)[place],))
            value = float(torch.linalg.vector_norm(g))
            steps += 1
            best = max(best, value)
            if agreed(value == 0 or time.monotonic() > until):
                return best, steps
            directions[place] = unit(g.detach())
        if agreed(best <= before * (1 + 1e-6)):
            break
    return best, steps


def _start(s: Subject, kind: Second, generator: torch.Generator) -> list[Tensor]:
    def normal(like: Tensor) -> Tensor:
        drawn = torch.randn(like.shape, generator=generator, dtype=torch.float64)
        return unit(drawn.to(like))

    slots = {"x": s.x, "t": s.theta}
    v, h, k = normal(s.outputs), normal(slots[kind[0]]), normal(slots[kind[1]])
    return [v, h, h.clone() if kind != "xt" else k]
