"""Closed-form expressions as an interned DAG.

A bound of a deep network is a formula in which the bound of the network one layer
shorter occurs several times. Written out as a tree it explodes; here equal
sub-expressions are one object, and a `let` node gives a sub-expression a name which
stands for it when the formula is printed. All values are real numbers.

Sums are stored as ``c0 + sum(ci * ti)`` and products as ``c * prod(bi ** ei)`` with
rational coefficients and exponents, which is all the simplification that the bound
calculus needs: like terms merge, ``sqrt(x)**2`` is ``x``, and ``sqrt(x**2)`` is ``x``
where ``x`` is known to be non-negative and ``abs(x)`` elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Union
from weakref import WeakValueDictionary

Number = Union[int, Fraction]
ExprLike = Union["Expr", int, Fraction]


@dataclass(frozen=True)
class Symbol:
    """A named real number.

    Args:
        name: plain-text name, such as ``eps`` or ``lambda_0``.
        meaning: one phrase for the notation table.
        latex: LaTeX form; derived from the name when empty.
        nonneg: whether simplification may use that the value is at least 0.
    """

    name: str
    meaning: str = ""
    latex: str = ""
    nonneg: bool = True


@dataclass(frozen=True)
class Enclosure:
    """A real constant without a short closed form, known to lie in ``[low, high]``."""

    name: str
    low: Fraction
    high: Fraction
    latex: str = ""


class Expr:
    """A node of the expression DAG; structurally equal nodes are the same object."""

    __slots__ = ("__weakref__", "args", "nonneg", "op", "payload", "size")

    op: str
    args: tuple[Expr, ...]
    payload: Any
    nonneg: bool
    size: int

    def __add__(self, other: ExprLike) -> Expr:
        return add(self, as_expr(other))

    __radd__ = __add__

    def __mul__(self, other: ExprLike) -> Expr:
        return mul(self, as_expr(other))

    __rmul__ = __mul__

    def __neg__(self) -> Expr:
        return mul(num(-1), self)

    def __sub__(self, other: ExprLike) -> Expr:
        return add(self, -as_expr(other))

    def __rsub__(self, other: ExprLike) -> Expr:
        return add(as_expr(other), -self)

    def __truediv__(self, other: ExprLike) -> Expr:
        return mul(self, power(as_expr(other), Fraction(-1)))

    def __rtruediv__(self, other: ExprLike) -> Expr:
        return mul(as_expr(other), power(self, Fraction(-1)))

    def __pow__(self, exponent: ExprLike) -> Expr:
        return power(self, exponent)

    def __repr__(self) -> str:
        from govcheck.bounds.printing import text

        return text(self)

    def __reduce__(self) -> tuple[Callable[..., Expr], tuple[Any, ...]]:
        return node, (self.op, self.args, self.payload)

    @property
    def is_number(self) -> bool:
        """Whether this node is a rational number."""
        return self.op == "num"

    @property
    def number(self) -> Fraction:
        """The value of a rational node."""
        if self.op != "num":
            raise ValueError(f"{self!r} is not a rational number")
        return Fraction(self.payload)


_TABLE: Final[WeakValueDictionary[tuple[Any, ...], Expr]] = WeakValueDictionary()


def node(op: str, args: tuple[Expr, ...], payload: Any = None) -> Expr:
    """Return the one node with this operator, payload and arguments."""
    key = _key(op, args, payload)
    found = _TABLE.get(key)
    if found is not None:
        return found
    made = object.__new__(Expr)
    made.op, made.args, made.payload = op, args, payload
    made.size = 1 if op == "let" else 1 + sum(a.size for a in args) + _words(op, payload)
    made.nonneg = _is_nonneg(made)
    _TABLE[key] = made
    return made


def _words(op: str, payload: Any) -> int:
    """64-bit words of the numbers of a node beyond the first of each.

    They count as size, so that `let` ends a product of very many rational factors: its digits
    would grow with each.
    """
    if op == "num":
        return _words_of(payload)
    return sum(map(_words_of, payload)) if op in ("add", "mul") else 0


def _words_of(value: Number) -> int:
    if type(value) is int:
        return value.bit_length() // 64
    return (value.numerator.bit_length() + value.denominator.bit_length()) // 64


def _key(op: str, args: tuple[Expr, ...], payload: Any) -> tuple[Any, ...]:
    """Equal for formulas that differ in the order of summands or factors only."""
    if op in ("max", "min"):
        return op, *sorted(args, key=id)
    if op not in ("add", "mul"):
        return op, payload, args
    if len(args) == 1:
        return op, *payload, args[0]
    # flat, for there are many; the node keeps its arguments, so their identities last
    places = sorted(range(len(args)), key=lambda i: id(args[i]))
    return op, payload[0], *[args[i] for i in places], *[payload[i + 1] for i in places]


def _is_nonneg(e: Expr) -> bool:
    match e.op:
        case "num":
            return bool(e.payload >= 0)
        case "sym":
            return bool(e.payload.nonneg)
        case "enc":
            return bool(e.payload.low >= 0)
        case "const":
            return True
        case "add":
            return all(c >= 0 for c in e.payload) and all(a.nonneg for a in e.args)
        case "mul":
            return e.payload[0] >= 0 and all(
                a.nonneg or (x.denominator == 1 and x % 2 == 0)
                for a, x in zip(e.args, e.payload[1:], strict=True)
            )
        case "max":
            return any(a.nonneg for a in e.args)
        case "min" | "let" | "chs":
            return all(a.nonneg for a in e.args[1 if e.op == "chs" else 0 :])
        case "pow":
            return e.args[0].nonneg
        case "fn":
            return e.payload in ("exp", "abs", "cosh") or (
                e.payload in ("erf", "tanh", "atan", "sinh") and e.args[0].nonneg
            ) or (e.payload == "log" and e.args[0].op == "num" and e.args[0].payload >= 1)
        case "recur":
            return True
    return False


def _short(value: Number) -> Number:
    """The same number as an int where it is one; hashing a Fraction is slow."""
    return value.numerator if value.denominator == 1 else value


def _integer_power(value: Number, k: int) -> Number:
    return value**k if k >= 0 and isinstance(value, int) else _short(Fraction(value) ** k)


def num(value: Number | str) -> Expr:
    """A rational constant."""
    if type(value) is not int:
        value = _short(Fraction(value))
    return node("num", (), value)


ZERO: Final = num(0)
ONE: Final = num(1)
PI: Final = node("const", (), "pi")
E: Final = node("const", (), "e")


def as_expr(value: ExprLike) -> Expr:
    """Turn an int or Fraction into an expression; floats are refused, being inexact."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, int | Fraction):
        return num(value)
    raise TypeError(
        f"{value!r} is a {type(value).__name__}; a formula takes int, Fraction or Expr "
        "(write Fraction('0.1') rather than 0.1)"
    )


