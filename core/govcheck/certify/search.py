"""From a task to a checked certificate, or to what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from govcheck.certify import checker, closing
from govcheck.certify.floats import Parameters
from govcheck.certify.program import Task
from govcheck.certify.prover import Aim, Measured, Plan, Prover, Shadow
from govcheck.errors import InputError, Problem

MAX_BITS: Final = 1024

Trainer = Callable[
    [Prover, Parameters, int, Aim, float | None],
    Iterator[tuple[int, Parameters, Measured, Plan | None]],
]


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt.

    Args:
        file: the certificate, None if the proof stays open.
        lines: the checker's inequalities for it.
        statement: what the file proves.
        steps: of gradient descent before the certificate.
        at: the last measurement.
        scale: factor of the output at which it would close from the start, if searched and found.
        readout_step: factor of the steps of the readout's weights at which it would, likewise.
        history: steps and h at each measurement.
    """

    file: dict[str, Any] | None
    lines: list[checker.Line]
    statement: str
    steps: int
    at: Measured
    scale: float | None = None
    readout_step: float | None = None
    history: list[tuple[int, float]] = field(default_factory=list)


def certify(
    task: Task,
    *,
    start: Parameters | None = None,
    steps: int = 100_000,
    step: float | None = None,
    aim: Aim = "steps",
    target: float | None = None,
    bits: int = 128,
    shadow: bool = False,
    say: Callable[[str], None] = lambda text: None,
    train: Trainer = Prover.train,
) -> Outcome:
    """Train until the theorem applies, write the certificate and check it.

    Args:
        task: what is to be certified.
        start: parameters to start from; the task's when omitted.
        steps: of gradient descent at most; 0 to certify the start itself.
        step: step size of the certificate and of training, on the task's loss; chosen when
            omitted.
        aim: to prove as early as possible, or to prove the best rate.
        target: for cross-entropy, the summed loss to reach.
        bits: of the checker's numbers at first; doubled where they do not suffice.
        shadow: prove from the start, by letting the checker follow the training steps.
        say: takes lines of progress.
        train: how to get from the start to where the theorem applies; gradient descent unless
            given. Only that can be followed by a shadow.

    Raises:
        InputError: if the network, the step or the target cannot be used.
    """
    if target is not None and not 1e-12 <= target <= 1e5:
        raise InputError(Problem("bad-option", f"{target} is not from 1e-12 to 1e5", "--target"))
    try:
        prover = Prover(task, target)
    except ValueError as error:
        raise InputError(Problem("not-covered", str(error))) from None
    theta = task.parameters if start is None else start
    if shadow and not prover.square:
        raise InputError(Problem("shadow", "steps are followed for square costs alone", "--shadow",
                                 "leave it out to prove from trained weights"))
    if shadow and step is None:
        step = _steady_step(prover, theta, steps, say)
    history: list[tuple[int, float]] = []
    top = 0.0
    tried: tuple[list[checker.Line], str] = ([], "")
    taken, at = 0, None
    for taken, now, at, plan in train(prover, theta, steps, aim, step):
        history.append((taken, at.h))
        top = max(top, at.top)
        say(f"step {taken}: loss {at.loss:.4g}, h {at.h:.4g}")
        while plan is not None:
            about = {"steps": taken, "from": "given" if start is not None else "initial"}
            past = None
            if shadow and taken and plan.step is not None:
                past = Shadow(theta, taken, prover.reach(theta, plan.step, top))
            file, lines = prover.certificate(now, plan, bits, about, say, past)
            if all(x.holds for x in lines):
                statement = checker.statement(checker.certificate(file))
                return Outcome(file, lines, statement, taken, at, history=history)
            tried = lines, ""
            failed = {x.name for x in lines if not x.holds}
            say(f"at step {taken} the checker does not accept: {', '.join(sorted(failed))}")
            if not failed & {"eigenvalue", "enclosure"} or 2 * bits > MAX_BITS:
                break
            bits *= 2
    assert at is not None
    say("searching the output scale and the readout step at which it would close")
    return Outcome(None, tried[0], "", taken, at, closing.output_scale(prover, theta),
                   closing.readout_step(prover, theta), history)


def _steady_step(
    prover: Prover, theta: Parameters, steps: int, say: Callable[[str], None]
) -> float | None:
    """A step size small enough all the way to where a first run closes; None if none does."""
    top, bend = 0.0, 0.0
    for taken, _, at, plan in prover.train(theta, steps, "steps", None):
        top, bend = max(top, at.top), at.top + at.lipschitz * at.loss
        if plan is not None:
            say(f"a first run closes after {taken} steps")
            # delta is about 0.3 at the end; the largest curvature on the way stays below 2/step
            summed = min(0.6 / bend, 1.2 / top)
            return summed * prover.task.denominator / prover.task.numerator
    return None
