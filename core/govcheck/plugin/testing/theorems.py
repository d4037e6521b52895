"""Checks of a theorem plugin on the examples it brings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from flint import arb

from govcheck.plugin.inspection import fault
from govcheck.plugin.registry import Registry, load_registry
from govcheck.plugin.testing.records import CheckFailed, CheckSkipped, Record, record
from govcheck.theorems.protocol import Theorem, TheoremExample, Verdict

if TYPE_CHECKING:
    from govcheck.analysis import Analysis


def check_theorem(
    theorem: type[Theorem],
    *,
    registry: Registry | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Record]:
    """Run all checks of a theorem.

    Args:
        theorem: the class.
        registry: the plugins with which its examples are read; the installed ones when omitted.
        expected_failures: reasons by name of a check.
    """
    expected = expected_failures or {}
    found = [record(theorem.name, "metadata", partial(_metadata, theorem), expected)]
    examples = list(theorem.examples())
    if not examples:
        return [*found, record(theorem.name, "examples", _none, expected)]
    plugins = registry or load_registry()
    keys: set[str] = set()
    for i, example in enumerate(examples):
        subject = f"{theorem.name} example {i}"
        name = f"refused_at_{example.violates}" if example.violates else "applies"
        run = partial(check_example, theorem, example, plugins, keys)
        found.append(record(subject, name, run, expected))
    covered = partial(_coverage, theorem, examples, keys)
    found.append(record(theorem.name, "coverage", covered, expected))
    return found


def _metadata(theorem: type[Theorem]) -> str:
    wrong = fault("theorems", theorem)
    if wrong:
        raise CheckFailed(wrong)
    if not inspect.cleandoc(theorem.__doc__ or ""):
        raise CheckFailed(f"{theorem.__qualname__} has no docstring that states it")
    return str(theorem.reference)


def _none() -> str:
    raise CheckSkipped("no examples: override the class method examples()")


def check_example(
    theorem: type[Theorem], example: TheoremExample, registry: Registry, keys: set[str]
) -> str:
    """A valid network is accepted; another is refused at the one hypothesis that fails.

    Numbers that a valid network attains are held against the conclusions.

    Args:
        theorem: the class.
        example: the network and the hypothesis it violates.
        registry: the plugins to read it with.
        keys: the theorem's hypotheses are added here.
    """
    import govcheck

    arch = govcheck.loads(example.architecture, registry=registry)
    analysis = govcheck.analyze(arch, registry=registry)
    verdict = theorem().decide(analysis, example.reading)
    keys.update(h.key for h in verdict.hypotheses)
    failing = [h.key for h in verdict.hypotheses if not h.holds]
    if not example.violates:
        if failing:
            raise CheckFailed(f"a valid network is refused at {', '.join(failing)}: "
                              f"{verdict.summary}")
        if not verdict.conclusions:
            raise CheckFailed("a valid network gets no conclusion")
        found = _hold_against(verdict, analysis, example)
        return f"applies: {', '.join(verdict.conclusions)}" + (f"; {found}" if found else "")
    wanted = (example.violates, *example.also)
    if set(failing) != set(wanted):
        place = f"refused at {', '.join(failing)}" if failing else "accepted"
        only = " and ".join(wanted)
        raise CheckFailed(f"a network that violates {only} alone is {place}")
    hypothesis = next(h for h in verdict.hypotheses if h.key == example.violates)
    if not hypothesis.evidence.strip():
        raise CheckFailed(f"{example.violates} is refused without evidence")
    return f"{hypothesis.status}: {hypothesis.evidence}"


def _hold_against(verdict: Verdict, analysis: Analysis, example: TheoremExample) -> str:
    shown = []
    for name, found in (example.measured(analysis) if example.measured else {}).items():
        if name not in verdict.conclusions:
            raise CheckFailed(f"{name} is measured, and there is no such conclusion")
        bound = verdict.conclusions[name]
        value = analysis.value(bound)
        if not isinstance(value, arb):
            raise CheckFailed(f"{name} is measured, and the conclusion has no value")
        lower = bound.sense == "lower"
        limit = float(value.lower() if lower else value.upper())
        slack = 1e-9 * abs(limit) + 1e-12
        if found < limit - slack if lower else found > limit + slack:
            raise CheckFailed(f"{name} is at {'least' if lower else 'most'} {limit:.10g} by the "
                              f"theorem, and {found:.10g} is attained")
        shown.append(f"{name} {found:.4g} against {limit:.4g}")
    return ", ".join(shown)


def _coverage(
    theorem: type[Theorem], examples: list[TheoremExample], keys: set[str]
) -> str:
    violated = {e.violates for e in examples}
    if "" not in violated:
        raise CheckFailed("no example is valid")
    violated |= {k for e in examples for k in e.also}
    wrong = sorted(violated & theorem.never_fails.keys())
    if wrong:
        raise CheckFailed(f"an example violates {', '.join(wrong)}, which is said never to fail")
    stale = sorted(theorem.never_fails.keys() - keys)
    if stale:
        raise CheckFailed(f"{', '.join(stale)} is said never to fail and is no hypothesis")
    missing = keys - violated - theorem.never_fails.keys()
    if missing:
        raise CheckFailed(f"no example violates {', '.join(sorted(missing))} alone")
    if not any(e.measured for e in examples if not e.violates):
        raise CheckFailed("no valid example measures what a conclusion bounds")
    valid = sum(not e.violates for e in examples)
    alone = {e.violates for e in examples if not e.also} - {""}
    others = sorted(violated - alone - {""})
    return "; ".join([
        f"{valid} valid, violated alone: {', '.join(sorted(alone))}",
        *([f"violated with others: {', '.join(others)}"] if others else []),
        *(f"{k} never fails: {why}" for k, why in theorem.never_fails.items()),
    ])
