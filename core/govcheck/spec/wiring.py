"""Which step of a sequence takes which: `from` resolved, cycles found, order fixed."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

from govcheck.graph.blocks import INPUT
from govcheck.spec.names import INPUT_NAME, shown, suggest
from govcheck.spec.outline import Draft
from govcheck.spec.tree import Problems


@dataclass(frozen=True)
class Wired:
    """A step with the positions of its sources in the order returned; None if unresolved."""

    draft: Draft
    sources: tuple[int | None, ...]


def wire(
    drafts: list[Draft], by_id: Mapping[str, Draft], by_node: Mapping[str, Draft],
    problems: Problems,
) -> list[Wired] | None:
    """Steps of one sequence in topological order, as near to file order as that allows.

    Returns:
        None where the steps form a cycle, which is then a recorded problem.
    """
    here = {d.ident.text: i for i, d in enumerate(drafts)
            if d.ident is not None and by_id.get(d.ident.text) is d}
    sources = [_sources(i, d, here, by_id, by_node, problems) for i, d in enumerate(drafts)]
    if all(s == (i - 1,) for i, s in enumerate(sources)):
        return [Wired(d, s) for d, s in zip(drafts, sources, strict=True)]
    order = _order(sources)
    if len(order) < len(drafts):
        _report_cycles(drafts, sources, set(range(len(drafts))) - set(order), problems)
        return None
    if not any(s is None for own in sources for s in own):
        _report_unused(drafts, sources, problems)
    rank = {old: new for new, old in enumerate(order)}
    rank[INPUT] = INPUT
    return [
        Wired(drafts[i], tuple(None if s is None else rank[s] for s in sources[i])) for i in order
    ]


def _sources(
    index: int, draft: Draft, here: Mapping[str, int], by_id: Mapping[str, Draft],
    by_node: Mapping[str, Draft], problems: Problems,
) -> tuple[int | None, ...]:
    if draft.sources is None:
        # a join without `from` is a problem already
        return (None,) if draft.is_join else (index - 1,)
    if len(draft.sources) > 1 and not draft.is_join:
        problems.add("wrong-value", f"{draft.kind} takes one input, not {len(draft.sources)}",
                     draft.sources[1], "join them first with sum or concat")
        return (None,)
    found: list[int | None] = []
    for at in draft.sources:
        source = at.text
        if source == INPUT_NAME:
            target: int | None = INPUT
        elif source in here:
            target = here[source]
        else:
            target = None
            if source in by_id:
                other = by_id[source]
                problems.add("from-outside",
                             f"from: {shown(source)} is a step of another block (line "
                             f"{other.at.line})", at,
                             "from reaches steps of its own block only; 'input' is the input of "
                             "this block")
            elif source in by_node:
                problems.add("dangling-from", f"from: no step has the id {shown(source)}", at,
                             f"steps are referred to by id: add id: {source} to the "
                             f"{by_node[source].kind} in line {by_node[source].at.line}")
            else:
                problems.add("dangling-from", f"from: no step has the id {shown(source)}", at,
                             suggest(source, [*here, INPUT_NAME], "ids of this block"))
        if target is not None and target in found:
            problems.add("wrong-value", f"{draft.kind} names {shown(source)} twice", at,
                         "use parallel with an empty branch [] to take an input twice")
        found.append(target)
    return tuple(found) or (None,)


def _order(sources: list[tuple[int | None, ...]]) -> list[int]:
    """Kahn's order, smallest index first; what lies on or behind a cycle is left out."""
    waiting = [sum(1 for s in own if s is not None and s != INPUT) for own in sources]
    users: list[list[int]] = [[] for _ in sources]
    for i, own in enumerate(sources):
        for s in own:
            if s is not None and s != INPUT:
                users[s].append(i)
    ready = [i for i, n in enumerate(waiting) if n == 0]
    order = []
    while ready:
        i = heapq.heappop(ready)
        order.append(i)
        for user in users[i]:
            waiting[user] -= 1
            if waiting[user] == 0:
                heapq.heappush(ready, user)
    return order


def _report_cycles(
    drafts: list[Draft], sources: list[tuple[int | None, ...]], left: set[int], problems: Problems
) -> None:
    """One problem for each cycle met when walking back from the steps left over."""
    done: set[int] = set()
    for start in sorted(left):
        path: list[int] = []
        position: dict[int, int] = {}
        i = start
        while i not in done and i not in position:
            position[i] = len(path)
            path.append(i)
            i = next(s for s in sources[i] if s is not None and s in left)
        if i in position:
            cycle = path[position[i] :][::-1]
            # the edge against file order is the one a person wrote by mistake
            first = next(k for k in cycle if any(s in cycle and s >= k for s in sources[k]
                                                 if s is not None))
            turn = cycle.index(first)
            names = [drafts[k].node for k in (*cycle[turn:], *cycle[:turn])]
            names = names if len(names) <= 8 else [*names[:4], "…", *names[-3:]]
            scalars = drafts[first].sources or []
            at = next((s for s, k in zip(scalars, sources[first], strict=True)
                       if k is not None and k in cycle and k >= first), drafts[first].at)
            problems.add("cycle", "these steps form a cycle: "
                         + " -> ".join([*names, names[0]]), at,
                         "let from name a step that does not depend on this one")
        done.update(path)


def _report_unused(
    drafts: list[Draft], sources: list[tuple[int | None, ...]], problems: Problems
) -> None:
    used: set[int] = set()
    stack = [len(drafts) - 1]
    while stack:
        i = stack.pop()
        if i not in used:
            used.add(i)
            stack.extend(s for s in sources[i] if s is not None and s != INPUT)
    for i, draft in enumerate(drafts):
        if i not in used:
            problems.add("unused-step", f"the output of {draft.node} is not used", draft.at,
                         f"the last step of its block, {drafts[-1].node}, is the block's output: "
                         "let it or a step before it take this one, or remove this step")
