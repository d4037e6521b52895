"""Exact rational values of formulas: what shapes and counts are decided with."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import isqrt
from typing import Final

from govcheck.bounds.expr import Expr
from govcheck.bounds.walk import postorder

MAX_BITS: Final = 4096


def exact(e: Expr, values: Mapping[Expr, Expr]) -> Fraction | None:
    """The value, if it is rational and found to be so by rational steps; else None."""
    known: dict[Expr, Fraction | None] = {}
    pending = [v for n in postorder(e) if (v := values.get(n)) is not None]
    for n in postorder(*pending, e):
        value = values.get(n)
        found = known[value] if value is not None else _step(n, [known[a] for a in n.args])
        known[n] = found if found is None or _size(found) <= MAX_BITS else None
    return known[e]


def _size(x: Fraction) -> int:
    return max(x.numerator.bit_length(), x.denominator.bit_length())


def _step(n: Expr, args: list[Fraction | None]) -> Fraction | None:
    if n.op == "num":
        return n.number
    a = [x for x in args if x is not None]
    if not args or len(a) < len(args):
        return None
    match n.op:
        case "add":
            total: Fraction = n.payload[0]
            for c, x in zip(n.payload[1:], a, strict=True):
                total += c * x
            return total
        case "mul":
            result: Fraction = n.payload[0]
            for x, k in zip(a, n.payload[1:], strict=True):
                factor = _power(x, k)
                if factor is None:
                    return None
                result *= factor
            return result
        case "pow":
            return _power(a[0], a[1])
        case "max":
            return max(a)
        case "min":
            return min(a)
        case "let":
            return a[0]
        case "fn":
            return abs(a[0]) if n.payload == "abs" else None
    return None


def _power(x: Fraction, k: Fraction) -> Fraction | None:
    if (x == 0 and k < 0) or (x < 0 and k.denominator != 1):
        return None
    if k.denominator > 64 or (abs(x) not in (0, 1) and _size(x) * abs(k) > MAX_BITS):
        return None
    if k.denominator == 1:
        return x ** int(k)
    top, bottom = _root(x.numerator, k.denominator), _root(x.denominator, k.denominator)
    if top is None or bottom is None:
        return None
    return Fraction(top, bottom) ** k.numerator


def _root(n: int, degree: int) -> int | None:
    """The integer whose power is n, if there is one."""
    if degree == 2:
        root = isqrt(n)
        return root if root * root == n else None
    low, high = 0, 1 << (n.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        if middle**degree <= n:
            low = middle
        else:
            high = middle - 1
    return low if low**degree == n else None
