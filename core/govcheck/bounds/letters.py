"""LaTeX of names: the papers' letters for the constants, Greek letters for Greek names.

A constant of one block carries the block as last subscript, so that ``D@repeat`` is
``D_{\\mathrm{repeat}}``; the same constant before a copy of a repeated block wears a hat.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_NAMES: Final = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
_GREEK: Final = frozenset(_NAMES.split())
_SIGNS: Final = {"star": r"\star", "max": r"\max", "min": r"\min"}

LETTERS: Final[dict[str, tuple[str, str]]] = {
    "out": ("B", ""),
    "out_spec": ("B", r"\mathrm{op}"),
    "out_max": ("B", r"\max"),
    "out_inj": (r"\sigma", r"\mathrm{out}"),
    "J": ("J", ""),
    "J_rows": ("J", r"\mathrm{row}"),
    "J_inf": ("J", r"\infty"),
    "D": ("D", ""),
    "D_rows": ("D", r"\mathrm{row}"),
    "xx": ("T", "xx"),
    "xx_inf": ("T", r"xx,\infty"),
    "xt": ("T", r"x\theta"),
    "tt": ("T", r"\theta\theta"),
    "sigma_J": (r"\sigma", "J"),
    "sigma_D": (r"\sigma", "D"),
    "sigma_skip": (r"\sigma", r"\mathrm{id}+J"),
    "lipschitz": (r"\mathrm{Lip}", r"\ell"),
    "rate": (r"\rho", ""),
    "tight_rate": (r"\rho", r"\ast"),
}
"""Letter and subscript of each quantity whose name is not its letter."""


def symbol_latex(name: str) -> str:
    """LaTeX of a symbol name: Greek letters, subscripts after the first underscore."""
    head, _, tail = name.partition("_")
    stem = head.rstrip("0123456789")
    digits = head[len(stem) :]
    if stem == "eps":
        out = r"\varepsilon"
    elif stem in _GREEK:
        out = "\\" + stem
    elif len(stem) > 1:
        out = rf"\mathrm{{{stem}}}"
    else:
        out = stem
    return out + _below(_subscript(p) for p in (digits, *tail.split("_")) if p)


def quantity_latex(quantity: str, node: str = "") -> str:
    """LaTeX of a constant, of one block if there is a node; ``rate(R)`` keeps its argument."""
    quantity, opening, argument = quantity.partition("(")
    letter, index = LETTERS.get(quantity, ("", ""))
    if not letter:
        letter, _, index = symbol_latex(quantity).partition("_{")
        index = index.removesuffix("}")
    shown = letter + _below(p for p in (index, roman(node)) if p)
    if not opening:
        return shown
    return rf"{shown}\left({symbol_latex(argument.removesuffix(')'))}\right)"


def name_latex(name: str) -> str:
    """LaTeX of the name of a shared part, such as ``J@tanh``, ``beta`` or ``beta.2``."""
    quantity, _, node = name.partition("@")
    plain, dot, copy = quantity.rpartition(".")
    if dot and copy.isdigit():
        return quantity_latex(plain, copy)
    return quantity_latex(quantity, node)


def spelled_latex(name: str) -> str:
    """LaTeX of a name letter by letter, for names whose letters are taken."""
    return roman(name)


def state_latex(quantity: str, node: str, *, squared: bool = False) -> str:
    """LaTeX of a constant before a copy of a repeated block, or of its square."""
    letter, index = LETTERS.get(quantity, (symbol_latex(quantity), ""))
    inner = f"{letter}^{{2}}" if squared else letter
    return rf"\widehat{{{inner}}}" + _below(p for p in (index, roman(node)) if p)


def roman(text: str) -> str:
    """A word in upright letters."""
    return rf"\mathrm{{{text}}}".replace("_", r"\_") if text else ""


def _below(parts: Iterable[str]) -> str:
    listed = ",".join(parts)
    return f"_{{{listed}}}" if listed else ""


def _subscript(part: str) -> str:
    if part in _GREEK:
        return "\\" + part
    if part in _SIGNS:
        return _SIGNS[part]
    return part if len(part) == 1 or part.isdigit() else rf"\mathrm{{{part}}}"