def sym(name: str, meaning: str = "", *, latex: str = "", nonneg: bool = True) -> Expr:
    """A named real symbol, assumed non-negative unless said otherwise."""
    return node("sym", (), Symbol(name, meaning, latex, nonneg))


def enclosed(name: str, low: str, high: str, latex: str = "") -> Expr:
    """A constant known only by a proven enclosure, given as two decimal strings."""
    lo, hi = Fraction(low), Fraction(high)
    if lo > hi:
        raise ValueError(f"enclosure of {name}: {low} > {high}")
    return node("enc", (), Enclosure(name, lo, hi, latex))


def let(name: str, body: ExprLike, *, at_least: int = 16) -> Expr:
    """Name `body`, so that formulas print the name; small bodies stay as they are."""
    e = as_expr(body)
    if e.size < at_least or e.op == "let":
        return e
    return node("let", (e,), name)


def add(*terms: ExprLike) -> Expr:
    """Sum with like terms merged."""
    const: Number = 0
    coeff: dict[Expr, Number] = {}
    for raw in terms:
        for c, t in _terms(as_expr(raw)):
            # nothing is added to 0 where that can be seen: Fraction does so slowly
            if t is ONE:
                const = const + c if const else c
            else:
                coeff[t] = coeff[t] + c if t in coeff else c
    kept = [(t, c) for t, c in coeff.items() if c != 0]
    if not kept:
        return num(const)
    if len(kept) == 1 and const == 0:
        return mul(num(kept[0][1]), kept[0][0])
    coefficients = (_short(const), *(_short(c) for _, c in kept))
    return node("add", tuple(t for t, _ in kept), coefficients)


def _terms(e: Expr) -> Iterator[tuple[Number, Expr]]:
    if e.op == "num":
        yield e.payload, ONE
    elif e.op == "add":
        yield e.payload[0], ONE
        yield from zip(e.payload[1:], e.args, strict=True)
    elif e.op == "mul" and e.payload[0] != 1:
        yield e.payload[0], _product(1, dict(zip(e.args, e.payload[1:], strict=True)))
    else:
        yield 1, e


