"""The step size: proven, measured, or given."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import Missing
from govcheck.bounds.evaluate import lower as rounded_down
from govcheck.bounds.evaluate import upper as rounded_up
from govcheck.errors import InputError, Problem
from govcheck.numeric.initial import Batch
from govcheck.numeric.train.settings import Settings

HINT = "choose --step-size lambda_max or a number, or a `domain:` on which beta is known"


@dataclass(frozen=True)
class StepSize:
    """A step size and where it comes from, in words."""

    value: float
    source: str


def lower_float(ball: arb) -> float:
    """A float that is certainly not above the number."""
    return math.nextafter(float(rounded_down(ball, 17)), -math.inf)


def upper_float(ball: arb) -> float:
    """A float that is certainly not below the number."""
    return math.nextafter(float(rounded_up(ball, 17)), math.inf)


def choose(
    analysis: Analysis, settings: Settings, module: object, batch: Batch
) -> StepSize:
    """The step size that the settings ask for.

    Args:
        analysis: for the proven one.
        settings: whose `step_size` decides.
        module: the network at its start, for the measured one.
        batch: all data.

    Raises:
        InputError: if no beta is known, or the largest eigenvalue is not positive.
    """
    match settings.step_size:
        case "auto":
            return proven(analysis)
        case "lambda_max":
            return measured(analysis, settings, module, batch)
        case value:
            return StepSize(value, "given")


def proven(analysis: Analysis) -> StepSize:
    """``1/beta`` with the closed form of beta on the parameter set, rounded down.

    Raises:
        InputError: if there is no beta, or it has no value; the text says why.
    """
    where = analysis.architecture.file
    eta = analysis.bounds["eta"]
    value = analysis.value(eta)
    if isinstance(value, Unknown):
        raise InputError(Problem("no-beta", f"there is no proven step size 1/beta on "
                                 f"{analysis.domain.describe()}: {value.reason}", where, HINT))
    if isinstance(value, Missing):
        names = ", ".join(value.names)
        raise InputError(Problem("no-value", f"beta has no value: {names}", where,
                                 "give the symbols values, with `symbols:` or --set"))
    number = lower_float(value)
    if not 0 < number < math.inf:
        raise InputError(Problem("no-beta", f"the proven step size 1/beta is {number:.3g}, which "
                                 "is no use", where, HINT))
    return StepSize(number, f"1/beta, proven on: {analysis.domain.describe()}")


def measured(
    analysis: Analysis, settings: Settings, module: object, batch: Batch
) -> StepSize:
    """``1/lambda_max`` of the Hessian of the full-batch loss at the start, in float64.

    Raises:
        InputError: if no eigenvalue is positive.
    """
    from torch import nn

    from govcheck.numeric.measure.hessian import hessian_extremes
    from govcheck.numeric.measure.subject import Subject

    cost = analysis.architecture.cost
    assert cost is not None and isinstance(module, nn.Module)
    subject = Subject(module, batch.x, batch.y, cost.loss, device=settings.device)
    rows = hessian_extremes(subject, tolerance=1e-4, ends=("largest",), seed=settings.seed)
    top = next(r for r in rows if r.quantity == "lambda_max")
    if not top.value > 0:
        raise InputError(Problem(
            "no-curvature", f"the largest eigenvalue of the Hessian at the start is "
            f"{top.value:.3g}, so 1/lambda_max is no step size", analysis.architecture.file,
            "choose a number for --step-size"))
    return StepSize(1 / top.value, f"1/lambda_max at the start, measured: lambda_max = "
                    f"{top.value:.6g} ± {top.error:.1g} ({top.method})")
