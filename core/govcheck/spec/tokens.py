"""Words of a formula with their offsets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from govcheck.spec.names import shown

MAX_LENGTH: Final = 4000
MAX_DIGITS: Final = 400
MAX_EXPONENT: Final = 400

_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<op>\*\*|[-+*/^(),])"
)
_SPACE = re.compile(r"[ \t\r\n]*")
_INSTEAD = {
    "−": "write -", "–": "write -", "×": "write *", "·": "write *", "⋅": "write *",
    "÷": "write /", "√": "write sqrt(…)", "π": "write pi", "²": "write ^2", "³": "write ^3",
    "[": "write (…)", "]": "write (…)", "{": "write (…)", "}": "write (…)", "%": "write /100",
    "=": "a formula has no =", "_": "write numbers without _", ":": "write a plain number",
    "|": "write abs(…)",
}


class FormulaError(Exception):
    """Something wrong with a formula, `offset` characters into its text."""

    def __init__(self, code: str, message: str, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Token:
    """One word; kind is "number", "name", "op" or "end"."""

    kind: str
    text: str
    offset: int
    value: Fraction = Fraction(0)


def tokens(text: str) -> list[Token]:
    """All words of a formula and an end mark.

    Raises:
        FormulaError: at a character that belongs to no word.
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError("too-large", f"the formula has more than {MAX_LENGTH} characters", 0,
                           "use symbols for its parts")
    found: list[Token] = []
    at = _skip(text, 0)
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            c = text[at]
            raise FormulaError("formula", f"unexpected character {shown(c)} in a formula", at,
                               _INSTEAD.get(c, ""))
        kind = str(match.lastgroup)
        word = match.group()
        before = found[-1] if found else None
        if before and before.kind in ("number", "name") and kind in ("number", "name"):
            raise FormulaError("formula", f"an operator is missing before {shown(word)}", at,
                               f"write {before.text}*{word} for a product"
                               if len(before.text + word) <= 30 else "")
        value = _number(word, at) if kind == "number" else Fraction(0)
        found.append(Token(kind, word, at, value))
        at = _skip(text, match.end())
    found.append(Token("end", "", len(text.rstrip(" \t\r\n"))))
    return found


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _number(word: str, at: int) -> Fraction:
    mantissa, _, exponent = word.lower().partition("e")
    if len(mantissa) > MAX_DIGITS:
        raise FormulaError("too-large", f"a number has more than {MAX_DIGITS} digits", at)
    if len(exponent) > 10 or abs(int(exponent or "0")) > MAX_EXPONENT:
        raise FormulaError("too-large", f"the exponent of a number is beyond {MAX_EXPONENT}", at)
    return Fraction(word)
