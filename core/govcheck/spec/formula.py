"""The grammar of formulas: text to `Expr`, with the offset of whatever is wrong.

    sum     = product {("+" | "-") product}
    product = sign {("*" | "/") sign}
    sign    = {"+" | "-"} power
    power   = atom [("^" | "**") sign]
    atom    = number | symbol | "pi" | "e" | function "(" sum {"," sum} ")" | "(" sum ")"
            | "c_sigma" "(" activation ")"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final

from govcheck.bounds.answer import Unknown, Value
from govcheck.bounds.evaluate import EvaluationError, evaluate
from govcheck.bounds.expr import (
    PI,
    ZERO,
    E,
    Expr,
    add,
    function,
    maximum,
    minimum,
    mul,
    num,
    power,
)
from govcheck.bounds.walk import symbols_of
from govcheck.spec.names import FUNCTIONS, NORMALISATION, SAMPLES, shown, suggest
from govcheck.spec.tokens import FormulaError, Token, tokens

Normalisation = Callable[[str], Value]

MAX_DEPTH: Final = 50
MAX_BITS: Final = 16_384
MAX_POWER: Final = 10**6


def parse_formula(
    text: str, symbols: Mapping[str, Expr], normalisation: Normalisation | None = None
) -> Expr:
    """Read a formula in the given symbols; numbers are exact.

    Args:
        text: the formula.
        symbols: by name.
        normalisation: gives ``c_sigma(NAME)`` for the name of an activation and raises KeyError
            for others; without it formulas do not have this constant.

    Raises:
        FormulaError: with the offset of the first thing wrong.
    """
    return _Parser(text, symbols, normalisation).whole()


class _Parser:
    def __init__(
        self, text: str, symbols: Mapping[str, Expr], normalisation: Normalisation | None
    ) -> None:
        self.normalisation = normalisation
        self.words = tokens(text)
        self.next = 0
        self.symbols = symbols
        self.depth = 0
        self.bits = 0

    @property
    def word(self) -> Token:
        return self.words[self.next]

    def take(self) -> Token:
        word = self.words[self.next]
        self.next += 1
        return word

    def whole(self) -> Expr:
        if self.word.kind == "end":
            raise FormulaError("formula", "a formula is expected here", 0,
                               "write a number such as 1/10, or a formula of declared symbols")
        result = self.sum()
        if self.word.kind != "end":
            raise self.unexpected()
        return result

    def unexpected(self) -> FormulaError:
        word = self.word
        if word.kind == "end":
            return FormulaError("formula", "the formula ends too early", word.offset)
        hint = "a '(' is missing before it" if word.text == ")" else ""
        return FormulaError("formula", f"unexpected {shown(word.text)} in a formula",
                            word.offset, hint)

    def spend(self, bits: int, offset: int) -> None:
        self.bits += bits
        if self.bits > MAX_BITS:
            raise FormulaError("too-large", "the numbers of this formula are too large", offset,
                               "use smaller powers, or a symbol")

    def deeper(self, offset: int) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FormulaError("too-deep", f"the formula is nested deeper than {MAX_DEPTH} levels",
                               offset, "use symbols for its parts")

    def sum(self) -> Expr:
        terms = [self.product()]
        while self.word.text in ("+", "-"):
            minus = self.take().text == "-"
            term = self.product()
            terms.append(-term if minus else term)
        return terms[0] if len(terms) == 1 else add(*terms)

    def product(self) -> Expr:
        first = self.word.offset
        factors = [self.sign()]
        while self.word.text in ("*", "/"):
            divide = self.take().text == "/"
            offset = self.word.offset
            factor = self.sign()
            factors.append(self.raise_to(factor, num(-1), offset) if divide else factor)
        return factors[0] if len(factors) == 1 else _in_range(mul(*factors), first)

    def sign(self) -> Expr:
        minus = False
        while self.word.text in ("+", "-"):
            minus ^= self.take().text == "-"
        value = self.power()
        return -value if minus else value

    def power(self) -> Expr:
        offset = self.word.offset
        base = self.atom()
        if self.word.text not in ("^", "**"):
            return base
        self.deeper(self.take().offset)
        exponent = self.sign()
        self.depth -= 1
        return self.raise_to(base, exponent, offset)

    def raise_to(self, base: Expr, exponent: Expr, offset: int) -> Expr:
        """Power with every number kept within the budget; `offset` is the base's."""
        if exponent.is_number:
            x = exponent.number
            if abs(x.numerator) > MAX_POWER or x.denominator > MAX_POWER:
                raise FormulaError("too-large", f"exponents are limited to {MAX_POWER}", offset)
            self.spend(int(_bits(base) * max(abs(x), Fraction(1))), offset)
            if x < 0 and _may_vanish(base):
                raise FormulaError("division-by-zero", "division by zero", offset)
            if x.denominator != 1 and _sign(base) < 0:
                what = "square root" if x.denominator == 2 else "root"
                raise FormulaError("not-real", f"{what} of a negative number", offset)
        return _in_range(power(base, exponent), offset)

    def atom(self) -> Expr:
        word = self.word
        if word.kind == "number":
            self.take()
            value = word.value
            self.spend(max(value.numerator.bit_length(), value.denominator.bit_length()),
                       word.offset)
            return num(value)
        if word.kind == "name":
            self.take()
            return self.call(word) if self.word.text == "(" else self.named(word)
        if word.text == "(":
            (inside,) = self.arguments(word, single=True)
            return inside
        raise self.unexpected()

    def named(self, word: Token) -> Expr:
        found = self.symbols.get(word.text)
        if found is not None:
            return found
        if word.text == "pi":
            return PI
        if word.text == "e":
            return E
        if word.text in FUNCTIONS:
            raise FormulaError("formula", f"{word.text} needs an argument in parentheses",
                               word.offset, f"write {word.text}(…)")
        if word.text == SAMPLES:
            raise FormulaError("undeclared-symbol",
                               "N is the number of samples, which formulas of a file cannot use",
                               word.offset, "declare a symbol of another name under symbols")
        raise FormulaError("undeclared-symbol", f"symbol {shown(word.text)} is not declared",
                           word.offset, _declare(word.text, self.symbols))

    def call(self, word: Token) -> Expr:
        name = word.text
        if name == NORMALISATION and name not in self.symbols and self.normalisation is not None:
            return self.normalised(self.normalisation)
        if name not in FUNCTIONS:
            if name in self.symbols or name in ("pi", "e"):
                raise FormulaError("formula", f"an operator is missing after {shown(name)}",
                                   self.word.offset, f"write {shown(name)[1:-1]}*(…)")
            raise FormulaError("formula", f"there is no function {shown(name)}", word.offset,
                               suggest(name, FUNCTIONS, "functions"))
        opening = self.word
        several = name in ("min", "max")
        args = self.arguments(opening, single=not several)
        if name == "max":
            return maximum(*args)
        if name == "min":
            return minimum(*args)
        inside = opening.offset + 1
        if name == "sqrt":
            return self.raise_to(args[0], num(Fraction(1, 2)), inside)
        if name == "log" and (_sign(args[0]) < 0 or _may_vanish(args[0])):
            raise FormulaError("not-real", "logarithm of a number that is not positive", inside)
        return function(name, args[0])

    def normalised(self, find: Normalisation) -> Expr:
        """The name of an activation in parentheses."""
        opening, word = self.take(), self.take()
        if word.kind != "name":
            raise FormulaError("formula", f"{NORMALISATION} takes the name of an activation",
                               word.offset, f"write {NORMALISATION}(tanh)")
        try:
            found = find(word.text)
        except KeyError:
            raise FormulaError("formula", f"there is no activation {shown(word.text)}",
                               word.offset, f"write {NORMALISATION}(tanh)") from None
        if isinstance(found, Unknown):
            raise FormulaError("no-value", found.reason, word.offset,
                               "write its value as a number")
        if self.word.kind == "end":
            raise FormulaError("formula", "this '(' is not closed", opening.offset)
        if self.word.text != ")":
            raise self.unexpected()
        self.take()
        return found

    def arguments(self, opening: Token, *, single: bool) -> list[Expr]:
        self.deeper(opening.offset)
        self.take()
        args = [self.sum()]
        while self.word.text == "," and not single:
            self.take()
            args.append(self.sum())
        if self.word.kind == "end":
            raise FormulaError("formula", "this '(' is not closed", opening.offset,
                               'add \')\'; inside { } or [ ] of YAML a formula with a comma '
                               'needs quotes: "max(a, b)"')
        if self.word.text != ")":
            raise self.unexpected()
        self.take()
        self.depth -= 1
        return args


