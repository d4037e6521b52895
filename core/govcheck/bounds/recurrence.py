"""Bounds of a block repeated H times, as formulas in H.

Composing one more copy of a block maps the bounds of the network so far to new ones:
a recurrence ``x[k+1] = u(x[k])``. Where it is linear with constant coefficients, given
the sequences it depends on, it has a closed form in powers and geometric sums, all of
them complete homogeneous symmetric polynomials

    h_n(r_1, ..., r_m) = sum of all monomials of degree n,   h_n(r) = r**n,
    h_n(r, 1) = (r**(n+1) - 1)/(r - 1),

because ``sum_{i<k} a**(k-1-i) h_{i-s}(R) = h_{k-1-s}(R + (a,))``. This form needs no
case distinction at equal ratios. What is not linear (a largest eigenvalue, a minimum of
two bounds) stays a `recur` node: the recurrence itself, evaluated step by step.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from govcheck.bounds.expr import (
    ONE,
    ZERO,
    Expr,
    ExprLike,
    add,
    as_expr,
    mul,
    node,
    num,
    power,
)
from govcheck.bounds.walk import postorder


@dataclass(frozen=True, eq=False)
class Recurrence:
    """Simultaneous update of named states; compared by identity.

    Args:
        state: symbols that stand for the values before a step.
        update: their values after it, in the same order.
    """

    state: tuple[Expr, ...]
    update: tuple[Expr, ...]

    def with_update(self, update: tuple[Expr, ...]) -> Recurrence:
        """The same states with other update formulas."""
        return self if update == self.update else Recurrence(self.state, update)

    def depends_on_state(self) -> set[Expr]:
        """Nodes of the updates whose value changes from step to step."""
        moving: set[Expr] = set(self.state)
        for e in postorder(*self.update):
            if any(a in moving for a in e.args):
                moving.add(e)
        return moving

    def output(self, args: tuple[Expr, ...], index: int) -> Expr:
        """The value of one state after the steps; `args` are the count and initial values."""
        return node("recur", args, (self, index))


def complete_symmetric(degree: ExprLike, *ratios: ExprLike) -> Expr:
    """``h_degree(ratios)``: all monomials of that degree; 0 for negative degrees."""
    n = as_expr(degree)
    r = tuple(x for x in map(as_expr, ratios) if x is not ZERO)
    if n.op == "num" and n.payload <= 0:
        return ONE if n.payload == 0 else ZERO
    # the short forms are not 0 at negative degrees, which occur where a ratio was dropped
    if len(r) == len(ratios) == 1:
        return power(r[0], n)
    if len(r) == len(ratios) == 2 and r[0] is r[1]:
        return mul(n + 1, power(r[0], n))
    return node("chs", (n, *sorted(r, key=lambda x: x is ONE)))


@dataclass(frozen=True)
class Term:
    """The sequence ``coefficient * h_{k - shift}(ratios)``, k = 0, 1, 2, ..."""

    coefficient: Expr
    ratios: tuple[Expr, ...]
    shift: int

    def times(self, factor: Expr) -> Term:
        """The sequence multiplied by a constant."""
        return Term(mul(self.coefficient, factor), self.ratios, self.shift)


Sequence = list[Term]


def _value(seq: Sequence, k: Expr) -> Expr:
    return add(*(mul(t.coefficient, _h(k, t)) for t in seq))


def _h(k: Expr, t: Term) -> Expr:
    # a shift of m-1 at m ratios vanishes at k < m-1 by itself: h_{k-m+1}
    if len(t.ratios) == 1 and t.shift == 0:
        return power(t.ratios[0], k)
    return complete_symmetric(k - t.shift, *t.ratios)


def _product(x: Term, y: Term) -> Sequence | None:
    """Termwise product of two sequences, where it is again of this kind."""
    for p, q in ((x, y), (y, x)):
        if len(p.ratios) == 1 and p.shift == 0:
            r = p.ratios[0]
            factor = mul(p.coefficient, q.coefficient, power(r, q.shift))
            return [Term(factor, tuple(mul(r, s) for s in q.ratios), q.shift)]
    if len(x.ratios) == len(y.ratios) == 2 and x.shift == y.shift == 1:
        (a, b), (c, d) = x.ratios, y.ratios
        k = mul(x.coefficient, y.coefficient)
        if x.ratios == y.ratios:
            three = (mul(a, a), mul(a, b), mul(b, b))
            return [Term(k, three, 1), Term(mul(k, a, b), three, 2)]
        four = (mul(a, c), mul(a, d), mul(b, c), mul(b, d))
        return [Term(k, four, 1), Term(mul(num(-1), k, a, b, c, d), four, 3)]
    return None


def _multiply(x: Sequence, y: Sequence) -> Sequence | None:
    result: Sequence = []
    for s in x:
        for t in y:
            p = _product(s, t)
            if p is None:
                return None
            result.extend(p)
    return _merge(result)


def _merge(seq: Sequence) -> Sequence:
    found: dict[tuple[tuple[Expr, ...], int], Expr] = {}
    for t in seq:
        key = (t.ratios, t.shift)
        found[key] = add(found.get(key, ZERO), t.coefficient)
    return [Term(c, r, s) for (r, s), c in found.items() if c is not ZERO]


def _as_sequence(e: Expr, known: dict[Expr, Sequence]) -> Sequence | None:
    """Write a formula in the states as a sequence, or None where it is not one."""
    if e in known:
        return known[e]
    if not any(n in known for n in postorder(e)):
        return [Term(e, (ONE,), 0)]
    match e.op:
        case "let":
            return _as_sequence(e.args[0], known)
        case "add":
            total: Sequence = [Term(num(e.payload[0]), (ONE,), 0)] if e.payload[0] else []
            for c, a in zip(e.payload[1:], e.args, strict=True):
                part = _as_sequence(a, known)
                if part is None:
                    return None
                total.extend(t.times(num(c)) for t in part)
            return _merge(total)
        case "mul":
            result: Sequence | None = [Term(num(e.payload[0]), (ONE,), 0)]
            for a, x in zip(e.args, e.payload[1:], strict=True):
                factor = _power(_as_sequence(a, known), x)
                if factor is None or result is None:
                    return None
                result = _multiply(result, factor)
            return result
    return None


def _power(seq: Sequence | None, x: Fraction) -> Sequence | None:
    if seq is None:
        return None
    if len(seq) == 1 and len(seq[0].ratios) == 1 and seq[0].shift == 0:
        t = seq[0]
        return [Term(power(t.coefficient, num(x)), (power(t.ratios[0], num(x)),), 0)]
    if x.denominator != 1 or x < 0:
        return None
    result: Sequence | None = [Term(ONE, (ONE,), 0)]
    for _ in range(int(x)):
        if result is None:
            return None
        result = _multiply(result, seq)
    return result


def _split_linear(e: Expr, x: Expr) -> tuple[Expr, Expr] | None:
    """Write ``e = a*x + f`` with `a` and `f` free of `x`."""
    if e is x:
        return ONE, ZERO
    if x not in postorder(e):
        return ZERO, e
    match e.op:
        case "let":
            return _split_linear(e.args[0], x)
        case "add":
            slope, rest = ZERO, num(e.payload[0])
            for c, a in zip(e.payload[1:], e.args, strict=True):
                part = _split_linear(a, x)
                if part is None:
                    return None
                slope, rest = slope + num(c) * part[0], rest + num(c) * part[1]
            return slope, rest
        case "mul":
            holds = [a for a in e.args if x in postorder(a)]
            if len(holds) != 1:
                return None
            where = e.args.index(holds[0])
            if e.payload[1 + where] != 1:
                return None
            part = _split_linear(holds[0], x)
            if part is None:
                return None
            others = _without_factor(e, where)
            return mul(part[0], others), mul(part[1], others)
    return None


def _without_factor(e: Expr, without: int) -> Expr:
    """A product node without one of its factors."""
    pairs = list(zip(e.args, e.payload[1:], strict=True))
    del pairs[without]
    return mul(num(e.payload[0]), *(power(b, num(x)) for b, x in pairs))


def iterate(state: dict[str, tuple[Expr, Expr, Expr]], times: Expr) -> dict[str, Expr]:
    """Values after `times` steps.

    Args:
        state: for each name the symbol, its initial value and its update formula.
        times: number of steps, a non-negative integer, possibly symbolic.

    Returns:
        For each name a closed form where one exists, else a `recur` node.
    """
    symbols = {s: name for name, (s, _, _) in state.items()}
    known: dict[Expr, Sequence] = {}
    solved: dict[str, Expr] = {}
    progress = True
    while progress:
        progress = False
        for name, (s, initial, update) in state.items():
            needs = {n for n in postorder(update) if n in symbols} - {s}
            if name in solved or not needs <= known.keys():
                continue
            sequence = _solve(s, initial, update, known, symbols)
            if sequence is not None:
                known[s] = sequence
                solved[name] = _value(sequence, times)
                progress = True
    rest = [name for name in state if name not in solved]
    return solved | _as_recurrence(rest, state, symbols, times)


def _solve(
    s: Expr, initial: Expr, update: Expr, known: dict[Expr, Sequence], symbols: dict[Expr, str]
) -> Sequence | None:
    split = _split_linear(update, s)
    if split is None:
        return None
    slope, forcing = split
    if any(n in symbols for n in postorder(slope)):
        return None
    if slope is ZERO and forcing is initial and not any(n in symbols for n in postorder(forcing)):
        return [Term(initial, (ONE,), 0)]
    driven = _as_sequence(forcing, known)
    if driven is None:
        return None
    result = [Term(initial, (slope,), 0)] if initial is not ZERO else []
    for t in driven:
        if t.coefficient is not ZERO:
            result.append(Term(t.coefficient, (*t.ratios, slope), t.shift + 1))
    return _merge(result)


def _as_recurrence(
    names: list[str],
    state: dict[str, tuple[Expr, Expr, Expr]],
    symbols: dict[Expr, str],
    times: Expr,
) -> dict[str, Expr]:
    wanted = list(names)
    for name in wanted:
        for n in postorder(state[name][2]):
            if n in symbols and symbols[n] not in wanted:
                wanted.append(symbols[n])
    machine = Recurrence(
        tuple(state[n][0] for n in wanted), tuple(state[n][2] for n in wanted)
    )
    args = (times, *(state[n][1] for n in wanted))
    return {n: machine.output(args, wanted.index(n)) for n in names}
