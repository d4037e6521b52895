"""Recurrences told apart: different ones never share the names of their states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from govcheck.bounds.expr import Expr, node
from govcheck.bounds.printing import latex
from govcheck.bounds.recurrence import Recurrence
from govcheck.bounds.walk import postorder, rebuild


def apart(roots: Sequence[Expr]) -> dict[Expr, Expr]:
    """The same formulas, in which the name of a state belongs to one recurrence.

    A block that is repeated within a repeated block has one recurrence in the first copy and
    another one in later copies, and other rules of composition give others again. All name
    their states after the block; here the later ones get a number.

    Args:
        roots: all formulas that will be shown.

    Returns:
        For each node outside the bodies of recurrences the node to show; empty if no two
        recurrences share a name.
    """
    nodes = postorder(*roots)
    machines = {(e.payload[0].state, e.payload[0].update, e.args)
                for e in nodes if e.op == "recur"}
    names = [s.payload.name for state, _, _ in machines for s in state]
    if len(names) == len(set(names)):
        return {}
    taken = {e.payload.name for e in nodes if e.op in ("sym", "enc")}
    return _Renaming(taken | {e.payload for e in nodes if e.op == "let"}).scope(roots, {})


class _Renaming:
    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._owner: dict[str, object] = {}
        self._machines: dict[Any, Recurrence] = {}

    def scope(self, roots: Iterable[Expr], names: Mapping[Expr, Expr]) -> dict[Expr, Expr]:
        """Formulas in which states have these names."""
        memo: dict[Expr, Expr] = dict(names)
        for e in _outside(roots):
            if e in memo:
                continue
            args = tuple(memo[a] for a in e.args)
            if e.op == "recur":
                machine, index = e.payload
                memo[e] = node("recur", args, (self._machine(machine, args, names), index))
            else:
                memo[e] = rebuild(e, args)
        return memo

    def _machine(
        self, machine: Recurrence, args: tuple[Expr, ...], names: Mapping[Expr, Expr]
    ) -> Recurrence:
        key = (machine.state, machine.update, args, tuple(names.items()))
        if key not in self._machines:
            state = tuple(self._named(s, key) for s in machine.state)
            inner = {**names, **dict(zip(machine.state, state, strict=True))}
            found = self.scope(machine.update, inner)
            update = tuple(found[u] for u in machine.update)
            same = state == machine.state and update == machine.update
            self._machines[key] = machine if same else Recurrence(state, update)
        return self._machines[key]

    def _named(self, state: Expr, key: object) -> Expr:
        symbol = state.payload
        if self._owner.setdefault(symbol.name, key) is key:
            return state
        number = 2
        while f"{symbol.name}.{number}" in self._taken:
            number += 1
        name = f"{symbol.name}.{number}"
        self._taken.add(name)
        return node("sym", (), replace(symbol, name=name, latex=_numbered(latex(state), number)))


def _numbered(tex: str, number: int) -> str:
    return f"{tex[:-1]},{number}}}" if "_{" in tex and tex.endswith("}") else f"{tex}_{{{number}}}"


def _outside(roots: Iterable[Expr]) -> list[Expr]:
    """Every node below the roots once, bodies of recurrences left out, arguments first."""
    seen: set[Expr] = set()
    order: list[Expr] = []
    stack = [(r, False) for r in reversed(list(roots))]
    while stack:
        e, done = stack.pop()
        if done:
            order.append(e)
        elif e not in seen:
            seen.add(e)
            stack.append((e, True))
            stack.extend((a, False) for a in reversed(e.args) if a not in seen)
    return order
