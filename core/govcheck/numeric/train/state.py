"""What training shows to callbacks, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from govcheck.analysis import Analysis
from govcheck.numeric.build import Network
from govcheck.numeric.initial import Batch
from govcheck.numeric.train.step_size import StepSize

Reason = Literal[
    "steps", "loss", "gradient", "time", "not finite", "diverged", "interrupted"
]
REASONS: dict[str, str] = {
    "steps": "all steps done",
    "loss": "the loss is small enough",
    "gradient": "the gradient is small enough",
    "time": "the time is over",
    "not finite": "the loss or its gradient is not a finite number",
    "diverged": "the loss grew beyond all bounds",
    "interrupted": "interrupted",
}
FAILED = ("not finite", "diverged")


@dataclass(eq=False)
class State:
    """Where training is: at ``theta_k``, before step k; gradients are in the parameters.

    Args:
        step: k.
        module: the network at ``theta_k``.
        batch: all data.
        loss: of the samples of this step: all of them, or a mini-batch.
        gradient_norm: of that loss, weight decay not counted.
        step_size: of the step that follows.
        output_norm: Frobenius norm of the outputs for these samples.
        analysis: what is proved.
        start: parameters at step 0, by name, where somebody asked for them.
    """

    step: int
    module: Network
    batch: Batch
    loss: float
    gradient_norm: float
    step_size: float
    output_norm: float
    analysis: Analysis
    start: Mapping[str, Tensor]


@dataclass(frozen=True)
class Callback:
    """Something to do every so many steps.

    Args:
        run: gets the state, which it must leave alone; what it returns goes into the step's
            record under ``measured``.
        every: so many steps.
    """

    run: Callable[[State], Mapping[str, Any] | None]
    every: int = 1


@dataclass(frozen=True)
class Progress:
    """How far a run is, for showing it.

    Args:
        step: steps done.
        steps: largest number.
        begun: the step at which this process began.
        loss: the last one.
        seconds: since this process began.
    """

    step: int
    steps: int
    begun: int
    loss: float
    seconds: float


@dataclass(frozen=True)
class Saving:
    """When checkpoints are written: every so many steps, or when so many seconds are over."""

    every: int | None = 1
    seconds: float | None = None


@dataclass
class Outcome:
    """What came out.

    Args:
        reason: why it stopped.
        step: number of steps done.
        loss: of all samples at the end; None where it is not finite.
        first_loss: of all samples at the start.
        gradient_norm: at the end.
        step_size: the one chosen, before any schedule.
        envelopes: what theorems said of the last loss, see `Envelope.report`.
        violations: losses above what was proved, one line each.
        seconds: all parts of the run together.
        directory: where its files are.
        resumed: the step it was resumed at, None for a fresh run.
        remarks: for people, one line each.
    """

    reason: Reason
    step: int
    loss: float | None
    first_loss: float
    gradient_norm: float | None
    step_size: StepSize
    envelopes: list[dict[str, Any]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    directory: Path | None = None
    resumed: int | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether it stopped because the numbers went wrong."""
        return self.reason in FAILED

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "reason": self.reason, "why": REASONS[self.reason], "step": self.step,
            "loss": self.loss, "first_loss": self.first_loss,
            "gradient_norm": self.gradient_norm, "step_size": self.step_size.value,
            "step_size_source": self.step_size.source, "envelopes": self.envelopes,
            "violations": self.violations, "seconds": round(self.seconds, 3),
            "directory": None if self.directory is None else str(self.directory),
            "resumed": self.resumed, "remarks": self.remarks,
        }

    def _repr_html_(self) -> str:
        from govcheck.report.jupyter import outcome_html

        return outcome_html(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        from govcheck.report.jupyter import outcome_text

        printer.text(outcome_text(self))