def mul(*factors: ExprLike) -> Expr:
    """Product with equal bases merged; a rational factor is distributed over one sum."""
    const: Number = 1
    powers: dict[Expr, Number] = {}
    for raw in factors:
        e = as_expr(raw)
        if e.op == "num":
            const = _times(const, e.payload)
        elif e.op == "mul":
            const = _times(const, e.payload[0])
            for b, x in zip(e.args, e.payload[1:], strict=True):
                powers[b] = powers[b] + x if b in powers else x
        else:
            powers[e] = powers.get(e, 0) + 1
    return _product(const, powers)


def _times(a: Number, b: Number) -> Number:
    if a == 1:
        return b
    return a if b == 1 else a * b


def _product(const: Number, powers: dict[Expr, Number]) -> Expr:
    if const == 0:
        return ZERO
    kept: dict[Expr, Number] = {}
    for b, x in powers.items():
        if x == 0:
            continue
        if b.op == "num" and x.denominator == 1:
            const *= _integer_power(b.payload, int(x))
        elif b.op == "pow" and x != 1 and (b.args[0].nonneg or x.denominator == 1):
            merged = power(b.args[0], b.args[1] * x)
            kept[merged] = kept.get(merged, 0) + 1
        elif b.op == "fn" and b.payload == "abs" and x.denominator == 1 and x % 2 == 0:
            kept[b.args[0]] = kept.get(b.args[0], 0) + x
        else:
            kept[b] = kept[b] + x if b in kept else x
    kept = {b: x for b, x in kept.items() if x != 0}
    if not kept:
        return num(const)
    if len(kept) == 1:
        ((b, x),) = kept.items()
        if x == 1 and const == 1:
            return b
        if x == 1 and b.op == "add":
            return node("add", b.args, tuple(_short(const * c) for c in b.payload))
    return node("mul", tuple(kept), (_short(const), *map(_short, kept.values())))


def power(base: ExprLike, exponent: ExprLike) -> Expr:
    """Power; a rational exponent is carried into products of non-negative factors.

    Raises:
        ZeroDivisionError: for a negative power of the number 0.
    """
    b, x = as_expr(base), as_expr(exponent)
    if x.op != "num":
        if b is ONE or b is ZERO:
            # 0 ** 0 is 1, which only the value of the exponent decides
            return ONE if b is ONE else node("pow", (b, x))
        if b.op == "mul" and len(b.args) == 1 and b.payload[0] == 1 and b.args[0].nonneg:
            return node("pow", (b.args[0], mul(num(b.payload[1]), x)))
        return node("pow", (b, x))
    return _rational_power(b, x.payload)


def _rational_power(b: Expr, x: Number) -> Expr:
    if x == 0:
        return ONE
    if x == 1:
        return b
    if b.op == "num":
        return _number_power(b.payload, x)
    if b.op == "fn" and b.payload == "abs" and x.denominator == 1 and x % 2 == 0:
        return power(b.args[0], num(x))
    if b.op == "pow" and (b.args[0].nonneg or x.denominator == 1):
        return power(b.args[0], b.args[1] * x)
    if b.op == "mul":
        const, exponents = b.payload[0], b.payload[1:]
        if x.denominator == 1:
            powers = {a: e * x for a, e in zip(b.args, exponents, strict=True)}
            return _product(_integer_power(const, int(x)), powers)
        if const > 0:
            inside: dict[Expr, Number] = {}
            outside: list[Expr] = [_number_power(const, x)]
            for a, e in zip(b.args, exponents, strict=True):
                if a.nonneg:
                    outside.append(_product(1, {a: e * x}))
                elif e.denominator == 1 and e % 2 == 0:
                    outside.append(_product(1, {absolute(a): e * x}))
                else:
                    inside[a] = e
            if inside:
                outside.append(node("mul", (_product(1, inside),), (1, x)))
            return mul(*outside)
    return node("mul", (b,), (1, x))


