"""How a network is trained: from the file's ``train`` block and what overrides it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import torch

from govcheck.analysis import symbol_values
from govcheck.bounds.evaluate import EvaluationError, evaluate
from govcheck.bounds.expr import Expr
from govcheck.errors import InputError, Problem
from govcheck.graph.architecture import Architecture
from govcheck.spec.formula import parse_formula
from govcheck.spec.tokens import FormulaError
from govcheck.spec.training import DTYPES, METHODS, STEP_SIZES

Schedule = Literal["constant", "cosine", "step"]
STEPS = 100
"""Steps where nobody says how many."""


@dataclass(frozen=True)
class Settings:
    """How to train.

    Args:
        method: ``gd``, full-batch gradient descent as the theory has it, or ``sgd``.
        steps: largest number of steps.
        step_size: ``auto`` (1/beta, proven), ``lambda_max`` (1 over the largest eigenvalue
            of the Hessian at the start, measured), or a number.
        seed: of the order of samples.
        batch: samples in one step of sgd; all when None.
        momentum: of sgd, heavy ball.
        nesterov: look ahead along the momentum.
        weight_decay: w in the gradient of ``loss + w/2 |theta|^2``.
        schedule: what multiplies the step size: 1; from 1 to `final` along a cosine; or
            `factor` once for each `every` steps.
        final, every, factor: of the schedule.
        stop_loss: stop where the loss is at most this.
        stop_gradient: stop where the norm of the gradient is at most this.
        stop_seconds: stop after this time.
        dtype: ``float64`` or ``float32``.
        device: as torch names it.
    """

    method: Literal["gd", "sgd"] = "gd"
    steps: int = STEPS
    step_size: float | Literal["auto", "lambda_max"] = "auto"
    seed: int = 0
    batch: int | None = None
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    final: float = 0.0
    every: int = 1
    factor: float = 1.0
    stop_loss: float | None = None
    stop_gradient: float | None = None
    stop_seconds: float | None = None
    dtype: Literal["float64", "float32"] = "float64"
    device: str = "cpu"

    def multiplier(self, step: int) -> float:
        """What the schedule makes of the step size in step number `step`, from 0."""
        match self.schedule:
            case "constant":
                return 1.0
            case "cosine":
                turn = (1 + math.cos(math.pi * min(1.0, step / max(1, self.steps)))) / 2
                return self.final + (1 - self.final) * turn
            case "step":
                return float(self.factor ** (step // self.every))

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype itself."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    @property
    def plain(self) -> bool:
        """Whether this is the gradient descent that theorems speak of."""
        return self.batch is None and not self.momentum and not self.weight_decay

    def identity(self) -> dict[str, Any]:
        """What decides the path; when to stop, and on what device, does not."""
        free = {"stop_loss", "stop_gradient", "stop_seconds", "device"}
        if self.schedule != "cosine":
            free.add("steps")
        return {k: v for k, v in asdict(self).items() if k not in free}


def read_settings(arch: Architecture, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings of a file, some of them replaced.

    Args:
        arch: with its ``train`` block.
        overrides: by the names of `Settings`; formulas may be text in the file's symbols,
            None leaves what the file says.

    Raises:
        InputError: for settings that have no value or do not go together.
    """
    given: dict[str, Any] = {k: v for k, v in arch.train.items() if k not in ("schedule", "stop")}
    given |= {f"stop_{k}": v for k, v in (arch.train.get("stop") or {}).items()}
    kind, extra = arch.train.get("schedule") or ("constant", dict[str, Any]())
    given |= {"schedule": kind, **extra}
    where = dict.fromkeys(given, "train")
    for key, value in (overrides or {}).items():
        if value is not None:
            given[key] = value
            where[key] = "--" + key.replace("_", "-")
    problems: list[Problem] = []
    settings: dict[str, Any] = {}
    for key, value in given.items():
        place = f"{arch.file}: train" if where[key] == "train" else where[key]
        settings[key] = _plain(key, value, arch, place, problems)
    if problems:
        raise InputError(problems)
    found = Settings(**settings)
    problems = _together(found, arch)
    if problems:
        raise InputError(problems)
    return found


def _plain(
    key: str, value: Any, arch: Architecture, where: str, problems: list[Problem]
) -> Any:
    """A number, word or truth value behind a setting."""
    if isinstance(value, str) and value in STEP_SIZES and value not in arch.symbols:
        return value
    if isinstance(value, str) and key not in ("method", "schedule", "dtype", "device"):
        try:
            value = parse_formula(value, arch.symbols)
        except FormulaError as error:
            problems.append(Problem(error.code, f"{key}: {error.message}", where, error.hint))
            return None
    if isinstance(value, Expr):
        try:
            return float(evaluate(value, symbol_values(arch)).mid())
        except EvaluationError as error:
            hint = "give every symbol in it a value, with `symbols:` or --set"
            problems.append(Problem("no-value", f"{key} has no value: {error}", where, hint))
            return None
    return value


def _together(s: Settings, arch: Architecture) -> list[Problem]:
    found = []

    def wrong(message: str, hint: str) -> None:
        found.append(Problem("bad-settings", message, f"{arch.file}: train", hint))

    if s.method not in METHODS or s.dtype not in DTYPES:
        wrong(f"method {s.method!r} with dtype {s.dtype!r}", "gd or sgd, float64 or float32")
    for key in ("steps", "seed"):
        if getattr(s, key) < 0:
            wrong(f"{key} is {getattr(s, key)}", "write 0 or more")
    if s.batch is not None and s.batch < 1:
        wrong(f"batch is {s.batch}", "write 1 or more")
    for key in ("momentum", "weight_decay", "stop_loss", "stop_gradient", "stop_seconds"):
        value = getattr(s, key)
        if value is not None and not 0 <= value < math.inf:
            wrong(f"{key} is {value}", "write 0 or more")
    if not isinstance(s.step_size, str) and not 0 < s.step_size < math.inf:
        wrong(f"the step size is {s.step_size}", "write a positive number")
    if s.momentum >= 1:
        wrong(f"momentum is {s.momentum}", "write less than 1")
    if s.method == "gd":
        for key in ("batch", "momentum", "nesterov"):
            if getattr(s, key):
                wrong(f"{key} is a setting of sgd, not of gd", "write method: sgd (--method sgd)")
    if s.nesterov and not s.momentum and s.method == "sgd":
        wrong("nesterov needs momentum", "write momentum: 9/10")
    return found


def schedule_text(s: Settings) -> str:
    """The schedule in words."""
    return {
        "constant": "constant",
        "cosine": f"cosine, down to {s.final:g} times",
        "step": f"times {s.factor:g} every {s.every} steps",
    }[cast(str, s.schedule)]
