"""Measurements every so many steps of training, into the stream of its results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from govcheck.analysis import Analysis
from govcheck.numeric.measure.record import Budget, Measurement
from govcheck.numeric.measure.run import measure
from govcheck.numeric.measure.sets import Which, proven
from govcheck.numeric.measure.subject import subject
from govcheck.numeric.train.state import Callback, State
from govcheck.plugin.registry import Registry

Alarm = Callable[[int, str], None]


def along(
    analysis: Analysis,
    registry: Registry,
    groups: Sequence[str],
    every: int,
    *,
    budget: Budget = Budget(),  # noqa: B008
    which: Which = "auto",
    seed: int = 0,
    alarm: Alarm = lambda step, text: None,
) -> Callback:
    """A callback for `govcheck.numeric.train.train`.

    Each record holds the quantities of the whole network with their errors, bounds on a set
    that contains the iterate, and those that a bound contradicts.

    Args:
        analysis: of the architecture that is trained.
        registry: the plugins.
        groups: from `govcheck.numeric.measure.run.GROUPS`.
        every: so many steps.
        budget: of each time.
        which: the set, see `govcheck.numeric.measure.sets.proven`.
        seed: of everything random.
        alarm: called with the step and a sentence for each contradiction.
    """

    def run(state: State) -> Mapping[str, Any]:
        first = next(state.module.parameters())
        now = {n: t.detach() for n, t in state.module.state_dict().items()}
        with torch.enable_grad():
            s, start = subject(analysis, now, dtype=first.dtype, device=str(first.device))
            bounds = proven(analysis, s, start, registry, which)
            found = measure(s, start, bounds, groups, budget=budget, seed=seed)
        record: dict[str, Any] = {"set": bounds.words, "alarms": []}
        for m in found.measured:
            plain = m.as_json()
            record[_name(m)] = {k: plain[k] for k in ("value", "error", "floor", "side", "label")}
        for row in (*found.rows, *found.layers):
            record[_name(row.measured)]["bound"] = None if row.bound is None else row.text
            record[_name(row.measured)]["ratio"] = row.as_json()["ratio"]
        for row in found.alarms:
            record["alarms"].append(_name(row.measured))
            alarm(state.step, row.sentence)
        if found.notes:
            record["notes"] = found.notes
        return record

    return Callback(run, every)


def _name(m: Measurement) -> str:
    return m.quantity if m.where == "network" else f"{m.quantity}@{m.where}"
