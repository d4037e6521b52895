"""Any text as LaTeX for text mode that plain pdflatex sets without further packages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

SPECIAL: Final = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\ensuremath{<}", ">": r"\ensuremath{>}", "|": r"\ensuremath{|}", '"': "''",
    "≤": r"\ensuremath{\le}", "≥": r"\ensuremath{\ge}", "≠": r"\ensuremath{\neq}",
    "×": r"\ensuremath{\times}", "·": r"\ensuremath{\cdot}", "√": r"\ensuremath{\surd}",
    "∞": r"\ensuremath{\infty}", "±": r"\ensuremath{\pm}", "→": r"\ensuremath{\to}",
    "‖": r"\ensuremath{\|}", "∂": r"\ensuremath{\partial}", "∇": r"\ensuremath{\nabla}",
    "∈": r"\ensuremath{\in}", "∑": r"\ensuremath{\sum}", "−": r"\ensuremath{-}",
    "*": r"\ensuremath{*}", "–": "--", "—": "---", "…": r"\ldots{}", "‘": "`", "’": "'",
    "“": "``", "”": "''", "\N{NO-BREAK SPACE}": "~", "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}",
    "•": r"\textbullet{}", "✓": "yes", "✗": "no", "\N{ZERO WIDTH NON-JOINER}": "{}",
    "²": r"\ensuremath{^2}", "³": r"\ensuremath{^3}",
}
ACCENTS: Final = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u0304": "=",
    "\u0307": ".", "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c", "\u0328": "k",
    "\u0306": "u",
}
GREEK: Final = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
    "varsigma sigma tau upsilon varphi chi psi omega"
)
CAPITALS: Final = {"Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi",
                   "Σ": "Sigma", "Υ": "Upsilon", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega"}
SMALL: Final = {chr(0x3B1 + i): name for i, name in enumerate(GREEK.split()) if name != "omicron"}
NAME: Final = re.compile(r"\S*[_^*|=@\\]\S*")
RELATIONS: Final = {"<=": r"\ensuremath{\le}", ">=": r"\ensuremath{\ge}"}
BREAKS: Final = "_/.,*+-=@()[]:"
TYPEWRITER: Final = frozenset("\\{}^~<>|\"*-`'")
"""Signs that the typewriter font has at their ASCII places, and other fonts have not."""


def prose(text: str) -> str:
    """Text with formulas and names in typewriter letters, which may break after signs."""
    words = " ".join(text.split(" ")).replace("\n", " ")
    return "".join(_word(w) for w in re.split(r"( +)", words))


def _word(word: str) -> str:
    if word in RELATIONS:
        return RELATIONS[word]
    if not NAME.fullmatch(word) or len(word) < 2:
        return escape(word)
    lead = re.match(r"[(\[\"']*", word)
    head = word[: lead.end()] if lead else ""
    rest = word[len(head) :]
    kept = rest.rstrip(".,;:!?\"'")
    while kept.endswith(")") and kept.count(")") > kept.count("("):
        kept = kept[:-1].rstrip(".,;:")
    tail = rest[len(kept) :]
    shown = code(kept) if balanced(kept) else breakable(kept)
    return escape(head) + shown + escape(tail)


def balanced(word: str) -> bool:
    """Whether a word is a whole formula or name, not the end of one with spaces."""
    return word.count("(") == word.count(")") and word.count("|") % 2 == 0


def breakable(word: str) -> str:
    """A word as it is, which may break after signs."""
    return "".join(escape(c) + (r"\allowbreak{}" if c in BREAKS else "") for c in word)


def code(text: str) -> str:
    """A name in typewriter letters, with places to break."""
    return rf"\texttt{{{''.join(_breakable(text))}}}"


def _breakable(text: str) -> Iterator[str]:
    for c in text:
        yield rf"{{\char{ord(c)}}}" if c in TYPEWRITER else _sign(c)
        if c in BREAKS:
            yield r"\allowbreak{}"


def escape(text: str) -> str:
    """Text as it is; letters that pdflatex does not have become their code points."""
    # hyphens would join to dashes, and quotes to other quotes
    return "".join(map(_sign, re.sub(r"([-`'])(?=\1)", "\\1\N{ZERO WIDTH NON-JOINER}", text)))


def _sign(c: str) -> str:
    if c in SPECIAL:
        return SPECIAL[c]
    if c.isascii():
        return c if c.isprintable() else " "
    if c in SMALL or c in CAPITALS:
        return rf"\ensuremath{{\{SMALL.get(c) or CAPITALS[c]}}}"
    base, *marks = list(unicodedata.normalize("NFD", c))
    if base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in ACCENTS:
        letter = rf"\{base}" if base in "ij" and ACCENTS[marks[0]] not in "ck" else base
        return rf"\{ACCENTS[marks[0]]}{{{letter}}}"
    return rf"\texttt{{U+{ord(c):04X}}}"
