"""What ``train`` and ``sweep`` share: options of a run, and what is said about it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from govcheck.analysis import Analysis
    from govcheck.graph.architecture import Architecture as Architecture
    from govcheck.numeric.train.settings import Settings
    from govcheck.numeric.train.state import Outcome, Progress, Saving

    Listener = Callable[[Progress], None]

FORMULAS = ("step_size", "momentum", "weight_decay", "stop_loss", "stop_gradient", "stop_seconds")
WORDS = ("method", "steps", "batch", "seed", "dtype", "device")


def natural(text: str) -> int:
    """An integer that is at least 0, for argparse."""
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


natural.__name__ = "number from 0 on"


def add_training(parser: argparse.ArgumentParser) -> None:
    """Options that replace what the file's ``train`` block says."""
    group = parser.add_argument_group("training", "in place of what `train:` in the file says")
    group.add_argument("--steps", type=natural, metavar="N", help="largest number of steps")
    group.add_argument("--method", choices=("gd", "sgd"), help="full-batch descent, or sgd")
    group.add_argument(
        "--step-size", metavar="auto|lambda_max|FORMULA",
        help="auto: 1/beta, proven; lambda_max: 1 over the largest eigenvalue of the Hessian at "
        "the start, measured; or a formula in the file's symbols",
    )
    group.add_argument("--batch", type=natural, metavar="N", help="samples in a step of sgd")
    group.add_argument("--momentum", metavar="FORMULA", help="of sgd")
    group.add_argument("--weight-decay", metavar="FORMULA")
    group.add_argument("--stop-loss", metavar="X", help="stop where the loss is at most X")
    group.add_argument("--stop-gradient", metavar="X",
                       help="stop where the norm of the gradient is at most X")
    group.add_argument("--stop-seconds", metavar="T", help="stop after T seconds")
    group.add_argument("--dtype", choices=("float64", "float32"), help="(float64)")
    group.add_argument("--device", metavar="NAME", help="as torch names it, such as cuda (cpu)")
    group.add_argument(
        "--checkpoint-every", metavar="N|Ts", default="1",
        help="steps, or seconds such as 30s, from one checkpoint to the next (1: a kill loses "
        "at most the current step)",
    )


def overrides(options: argparse.Namespace) -> dict[str, Any]:
    """What the command line says about training, by the names of the settings."""
    found = {k: getattr(options, k, None) for k in (*FORMULAS, *WORDS)}
    return {k: v for k, v in found.items() if v is not None}


def saving(options: argparse.Namespace) -> Saving:
    """When checkpoints are written.

    Raises:
        InputError: for text that is neither a number of steps nor of seconds.
    """
    from govcheck.errors import InputError, Problem
    from govcheck.numeric.train.state import Saving

    text = options.checkpoint_every
    try:
        found = (Saving(None, float(text[:-1])) if text.endswith("s") else Saving(int(text)))
        if (found.every is None or found.every >= 1) and not (found.seconds or 0) < 0:
            return found
    except ValueError:
        pass
    raise InputError(Problem("bad-option", f"it takes steps or seconds, not {text!r}",
                             "--checkpoint-every", "write 10 or 30s"))


def seeded(arch: Architecture, seed: int | None) -> Architecture:
    """The same architecture with another seed of the initial weights."""
    return arch if seed is None else replace(arch, init=replace(arch.init, seed=seed))


def document(analysis: Analysis, settings: Settings) -> dict[str, Any]:
    """What is trained and how, for people and programs."""
    from govcheck.numeric.train.settings import schedule_text

    arch = analysis.architecture
    data = analysis.data
    own = f", {len(arch.init.at)} layers of their own" if arch.init.at else ""
    method = "gradient descent on all samples"
    if settings.method == "sgd":
        size = "all" if settings.batch is None else str(settings.batch)
        method = f"stochastic gradient descent, {size} samples a step, order from seed "
        method += f"{settings.seed}, {'Nesterov ' if settings.nesterov else ''}momentum "
        method += f"{settings.momentum:g}"
    if settings.weight_decay:
        method += f", weight decay {settings.weight_decay:g}"
    if settings.schedule != "constant":
        method += f", step size {schedule_text(settings)}"
    return {
        "name": arch.name,
        "data": "none" if data is None else f"{data.dataset.source}; {data.targets}",
        "data_seed": None if data is None else data.dataset.seed,
        "start": f"{arch.init.method}{own}, seed {arch.init.seed}",
        "init_seed": arch.init.seed,
        "order_seed": settings.seed,
        "method": method,
        "arithmetic": f"{settings.dtype} on {settings.device}",
    }


def exit_code(outcome: Outcome) -> int:
    """See the command's help."""
    from govcheck_cli.main import INTERRUPTED, NOT_HELD, OK, VIOLATED

    if outcome.violations:
        return VIOLATED
    if outcome.reason == "interrupted":
        return INTERRUPTED
    return NOT_HELD if outcome.failed else OK
