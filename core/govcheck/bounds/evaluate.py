"""Numeric values of expressions in ball arithmetic, so that no rounding is lost.

Every value is an enclosure: the true number lies in the ball. `upper` and `lower` turn
a ball into a decimal that is still on the safe side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any

from flint import arb, ctx, fmpq, fmpz

from govcheck.bounds.expr import Enclosure, Expr
from govcheck.bounds.walk import postorder

PRECISION = 128
MAX_STEPS = 100_000


class EvaluationError(ValueError):
    """A formula has no value at the given symbol values; the text says why."""


class ZeroDenominatorError(EvaluationError):
    """A denominator may be 0: the set reaches a point where the formula has no finite value."""


@dataclass(frozen=True)
class Missing:
    """The symbols a formula needs and was not given."""

    names: tuple[str, ...]


def ball(value: int | float | str | Fraction | arb) -> arb:
    """Exact (or, for decimal strings and fractions, enclosing) ball of a number."""
    if isinstance(value, arb):
        return value
    if isinstance(value, Fraction):
        with ctx.workprec(PRECISION):
            return arb(fmpq(value.numerator, value.denominator))
    if isinstance(value, str):
        return ball(Fraction(value))
    if isinstance(value, float) and not math.isfinite(value):
        raise EvaluationError(f"{value} is not a finite number")
    return arb(value)


def interval(low: float | Fraction, high: float | Fraction) -> arb:
    """A ball that contains ``[low, high]``."""
    return ball(low).union(ball(high))


def free_symbols(e: Expr, env: Mapping[Expr, arb]) -> list[Expr]:
    """Symbols below `e` that `env` gives no value, bound recurrence states left out."""
    bound: set[Expr] = set()
    names = []
    for n in postorder(e):
        if n.op == "recur":
            bound.update(n.payload[0].state)
        elif n.op == "sym" and n not in env:
            names.append(n)
    return [n for n in names if n not in bound]


def evaluate(e: Expr, env: Mapping[Expr, arb], memo: dict[Expr, arb] | None = None) -> arb:
    """Enclosure of the value of `e`.

    Args:
        e: the formula.
        env: a ball for each symbol.
        memo: balls of sub-expressions under the same `env`, read and extended.

    Raises:
        EvaluationError: if a symbol has no value, a root or logarithm of a negative
            number occurs, or a repeat count is not a non-negative integer.
    """
    values = {} if memo is None else memo
    old = ctx.prec
    ctx.prec = PRECISION
    try:
        return _run(e, env, values)
    finally:
        ctx.prec = old


def _run(root: Expr, env: Mapping[Expr, arb], values: dict[Expr, arb]) -> arb:
    stack: list[Expr] = [root]
    while stack:
        e = stack[-1]
        if e in values:
            stack.pop()
            continue
        pending = [a for a in e.args if a not in values]
        if pending:
            stack.extend(reversed(pending))
            continue
        values[e] = _apply(e, [values[a] for a in e.args], env, values)
        stack.pop()
    return values[root]


def _apply(e: Expr, a: list[arb], env: Mapping[Expr, arb], values: dict[Expr, arb]) -> arb:
    match e.op:
        case "num":
            return ball(e.payload)
        case "sym":
            if e not in env:
                raise EvaluationError(f"symbol {e.payload.name} has no value")
            value = env[e]
            if e.payload.nonneg and value < 0:
                raise EvaluationError(
                    f"symbol {e.payload.name} is negative, but the formula was derived for "
                    f"{e.payload.name} >= 0; analyse again with this value"
                )
            return value
        case "enc":
            known: Enclosure = e.payload
            return interval(known.low, known.high)
        case "const":
            return arb.pi() if e.payload == "pi" else arb(1).exp()
        case "add":
            total = ball(e.payload[0])
            for c, x in zip(e.payload[1:], a, strict=True):
                total += x if c == 1 else ball(c) * x
            return total
        case "mul":
            result = ball(e.payload[0])
            for x, k in zip(a, e.payload[1:], strict=True):
                result *= _rational_power(x, k, e)
            return result
        case "pow":
            return _power(a[0], a[1], e)
        case "max":
            return _fold(a, lambda x, y: x.max(y))
        case "min":
            return _fold(a, lambda x, y: x.min(y))
        case "fn":
            return _function(e.payload, a[0], e)
        case "let":
            return a[0]
        case "chs":
            return _complete_symmetric(_count(a[0], e), a[1:])
        case "recur":
            return _recurrence(e, a, env, values)
    raise AssertionError(f"unknown operator {e.op}")


def _fold(a: list[arb], f: Any) -> arb:
    result = a[0]
    for x in a[1:]:
        result = f(result, x)
    return result


def _rational_power(x: arb, k: Fraction, e: Expr) -> arb:
    if k == 1:
        return x
    if k.denominator == 1:
        result = _integer_power(x, int(k))
    else:
        if x < 0:
            raise EvaluationError(f"root of a negative number in {e!r}")
        result = _integer_power(_root(x, k.denominator), int(k.numerator))
    if not result.is_finite():
        raise ZeroDenominatorError(f"division by zero in {e!r}")
    return result


def _integer_power(x: arb, n: int) -> arb:
    """By squaring: flint's own power is nan for a ball around 0 with a positive radius."""
    if n < 0:
        return 1 / _integer_power(x, -n)
    result = arb(1)
    while n:
        if n & 1:
            result *= x
        n >>= 1
        if n:
            x = x * x
    return result


