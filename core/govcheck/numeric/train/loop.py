"""The training loop: one iterate after the other, each recorded, checked and saved."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import filelock
import torch
from torch import Tensor

import govcheck
from govcheck.analysis import Analysis
from govcheck.errors import InputError, Problem
from govcheck.numeric.devices import check_device
from govcheck.numeric.initial import initialised, leaf_name, whole_batch
from govcheck.numeric.train.determinism import own_random
from govcheck.numeric.train.envelopes import Envelope, Point, envelopes
from govcheck.numeric.train.files import (
    LOCK,
    RESULTS,
    RUN,
    SUMMARY,
    Checkpoint,
    Results,
    in_use,
    load_checkpoint,
    read_json,
    save_checkpoint,
    write_json,
)
from govcheck.numeric.train.identity import identity
from govcheck.numeric.train.inside import Inside
from govcheck.numeric.train.samples import Order
from govcheck.numeric.train.settings import Settings
from govcheck.numeric.train.state import (
    FAILED,
    Callback,
    Outcome,
    Progress,
    Reason,
    Saving,
    State,
)
from govcheck.numeric.train.step_size import StepSize, choose
from govcheck.writing import finite

EVERY_STEP = Saving()

DIVERGED = 1e8
"""A loss that is so many times the first one has diverged."""


def train(
    analysis: Analysis,
    settings: Settings,
    directory: Path | None = None,
    *,
    resume: bool = False,
    saving: Saving = EVERY_STEP,
    callbacks: Sequence[Callback] = (),
    progress: Callable[[Progress], None] | None = None,
    interrupted: Callable[[], bool] | None = None,
    wait: float = 0.0,
) -> Outcome:
    """Train the network of an analysis on all its data.

    Args:
        analysis: of an architecture with data and cost; its verdicts give the envelopes.
        settings: see `read_settings`.
        directory: where checkpoints and results go; None keeps nothing.
        resume: go on from the newest checkpoint in `directory`, if there is one; the bits
            are those of a run that was never stopped, on the same machine and threads.
        saving: when checkpoints are written; one at the end always is.
        callbacks: run at every iterate whose number they divide.
        progress: told after every step.
        interrupted: asked after every step; True stops with a checkpoint.
        wait: seconds to wait for a process that works in `directory`.

    Raises:
        InputError: if there is nothing to train, the folder holds another run or one that
            was not asked to be resumed, or no step size can be had.
    """
    check_device(settings.device)
    if directory is None:
        with own_random(settings.device):
            return _Run(analysis, settings, None, saving, False).run(
                callbacks, progress, interrupted)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(Problem("folder", f"the folder cannot be made: {error.strerror}",
                                 str(directory), "choose another with -o")) from None
    try:
        with filelock.FileLock(directory / LOCK, timeout=wait), own_random(settings.device):
            return _Run(analysis, settings, directory, saving, resume).run(
                callbacks, progress, interrupted)
    except filelock.Timeout:
        raise in_use(directory) from None


class _Run:
    def __init__(
        self, analysis: Analysis, settings: Settings, folder: Path | None, saving: Saving,
        resume: bool,
    ) -> None:
        self.analysis, self.settings, self.folder = analysis, settings, folder
        self.saving = saving
        dtype, device = settings.torch_dtype, settings.device
        self.module = initialised(analysis, dtype=dtype, device=device)
        self.batch = whole_batch(analysis, self.module, dtype=dtype, device=device)
        self.parameters = dict(self.module.named_parameters())
        if not self.parameters:
            raise InputError(Problem("no-parameters", "the network has no parameters to train",
                                     analysis.architecture.file, "add a layer such as affine"))
        assert analysis.architecture.cost is not None
        self.cost = analysis.architecture.cost
        self.start = {n: p.detach().clone() for n, p in self.parameters.items()}
        self.inside = Inside(analysis, self.start)
        self.order = Order(len(self.batch.x), settings.batch, settings.seed)
        self.unit = torch.finfo(dtype).eps / 2
        self.remarks: list[str] = []
        self.envelopes: list[Envelope] = []
        if settings.plain:
            self.envelopes, self.remarks = envelopes(analysis)
        else:
            self.remarks = ["no envelope: the theorems speak of gradient descent on all samples, "
                            "without momentum and weight decay"]
        self.violations: list[str] = []
        self.step, self.seconds, self.first_loss = 0, 0.0, math.nan
        self.resumed: int | None = None
        torch.manual_seed(settings.seed)
        self.step_size = self._open(resume)
        self.optimiser = torch.optim.SGD(
            self.parameters.values(), lr=self.step_size.value, momentum=settings.momentum,
            nesterov=settings.nesterov, weight_decay=settings.weight_decay, foreach=False,
        )
        if self.resumed is not None:
            self._restore()
        elif folder is not None:
            self._save()
        self.results = None if folder is None else Results(folder / RESULTS, self.step)
        self._clock = time.monotonic()
        self._saved_at = self._clock

    def _open(self, resume: bool) -> StepSize:
        """Look at what is in the folder; the step size of its run, or a new one."""
        what = identity(self.analysis, self.settings)
        self.hash = what["architecture"]
        self._loaded: Checkpoint | None = None
        if self.folder is not None and (self.folder / RUN).exists():
            if not resume:
                raise InputError(Problem("exists", "the folder holds a run already",
                                         str(self.folder), "go on with it with --resume, or "
                                         "choose another folder with -o"))
            about = read_json(self.folder / RUN) or {}
            differ = [k for k, v in what.items() if about.get("identity", {}).get(k) != v]
            if differ:
                raise InputError(Problem(
                    "other-run", f"the folder holds another run: {', '.join(differ)} differ",
                    str(self.folder), "give the file and options of that run, or another -o"))
            self._loaded = load_checkpoint(self.folder)
            if self._loaded is not None:
                self.resumed = self._loaded.step
                self._compare(self._loaded.about)
                return StepSize(**self._loaded.about["step_size"])
        step_size = choose(self.analysis, self.settings, self.module, self.batch)
        if self.folder is not None:
            write_json(self.folder / RUN, {
                "govcheck": govcheck.__version__, "name": self.analysis.architecture.name,
                "identity": what, "step_size": vars(step_size), "steps": self.settings.steps,
                "envelopes": {e.theorem: e.statement for e in self.envelopes},
                "environment": self._environment(),
            })
        return step_size

    def _environment(self) -> dict[str, Any]:
        return {"torch": torch.__version__, "threads": torch.get_num_threads(),
                "device": self.settings.device}

    def _compare(self, about: dict[str, Any]) -> None:
        was, now = about.get("environment", {}), self._environment()
        differ = [f"{k} {was.get(k)} -> {v}" for k, v in now.items() if was.get(k) != v]
        if differ:
            self.remarks.append("resumed elsewhere, so the last bits may differ: "
                                + ", ".join(differ))

    def _restore(self) -> None:
        point = self._loaded
        assert point is not None
        self.module.load_state_dict(point.part("model"))
        for name, buffer in point.part("optimiser").items():
            p = self.parameters[name]
            # a copy, for the file's memory need not be aligned as torch aligns its own
            self.optimiser.state[p]["momentum_buffer"] = torch.empty_like(p).copy_(buffer)
        rng = point.part("rng")
        torch.set_rng_state(rng["cpu"])
        if "cuda" in rng:
            torch.cuda.set_rng_state(rng["cuda"], self.settings.device)
        about = point.about
        self.step, self.seconds = point.step, float(about["seconds"])
        self.first_loss = math.nan if about["first_loss"] is None else float(about["first_loss"])
        self.violations = list(about["violations"])
        memory = {m["theorem"]: m for m in about["envelopes"]}
        for e in self.envelopes:
            if e.theorem in memory:
                e.recall(memory[e.theorem])
            else:
                e.ended = f"step {self.step}: the run was not followed before it was resumed"
        self._loaded = None

    def _save(self, loss: float | None = None) -> None:
        assert self.folder is not None
        tensors = {f"model.{n}": t for n, t in self.module.state_dict().items()}
        for name, p in self.parameters.items():
            buffer = self.optimiser.state.get(p, {}).get("momentum_buffer")
            if buffer is not None:
                tensors[f"optimiser.{name}"] = buffer
        tensors["rng.cpu"] = torch.get_rng_state()
        if self.settings.device.startswith("cuda"):
            tensors["rng.cuda"] = torch.cuda.get_rng_state(self.settings.device)
        save_checkpoint(self.folder, Checkpoint(self.step, tensors, {
            "architecture": self.hash,
            "loss_before": loss,
            "first_loss": None if math.isnan(self.first_loss) else self.first_loss,
            "seconds": self.seconds, "step_size": vars(self.step_size),
            "violations": self.violations,
            "envelopes": [e.memory() for e in self.envelopes if math.isfinite(e.value)],
            "environment": self._environment(),
        }))

    def run(
        self,
        callbacks: Sequence[Callback],
        progress: Callable[[Progress], None] | None,
        interrupted: Callable[[], bool] | None,
    ) -> Outcome:
        begun, started, before = self.step, self._clock, self.seconds
        saved = self.step if self.folder is not None else None
        try:
            while True:
                state, full = self._evaluate()
                if math.isnan(self.first_loss) and full is not None:
                    self.first_loss = full
                point = self._point(state) if self.envelopes else None
                record = self._record(state, full)
                record |= self._check(point) if point is not None else {}
                record |= self._measured(state, callbacks)
                if self.results is not None:
                    self.results.write(record)
                self.seconds = before + time.monotonic() - started
                reason = self._reason(state, full, interrupted)
                if progress is not None:
                    progress(Progress(self.step, self.settings.steps, begun, state.loss,
                                      self.seconds - before))
                if reason is not None:
                    break
                self._advance(state, point)
                if self._due():
                    self._save(finite(state.loss))
                    saved, self._saved_at = self.step, time.monotonic()
            if self.folder is not None and saved != self.step and reason not in FAILED:
                self._save(finite(state.loss))
        finally:
            if self.results is not None:
                self.results.close()
        return self._finish(reason, state, point)

    def _evaluate(self) -> tuple[State, float | None]:
        """Loss and gradient at the present parameters; the loss of all samples if it is known."""
        chosen = self.order.of_step(self.step)
        x, y = self.batch.x, self.batch.y
        full: float | None = None
        if chosen is not None:
            if self.order.first_of_epoch(self.step) or self.step >= self.settings.steps:
                full = self._full_loss()
            index = torch.as_tensor(chosen, device=x.device)
            x, y = x[index], y[index]
        self.optimiser.zero_grad(set_to_none=True)
        out = self.module(x)
        loss = self._loss(out, y)
        torch.autograd.backward(loss)
        square = torch.zeros((), dtype=torch.float64, device=x.device)
        for p in self.parameters.values():
            if p.grad is not None:
                square += p.grad.double().square().sum()
        size = self.step_size.value * self.settings.multiplier(self.step)
        value = float(loss.detach())
        state = State(
            self.step, self.module, self.batch, value, float(square.sqrt()), size,
            float(torch.linalg.vector_norm(out.detach().double())), self.analysis, self.start,
        )
        return state, value if chosen is None else full

    def _loss(self, out: Tensor, y: Tensor) -> Tensor:
        return self.cost.loss(out.reshape(out.shape[0], -1), y)

    def _full_loss(self) -> float:
        with torch.no_grad():
            return float(self._loss(self.module(self.batch.x), self.batch.y))

    def _point(self, state: State) -> Point:
        square = sum(float(p.detach().double().square().sum()) for p in self.parameters.values())
        outside = self.inside.why_not(self.module) if self.inside.needed else ""
        return Point(state.step, state.loss, state.gradient_norm, state.step_size,
                     state.output_norm, math.sqrt(square), self.unit, outside, self._largest)

    def _largest(self, node: str, parameter: str) -> float:
        found = [float(p.detach().abs().max()) for path, p in self.parameters.items()
                 if leaf_name(path) == node and path.rpartition(".")[2] == parameter]
        return max(found, default=0.0)

    def _record(self, state: State, full: float | None) -> dict[str, Any]:
        record: dict[str, Any] = {"step": state.step}
        if self.settings.batch is not None:
            record["batch_loss"] = finite(state.loss)
        if full is not None:
            record["loss"] = finite(full)
        record |= {"gradient_norm": finite(state.gradient_norm), "step_size": state.step_size}
        return record

    def _check(self, point: Point) -> dict[str, Any]:
        """Hold the loss against every envelope; a loss above one is a violation."""
        bounds = {}
        for e in self.envelopes:
            bound = e.look(point)
            if bound is None or not math.isfinite(point.loss):
                continue
            bounds[e.theorem] = bound
            known = any(v.startswith(f"{e.theorem}:") for v in self.violations)
            if point.loss > e.allowed(point) and not known:
                self.violations.append(
                    f"{e.theorem}: the loss {point.loss!r} at step {point.step} is above "
                    f"{bound!r}, although {e.statement}")
        return {"envelope": bounds} if bounds else {}

    def _measured(self, state: State, callbacks: Sequence[Callback]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for c in callbacks:
            if state.step % c.every == 0:
                with torch.random.fork_rng(devices=[]):
                    found |= c.run(state) or {}
        return {"measured": found} if found else {}

    def _advance(self, state: State, point: Point | None) -> None:
        if point is not None:
            for e in self.envelopes:
                e.advance(point)
        for group in self.optimiser.param_groups:
            group["lr"] = state.step_size
        self.optimiser.step()
        self.step += 1

    def _reason(
        self, state: State, full: float | None, interrupted: Callable[[], bool] | None
    ) -> Reason | None:
        s = self.settings
        if not (math.isfinite(state.loss) and math.isfinite(state.gradient_norm)):
            return "not finite"
        if state.loss > DIVERGED * (self.first_loss or 1.0):
            return "diverged"
        if s.stop_loss is not None and full is not None and full <= s.stop_loss:
            return "loss"
        if s.stop_gradient is not None and s.batch is None and (
            state.gradient_norm <= s.stop_gradient
        ):
            return "gradient"
        if self.step >= s.steps:
            return "steps"
        if s.stop_seconds is not None and self.seconds >= s.stop_seconds:
            return "time"
        return "interrupted" if interrupted is not None and interrupted() else None

    def _due(self) -> bool:
        if self.folder is None:
            return False
        every, seconds = self.saving.every, self.saving.seconds
        if every is not None and self.step % every == 0:
            return True
        return seconds is not None and time.monotonic() - self._saved_at >= seconds

    def _finish(self, reason: Reason, state: State, point: Point | None) -> Outcome:
        loss = state.loss if self.settings.batch is None else self._full_loss()
        outcome = Outcome(
            reason, self.step, finite(loss), self.first_loss, finite(state.gradient_norm),
            self.step_size,
            [e.report(point) for e in self.envelopes] if point is not None else [],
            self.violations, self.seconds, self.folder, self.resumed, self.remarks,
        )
        if self.folder is not None:
            write_json(self.folder / SUMMARY, outcome.as_json())
        return outcome