def _number_power(value: Number, x: Number) -> Expr:
    if x.denominator == 1:
        return num(_integer_power(value, int(x)))
    if value < 0:
        raise ValueError(f"{value} ** {x} is not a real number")
    if value == 0:
        if x < 0:
            raise ZeroDivisionError("0 to a negative power")
        return ZERO
    root = Fraction(1)
    left = Fraction(1)
    if x.denominator == 2:
        for part, sign in ((value.numerator, 1), (value.denominator, -1)):
            square, rest = _square_part(part)
            root *= Fraction(square) ** sign
            left *= Fraction(rest) ** sign
        # sqrt(p/q) = sqrt(p*q)/q keeps one integer below the root
        whole = Fraction(left.numerator * left.denominator)
        outer = num((root / left.denominator) ** x.numerator)
        if whole == 1:
            return outer
        inner_power = Fraction(x.numerator, 2)
        whole_part = inner_power.numerator // 2
        return mul(outer, num(whole**whole_part), node(
            "mul", (num(whole),), (1, inner_power - whole_part)))
    return node("mul", (num(value),), (1, x))


def _square_part(n: int) -> tuple[int, int]:
    """Write ``n = s**2 * r``, pulling out squares of primes below 1000."""
    from math import isqrt

    if isqrt(n) ** 2 == n:
        return isqrt(n), 1
    s = 1
    for p in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        while n % (p * p) == 0:
            n //= p * p
            s *= p
    if isqrt(n) ** 2 == n:
        return s * isqrt(n), 1
    return s, n


def sqrt(e: ExprLike) -> Expr:
    """Square root."""
    return power(e, Fraction(1, 2))


def root_sum_square(*values: ExprLike) -> Expr:
    """Square root of a sum of squares; a single non-zero entry comes back unchanged."""
    kept = [v for v in map(as_expr, values) if v is not ZERO]
    if not kept:
        return ZERO
    if len(kept) == 1:
        return absolute(kept[0])
    return sqrt(add(*(power(v, 2) for v in kept)))


def absolute(e: ExprLike) -> Expr:
    """Absolute value, carried into products."""
    x = as_expr(e)
    if x.nonneg:
        return x
    if x.op == "num":
        return num(abs(x.payload))
    if x.op == "mul":
        parts = [num(abs(x.payload[0]))]
        for b, k in zip(x.args, x.payload[1:], strict=True):
            if k.denominator == 1:
                parts.append(_product(1, {absolute(b): k}))
            else:
                parts.append(_product(1, {b: k}))
        return mul(*parts)
    if (-x).nonneg:
        return -x
    return node("fn", (x,), "abs")


FUNCTIONS: Final = ("exp", "log", "erf", "tanh", "sinh", "cosh", "atan", "sin", "cos", "abs")


def function(name: str, arg: ExprLike) -> Expr:
    """One of the elementary functions in `FUNCTIONS`."""
    x = as_expr(arg)
    if name == "abs":
        return absolute(x)
    if name not in FUNCTIONS:
        raise ValueError(f"no function {name!r}; there are {', '.join(FUNCTIONS)}")
    if x is ZERO and name in ("erf", "tanh", "sinh", "atan", "sin"):
        return ZERO
    if x is ZERO and name in ("exp", "cosh", "cos"):
        return ONE
    if x is ONE and name == "exp":
        return E
    return node("fn", (x,), name)


def maximum(*values: ExprLike) -> Expr:
    """Largest value; numbers are folded and repetitions dropped."""
    return _extremum("max", values)


def minimum(*values: ExprLike) -> Expr:
    """Smallest value; numbers are folded and repetitions dropped."""
    return _extremum("min", values)


def _extremum(op: str, values: Iterable[ExprLike]) -> Expr:
    pick = max if op == "max" else min
    flat: dict[Expr, None] = {}
    for v in map(as_expr, values):
        for a in v.args if v.op == op else (v,):
            flat[a] = None
    numbers = [a.payload for a in flat if a.op == "num"]
    rest = [a for a in flat if a.op != "num"]
    if numbers:
        bound = pick(numbers)
        if op == "max" and bound <= 0 and any(a.nonneg for a in rest):
            pass
        elif op == "min" and bound == 0 and all(a.nonneg for a in rest):
            return ZERO
        else:
            rest.append(num(bound))
    if len(rest) == 1:
        return rest[0]
    if not rest:
        raise ValueError(f"{op} of nothing")
    return node(op, tuple(rest))


def largest_eigenvalue(p: ExprLike, q: ExprLike, r: ExprLike) -> Expr:
    """Largest eigenvalue of the symmetric matrix ``[[p, q], [q, r]]``."""
    a, b, c = as_expr(p), as_expr(q), as_expr(r)
    if b is ZERO:
        return maximum(a, c)
    if a is c:
        return add(a, absolute(b))
    gap = sqrt(add(power(a - c, 2), 4 * power(b, 2)))
    return Fraction(1, 2) * (a + c + gap)