def _root(x: arb, degree: int) -> arb:
    if x > 0:
        return x.sqrt() if degree == 2 else x.root(degree)
    # a ball that straddles 0 stands for a number proven to be non-negative
    top = x.upper()
    return arb(0).union(top.sqrt() if degree == 2 else top.root(degree))


def _power(base: arb, exponent: arb, e: Expr) -> arb:
    n = exponent.unique_fmpz()
    if n is not None:
        if n < 0 and base.contains(0):
            raise ZeroDenominatorError(f"division by zero in {e!r}")
        return _integer_power(base, int(n))
    if base < 0:
        raise EvaluationError(f"{e!r}: a negative base needs an integer exponent")
    return base.max(arb(0)) ** exponent


def _function(name: str, x: arb, e: Expr) -> arb:
    if name == "abs":
        return abs(x)
    if name == "log" and not x > 0:
        raise EvaluationError(f"logarithm of a number that is not positive in {e!r}")
    result: arb = getattr(x, name)()
    return result


def _count(x: arb, e: Expr) -> int:
    n = x.unique_fmpz()
    if n is None or not x.is_exact():
        raise EvaluationError(f"a repeat count must be an integer, not {x} (in {e.op})")
    if n > MAX_STEPS:
        raise EvaluationError(f"a repeat count of {n} is above the limit of {MAX_STEPS}")
    return int(n)


def _complete_symmetric(degree: int, ratios: list[arb]) -> arb:
    """Sum of all monomials of this degree; 0 for a negative degree."""
    if degree < 0:
        return arb(0)
    row = [arb(1)] + [arb(0)] * degree
    for r in ratios:
        for k in range(1, degree + 1):
            row[k] += r * row[k - 1]
    return row[degree]


def _recurrence(e: Expr, a: list[arb], env: Mapping[Expr, arb], values: dict[Expr, arb]) -> arb:
    machine, index = e.payload
    steps = _count(a[0], e)
    if steps < 0:
        raise EvaluationError(f"a repeat count must not be negative, got {steps}")
    outputs = [machine.output(e.args, i) for i in range(len(machine.state))]
    balls = list(a[1:])
    moving = machine.depends_on_state()
    # what does not change from step to step is evaluated once
    fixed: dict[Expr, arb] = {}
    for _ in range(steps):
        inner = {**env, **dict(zip(machine.state, balls, strict=True))}
        memo = dict(fixed)
        balls = [_run(u, inner, memo) for u in machine.update]
        fixed = fixed or {n: v for n, v in memo.items() if n not in moving}
    # all states come out of one run; the others will be asked for as well
    values.update(zip(outputs, balls, strict=True))
    return values[outputs[index]]


def upper(x: arb, digits: int = 6) -> Decimal:
    """A decimal with `digits` significant digits that is at least every point of the ball."""
    return _outward(x.upper(), digits, up=True)


def lower(x: arb, digits: int = 6) -> Decimal:
    """A decimal with `digits` significant digits that is at most every point of the ball."""
    return _outward(x.lower(), digits, up=False)


def _outward(x: arb, digits: int, *, up: bool) -> Decimal:
    if not x.is_finite():
        return Decimal("Infinity") if up else Decimal("-Infinity")
    man, exp = x.mid().man_exp()
    mode = ROUND_CEILING if up else ROUND_FLOOR
    wide = Context(prec=60, rounding=mode, Emax=10**15, Emin=-(10**15))
    final = Context(prec=digits, rounding=mode, Emax=10**15, Emin=-(10**15))
    if fmpz(man) == 0:
        return Decimal(0)
    if abs(int(exp)) <= 4096:
        # both integers are exact and division rounds once, in the right direction
        top, bottom = int(man) << max(0, int(exp)), 1 << max(0, -int(exp))
        return final.divide(Decimal(top), Decimal(bottom))
    scale = wide.power(Decimal(2), Decimal(int(exp)))
    product = wide.multiply(Decimal(int(man)), scale)
    # Decimal's power may be off by one unit in the 60th digit in either direction
    slack = wide.multiply(abs(product), Decimal("1e-55"))
    return final.plus(wide.add(product, slack if up else -slack))
