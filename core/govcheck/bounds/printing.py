"""Plain text and LaTeX of expressions.

Shared sub-expressions that carry a name print as the name; `definitions` lists them in
an order in which each uses only earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from govcheck.bounds.expr import Enclosure, Expr, Symbol, mul, node, num
from govcheck.bounds.letters import name_latex, symbol_latex
from govcheck.bounds.walk import postorder

_SUM, _PRODUCT, _POWER, _ATOM = 1, 2, 3, 4


LONG: Final = 40
"""Characters of LaTeX from which on a factor stands behind its fraction."""
NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})


class _Style:
    """How one output language writes each construct."""

    latex = False

    def __init__(self, names: Mapping[str, str] = NO_NAMES) -> None:
        self.names = names

    def symbol(self, s: Symbol | Enclosure) -> str:
        if not self.latex:
            return s.name
        return s.latex or symbol_latex(s.name)

    def name(self, name: str) -> str:
        if not self.latex:
            return name
        return self.names.get(name) or name_latex(name)

    def constant(self, name: str) -> str:
        return {"pi": r"\pi", "e": "e"}[name] if self.latex else name

    def call(self, name: str, *args: str) -> str:
        if not self.latex:
            return f"{name}({', '.join(args)})"
        if name == "abs":
            return rf"\left|{args[0]}\right|"
        known = ("exp", "log", "tanh", "sinh", "cosh", "sin", "cos", "max", "min")
        head = f"\\{name}" if name in known else rf"\mathrm{{{name}}}"
        if name == "atan":
            head = r"\arctan"
        return rf"{head}\left({', '.join(args)}\right)"

    def paren(self, s: str) -> str:
        return rf"\left({s}\right)" if self.latex else f"({s})"

    def fraction(self, top: str, bottom: str, many_below: bool = False) -> str:
        if self.latex:
            return rf"\frac{{{top}}}{{{bottom}}}"
        return f"{top}/({bottom})" if many_below else f"{top}/{bottom}"

    def sqrt(self, s: str) -> str:
        return rf"\sqrt{{{s}}}" if self.latex else f"sqrt({s})"

    def power(self, base: str, exponent: str, simple: bool) -> str:
        if self.latex:
            return f"{base}^{{{exponent}}}"
        return f"{base}^{exponent}" if simple else f"{base}^({exponent})"

    def times(self, parts: Sequence[str]) -> str:
        return r" \, ".join(parts) if self.latex else "*".join(parts)

    def complete(self, degree: str, ratios: Sequence[str]) -> str:
        if self.latex:
            return rf"h_{{{degree}}}\left({', '.join(ratios)}\right)"
        return f"h[{degree}]({', '.join(ratios)})"


class _Latex(_Style):
    latex = True


def text(e: Expr) -> str:
    """One-line plain text."""
    return _show(e, _Style())[0]


def latex(e: Expr, names: Mapping[str, str] = NO_NAMES) -> str:
    """LaTeX for math mode.

    Args:
        e: the expression.
        names: LaTeX of names of shared parts, where it is not that of `name_latex`.
    """
    return _show(e, _Latex(names))[0]


def definitions(*roots: Expr) -> list[tuple[str, Expr]]:
    """Named sub-expressions used by `roots` with their bodies, in order of use."""
    found = [(e.payload, e.args[0]) for e in postorder(*roots) if e.op == "let"]
    return found


def recurrences(*roots: Expr) -> list[Expr]:
    """The recurrence nodes used by `roots`, innermost first."""
    return [e for e in postorder(*roots) if e.op == "recur"]


def _rational(value: Fraction, style: _Style) -> tuple[str, int]:
    if value.denominator == 1:
        return str(value.numerator), _SUM if value < 0 else _ATOM
    if style.latex:
        sign = "-" if value < 0 else ""
        return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}", (
            _SUM if value < 0 else _PRODUCT
        )
    return f"{value.numerator}/{value.denominator}", _SUM if value < 0 else _PRODUCT


def _wrap(e: Expr, style: _Style, above: int) -> str:
    shown, rank = _show(e, style)
    return shown if rank > above else style.paren(shown)


def _show(e: Expr, style: _Style) -> tuple[str, int]:
    match e.op:
        case "num":
            return _rational(e.payload, style)
        case "sym" | "enc":
            return style.symbol(e.payload), _ATOM
        case "const":
            return style.constant(e.payload), _ATOM
        case "let":
            return style.name(e.payload), _ATOM
        case "add":
            return _show_sum(e, style), _SUM
        case "mul":
            return _show_product(e, style)
        case "pow":
            return _show_power(e.args[0], _show(e.args[1], style), style), _POWER
        case "max" | "min":
            return style.call(e.op, *(_show(a, style)[0] for a in e.args)), _ATOM
        case "fn":
            return style.call(e.payload, _show(e.args[0], style)[0]), _ATOM
        case "chs":
            shown = [_show(a, style)[0] for a in e.args]
            return style.complete(shown[0], shown[1:]), _ATOM
        case "recur":
            machine, index = e.payload
            state = _show(machine.state[index], style)[0]
            times = _show(e.args[0], style)[0]
            if style.latex:
                return f"{state}^{{({times})}}", _POWER
            return f"{state}[{times}]", _ATOM
    return e.op, _ATOM


def _show_sum(e: Expr, style: _Style) -> str:
    parts: list[tuple[bool, str]] = []
    for c, t in zip(e.payload[1:], e.args, strict=True):
        shown = _wrap(mul(num(abs(c)), t), style, _SUM) if abs(c) != 1 else _wrap(t, style, _SUM)
        parts.append((c < 0, shown))
    if e.payload[0] != 0:
        constant = (e.payload[0] < 0, _rational(abs(e.payload[0]), style)[0])
        # a leading minus reads badly: 1 - delta rather than -delta + 1
        parts.insert(0 if parts[0][0] or e.payload[0] == 1 else len(parts), constant)
    positive_first = sorted(parts, key=lambda p: p[0]) if parts[0][0] else parts
    first_negative, out = positive_first[0]
    out = "-" + out if first_negative else out
    for negative, shown in positive_first[1:]:
        out += (" - " if negative else " + ") + shown
    return out


def _show_product(e: Expr, style: _Style) -> tuple[str, int]:
    const: Fraction = e.payload[0]
    top: list[Expr] = []
    bottom: list[Expr] = []
    for b, x in zip(e.args, e.payload[1:], strict=True):
        (top if x > 0 else bottom).append(_factor(b, abs(x)))
    sign = "-" if const < 0 else ""
    upper = [str(abs(const.numerator))] if abs(const.numerator) != 1 else []
    lower = [str(const.denominator)] if const.denominator != 1 else []
    rank = _SUM if sign else _PRODUCT
    if style.latex and (bottom or lower):
        return sign + _latex_fraction(upper, lower, top, bottom, style), rank
    above = [_show_factor(f, style) for f in top]
    if not bottom and not lower:
        if len(above) == 1 and not upper and not sign:
            factor = top[0]
            if factor.op == "mul" and factor.payload == (1, Fraction(1, 2)):
                return above[0], _ATOM
            return above[0], _POWER
        return sign + style.times([*upper, *above]), rank
    numerator = style.times([*upper, *above]) or "1"
    denominator = style.times([*lower, *(_show_factor(f, style) for f in bottom)])
    return sign + style.fraction(numerator, denominator, len(lower) + len(bottom) > 1), rank


def _latex_fraction(
    upper: Sequence[str], lower: Sequence[str], top: Sequence[Expr], bottom: Sequence[Expr],
    style: _Style,
) -> str:
    """A fraction with the long factors behind it, where lines can break."""
    shown = [_show_factor(f, style) for f in top]
    only = len(top) == 1 and not upper
    limit = LONG * 4 if only else LONG
    above = [f for f in shown if len(f) <= limit]
    behind = [f for f in shown if len(f) > limit]
    if only and above:
        above = [_alone(top[0], style)]
    alone = len(lower) + len(bottom) == 1
    below = [_alone(f, style) if alone else _show_factor(f, style) for f in bottom]
    fraction = style.fraction(style.times([*upper, *above]) or "1", style.times([*lower, *below]))
    return style.times([fraction, *behind])


def _alone(f: Expr, style: _Style) -> str:
    """A factor that fills a numerator or denominator needs no parentheses."""
    return _show(f, style)[0] if f.op == "add" else _show_factor(f, style)


def _factor(base: Expr, exponent: Fraction) -> Expr:
    return base if exponent == 1 else node("mul", (base,), (1, exponent))


def _show_factor(f: Expr, style: _Style) -> str:
    if f.op == "mul" and len(f.args) == 1 and f.payload[0] == 1:
        base, x = f.args[0], f.payload[1]
        if x == Fraction(1, 2):
            return style.sqrt(_show(base, style)[0])
        return _show_power(base, _rational(x, style), style)
    return _wrap(f, style, _SUM)


def _show_power(base: Expr, exponent: tuple[str, int], style: _Style) -> str:
    shown, rank = _show(base, style)
    if rank <= _POWER:
        shown = style.paren(shown)
    return style.power(shown, exponent[0], exponent[1] == _ATOM)
