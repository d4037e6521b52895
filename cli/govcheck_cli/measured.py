"""The default measurement of ``govcheck measure``, for commands that show it with other things."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from govcheck_cli import output

if TYPE_CHECKING:
    from govcheck.analysis import Analysis
    from govcheck.numeric.measure.record import Cost
    from govcheck.plugin.registry import Registry


def measured(
    analysis: Analysis, registry: Registry, *, seed: int = 0, max_seconds: float = 60.0
) -> dict[str, Any]:
    """What ``govcheck measure --json`` prints, at the initial weights, on the CPU.

    Args:
        analysis: with its data, in mode tight.
        registry: the plugins.
        seed: of starts and probes.
        max_seconds: about where iterations stop with the errors they have.
    """
    import torch

    from govcheck.numeric.measure.record import Budget, available_memory
    from govcheck.numeric.measure.run import chosen, measure, plan
    from govcheck.numeric.measure.sets import proven
    from govcheck.numeric.measure.subject import subject

    s, start = subject(analysis, None, dtype=torch.float64, device="cpu")
    groups, budget = chosen(None, s), Budget(available_memory(), max_seconds)
    bounds = proven(analysis, s, start, registry, "auto")
    total = plan(s, groups, budget).total
    output.note(f"measuring {s.parameters} parameters, {s.rows} outputs: {total}")
    result = measure(s, start, bounds, groups, budget=budget, seed=seed, progress=_tell)
    for row in result.alarms:
        output.fail([f"ALARM: {row.sentence}"])
    init, data = analysis.architecture.init, analysis.data
    about = {
        "name": analysis.architecture.name,
        "data": "none" if data is None else f"{data.dataset.source}; {data.targets}",
        "arithmetic": "float64 on cpu",
        "seed": seed,
        "point": f"the initial weights ({init.method}, seed {init.seed})",
        "parameters": s.parameters,
        "set": bounds.words,
    }
    return about | result.as_json()


def _tell(name: str, cost: Cost) -> None:
    sys.stderr.write(f"govcheck: {name}, {cost}\n")
    sys.stderr.flush()
