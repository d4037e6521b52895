"""Records of a training loop: curvature against the optimiser's threshold, and alarms."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from govcheck.errors import InputError, Problem
from govcheck.numeric.watch.probe import Call, Objective, Outputs, Probe
from govcheck.numeric.watch.proven import Bounds, same_loss, upper_bounds
from govcheck.numeric.watch.stability import threshold

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

SHARE: Final = 0.04
"""Of the time of training, for the default cadence."""
TYPICAL: Final = 30
"""Gradients of the probe that one record is expected to cost before the first is known."""
NEAR: Final = 0.9


@dataclass(frozen=True)
class Record:
    """What was measured after one step; all of it is measured, on the probe.

    Args:
        step: number of steps of the optimiser before it.
        loss: of the probe.
        gradient_norm: Euclidean norm of its gradient in all parameters.
        lambda_max: largest eigenvalue of its Hessian (a Rayleigh quotient, so the true one is at
            least as large).
        error: an eigenvalue is within so much of it.
        threshold: the largest eigenvalue that the step size can stand; None where none is known.
        edge: `stable`, `edge` (from 0.9 times the threshold on), `beyond`, or `unknown`.
        step_size: in force.
        sigma_min, sigma_max: of the derivative of `rows` outputs in the parameters; None if not
            asked for.
        sigma_floor: below it `sigma_min` is rounding.
        rows: number of those outputs.
        alarms: measurements above proven bounds, one sentence each.
        seconds: what the record cost.
    """

    step: int
    loss: float
    gradient_norm: float
    lambda_max: float
    error: float
    threshold: float | None
    edge: str
    step_size: float | None
    sigma_min: float | None = None
    sigma_max: float | None = None
    sigma_floor: float | None = None
    rows: int = 0
    alarms: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(eq=False)
class Watch:
    """A context manager around a training loop; see `watch`."""

    probe: Probe
    optimizer: Optimizer | None
    step_size: float | None
    upper: Mapping[str, float]
    source: str
    every: int | None
    share: float
    rows: int
    tolerance: float
    max_products: int
    path: Path | None
    compare: Callable[[float], None] | None = None
    records: list[Record] = field(default_factory=list)
    steps: int = 0
    spent: float = 0.0
    _began: float | None = None
    _hook: RemovableHandle | None = None
    _compared: bool = False
    _first: float | None = None

    def __enter__(self) -> Watch:
        self._began = time.perf_counter()
        if self.optimizer is not None:
            self._hook = self.optimizer.register_step_post_hook(self._stepped)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _stepped(self, *_: object) -> None:
        self.step()

    @property
    def alarms(self) -> list[str]:
        """Everything measured above a proven bound."""
        return [line for r in self.records for line in r.alarms]

    @property
    def overhead(self) -> float:
        """Seconds of records over seconds of training, so far."""
        trained = self._trained()
        return self.spent / trained if trained > 0 else math.inf if self.spent else 0.0

    def pause(self, seconds: float) -> None:
        """Leave out time that was not spent on training, such as an evaluation."""
        if self._began is not None:
            self._began += seconds

    def step(self) -> Record | None:
        """Count a step, and record if it is time. With an optimiser this happens by itself."""
        if self._began is None:
            self._began = time.perf_counter()
        self.steps += 1
        if self.every is not None:
            return self.measure() if self.steps % self.every == 0 else None
        expected = self._expected()
        return self.measure() if self.spent + expected <= self.share * self._trained() else None

    def measure(self) -> Record:
        """Record now.

        Raises:
            InputError: at the first record, if the loss is not the cost that the bounds are of.
        """
        began = time.perf_counter()
        self._wait()
        loss, gradient, top = self.probe.curvature(self.tolerance, self.max_products)
        if not self._compared and self.compare is not None:
            self.compare(loss)
        self._compared = True
        regularity = self.probe.regularity(self.rows)
        limit = threshold(self.optimizer, self.step_size)
        measured = {"beta": (top.value, top.floor), "lipschitz": (gradient, 0.0),
                    "alpha": (loss, 0.0)}
        if regularity is not None:
            measured["D"] = (regularity.largest, 0.0)
        self._wait()
        took = time.perf_counter() - began
        record = Record(
            self.steps, loss, gradient, top.value, top.error, limit.value,
            _edge(top.value, limit.value), limit.step_size,
            None if regularity is None else regularity.smallest,
            None if regularity is None else regularity.largest,
            None if regularity is None else regularity.floor,
            0 if regularity is None else regularity.rows,
            tuple(_alarms(measured, self.upper, self.probe.relative_floor)), took,
        )
        self.records.append(record)
        self._keep(record)
        self.spent += time.perf_counter() - began
        return record

    def table(self) -> str:
        """All records as text."""
        head = f"{'step':>8}{'loss':>12}{'|grad|':>12}{'lambda_max':>12}{'threshold':>12}  " \
               f"{'edge':<9}{'sigma_min':>12}"
        lines = [head]
        for r in self.records:
            limit = "" if r.threshold is None else f"{r.threshold:.5g}"
            least = "" if r.sigma_min is None else f"{r.sigma_min:.4g}"
            lines.append(f"{r.step:>8}{r.loss:>12.5g}{r.gradient_norm:>12.5g}"
                         f"{r.lambda_max:>12.5g}{limit:>12}  {r.edge:<9}{least:>12}")
        lines += [f"ALARM: {line}" for line in self.alarms]
        return "\n".join([*lines, f"bounds: {self.source}; all values measured on the probe; "
                          f"records took {100 * self.overhead:.1f} % of training"])

    def _keep(self, record: Record) -> None:
        if self.path is None:
            return
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(record)) + "\n")

    def _expected(self) -> float:
        if self.records:
            return max(self.records[-1].seconds, self.spent / len(self.records))
        if self._first is None:
            began = time.perf_counter()
            self._first = self.probe.seconds_of_a_gradient() * TYPICAL
            self.spent += time.perf_counter() - began
        return self._first

    def _trained(self) -> float:
        if self._began is None:
            return 0.0
        return time.perf_counter() - self._began - self.spent

    def _wait(self) -> None:
        if any(p.device.type == "cuda" for p in self.probe.model.parameters()):
            torch.cuda.synchronize()


def watch(
    model: nn.Module,
    loss: Callable[[Any, Any], Tensor] | None = None,
    probe: tuple[Any, Any] | None = None,
    *,
    optimizer: Optimizer | None = None,
    step_size: float | None = None,
    objective: Objective | None = None,
    outputs: Outputs | None = None,
    bounds: Bounds | None = None,
    every: int | None = None,
    share: float = SHARE,
    sigma_rows: int = 0,
    tolerance: float = 1e-2,
    max_products: int = 20,
    path: str | Path | None = None,
    seed: int = 0,
) -> Watch:
    """Watch a training loop.

        with gc.watch(model, loss, probe=(x, y), optimizer=optimizer) as watched:
            for x, y in loader:
                ...
                optimizer.step()
        print(watched.table())

    With an `optimizer` each of its steps counts; without, call ``watched.step()`` after each of
    your own. The model, its buffers, gradients and random numbers are left as they are.

    Args:
        model: what is trained.
        loss: from outputs and targets to a number, as it is trained (its mean over samples is a
            mean over the probe).
        probe: inputs and targets, a fixed batch on the model's device.
        optimizer: of torch; gives the step size and with it the threshold.
        step_size: of your own gradient descent, in place of `optimizer`.
        objective: in place of `loss` and `probe`: a function of something that is called like
            the model, such as ``lambda call: call(**batch).loss``.
        outputs: with `objective`: the outputs, samples first, from the same.
        bounds: an analysis of the same network, whose bounds are evaluated with the norms of the
            probe, or numbers by name (beta, lipschitz, alpha, D); measurements above them are
            alarms.
        every: record every so many steps. Without it, as often as `share` of the time allows:
            then records never take more than that part of the time of training.
        share: of the time of training.
        sigma_rows: so many outputs of the probe for the extreme singular values of the derivative
            in the parameters; each costs a backward pass. 0 leaves them out.
        tolerance: of the eigenvalue's residual, relative to it.
        max_products: products with the Hessian a record takes at most; the next one begins
            where it ended.
        path: a file of JSON lines to which each record is appended at once.
        seed: of the first vector.

    Raises:
        InputError: if it is not said what to measure, or bounds cannot be used.
    """
    if (objective is None) == (loss is None or probe is None):
        raise InputError(Problem("watch", "it takes loss and probe, or else objective", "watch",
                                 "write watch(model, loss, probe=(x, y))"))
    if every is not None and every < 1:
        raise InputError(Problem("watch", f"every is a number of steps from 1 on, not {every}",
                                 "watch"))
    compare = None
    inputs: Any = None
    targets: Any = None
    if objective is None:
        assert loss is not None and probe is not None
        inputs, targets = probe
        criterion = loss

        def call_outputs(call: Call) -> Tensor:
            found: Tensor = call(inputs)
            return found

        def objective(call: Call) -> Tensor:
            return criterion(call(inputs), targets)

        outputs = call_outputs
    upper, source = upper_bounds(bounds, inputs, targets)
    made = Probe(model, objective, outputs, seed)
    if bounds is not None and not isinstance(bounds, Mapping):
        analysis = bounds

        def compare(value: float) -> None:
            with torch.no_grad():
                same_loss(analysis, model(inputs), targets, value)

    return Watch(
        made, optimizer, step_size, upper, source, every, share, sigma_rows, tolerance,
        max_products, None if path is None else Path(path), compare,
    )


def _edge(value: float, limit: float | None) -> str:
    if limit is None:
        return "unknown"
    if value > limit:
        return "beyond"
    return "edge" if value >= NEAR * limit else "stable"


def _alarms(
    measured: Mapping[str, tuple[float, float]], upper: Mapping[str, float], relative: float
) -> list[str]:
    """Lower bounds of what was measured that are above what was proved."""
    return [
        f"{name} is at least {value - floor - relative * abs(value):.6g}, above its bound {bound}"
        for name, bound in upper.items()
        if name in measured
        for value, floor in [measured[name]]
        if value - floor - relative * abs(value) > bound
    ]