def _declare(name: str, symbols: Mapping[str, Expr]) -> str:
    if symbols:
        near = suggest(name, symbols, "symbols")
        if near.startswith("did"):
            return f"{near} otherwise declare it under symbols"
    return f"declare it under symbols, as in symbols: {{{name[:30]}: null}}"


def _bits(e: Expr) -> int:
    """Size of the numbers that a power of `e` would raise."""
    if e.op == "num":
        # 1 and -1 stay small in every power
        size = max(abs(e.number.numerator), e.number.denominator)
        return size.bit_length() if size > 1 else 0
    if e.op == "mul":
        inside = sum(
            _bits(b) * abs(x) for b, x in zip(e.args, e.payload[1:], strict=True) if b.op == "num"
        )
        return _bits(num(e.payload[0])) + int(inside) + 1
    return 0


def _in_range(e: Expr, offset: int) -> Expr:
    if e.op == "mul" and any(
        abs(x.numerator) > MAX_POWER or x.denominator > MAX_POWER for x in e.payload[1:]
    ):
        raise FormulaError("too-large", f"exponents are limited to {MAX_POWER}", offset)
    return e


def _sign(e: Expr) -> int:
    """-1 or 1 for a constant of that sign, 0 for anything else."""
    if e.is_number:
        return (e.number > 0) - (e.number < 0)
    if e.nonneg or symbols_of(e):
        return 0
    try:
        value = evaluate(e, {})
    except EvaluationError:
        return 0
    return int(value > 0) - int(value < 0)


def _may_vanish(e: Expr) -> bool:
    """Whether a constant is 0, or too near to it to tell; False for formulas of symbols."""
    if e.is_number:
        return e is ZERO
    if symbols_of(e):
        return False
    try:
        return bool(evaluate(e, {}).contains(0))
    except EvaluationError:
        return False
