"""The default measurement of ``govcheck measure``, for commands that show it with other things."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from govcheck_cli import output

if TYPE_CHECKING:
    from govcheck.analysis import Analysis
    from govcheck.numeric.measure.record import Cost
    from govcheck.numeric.measure.run import Result
    from govcheck.numeric.measure.subject import Subject
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
    s, result = taken(analysis, registry, seed=seed, max_seconds=max_seconds)
    for row in result.alarms:
        output.fail([f"ALARM: {row.sentence}"])
    point = {"point": at_start(analysis), "parameters": s.parameters}
    return subject_facts(analysis, "float64 on cpu", seed) | point | result.as_json()


def taken(
    analysis: Analysis, registry: Registry, *, groups: Collection[str] | None = None,
    seed: int, max_seconds: float, label: str = "",
) -> tuple[Subject, Result]:
    """What was measured, and on what.

    Args:
        analysis: as `measured` has it, like the other arguments.
        registry: the plugins.
        groups: only these; all that suit when omitted.
        seed: of starts and probes.
        max_seconds: about where iterations stop.
        label: name of the network in what is said meanwhile.
    """
    from govcheck.numeric.measure.record import Budget, available_memory
    from govcheck.numeric.measure.run import chosen, measure, plan
    from govcheck.numeric.measure.sets import proven
    from govcheck.numeric.measure.subject import subject

    s, start = subject(analysis)
    asked = tuple(g for g in chosen(None, s) if groups is None or g in groups)
    budget = Budget(available_memory(), max_seconds)
    bounds = proven(analysis, s, start, registry, "auto")
    total = plan(s, asked, budget).total
    name = f"{label}: " if label else ""
    output.note(f"measuring {name}{s.parameters} parameters, {s.rows} outputs: {total}")
    return s, measure(s, start, bounds, asked, budget=budget, seed=seed, progress=tell)


def subject_facts(analysis: Analysis, arithmetic: str, seed: int) -> dict[str, Any]:
    """What every measurement says of its subject."""
    data = analysis.data
    return {
        "name": analysis.architecture.name,
        "data": "none" if data is None else f"{data.dataset.source}; {data.targets}",
        "arithmetic": arithmetic,
        "seed": seed,
    }


def at_start(analysis: Analysis) -> str:
    """Where the initial weights are."""
    init = analysis.architecture.init
    return f"the initial weights ({init.method}, seed {init.seed})"


def tell(name: str, cost: Cost) -> None:
    """What is measured next, and what it takes."""
    sys.stderr.write(f"govcheck: {name}, {cost}\n")
    sys.stderr.flush()
