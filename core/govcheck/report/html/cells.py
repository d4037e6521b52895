"""What single places of a page show, with where in the document each number stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from govcheck.report.html.mathml import mathml

Json = dict[str, Any]

SIGN: Final = {"upper": "\u2264", "lower": "\u2265"}
LONGEST: Final = 6000
"""LaTeX beyond this is not shown: nobody reads it, and the page would grow by megabytes."""

NORMS: Final = {
    "out": r"\|Z\|_{F}",
    "out_spec": r"\|Z\|_{2}",
    "out_inj": r"\min_{\left|v\right| = 1} \left|Z v\right|",
    "out_max": r"\max_{i} \|z_{i}\|",
    "J": r"\|\partial_x F\|_{2 \to 2}",
    "D": r"\|\partial_\theta F\|_{2 \to 2}",
    "xx": r"\|\partial_x^{2} F\|_{2 \times 2 \to 2}",
    "xt": r"\|\partial_x \partial_\theta F\|_{2 \times 2 \to 2}",
    "tt": r"\|\partial_\theta^{2} F\|_{2 \times 2 \to 2}",
    "sigma_J": r"\sigma(\partial_x F)",
    "sigma_D": r"\sigma(\partial_\theta F)",
    "alpha": r"\ell",
    "Gamma_1": r"\|\nabla \gamma\|_{2}",
    "Gamma_2": r"\|\nabla^{2} \gamma\|_{2 \to 2}",
    "beta": r"\|\nabla^{2} \ell\|_{2 \to 2}",
    "lipschitz": r"\|\nabla \ell\|_{2}",
    "mu": r"\|\nabla \ell\|_{2}^{2} / (\ell - \inf \, \ell)",
    "mu_gamma": r"\|\nabla \gamma\|_{2}^{2} / (\gamma - \inf \, \gamma)",
    "kappa_gamma": r"\|\nabla \gamma\|_{2} / \gamma",
}
"""What each constant bounds. Z are the outputs of all samples, F is the network as a map of all
inputs x and parameters theta, gamma the cost, l the loss."""


@dataclass(frozen=True)
class Cell:
    """One answer in a table.

    Args:
        kind: ``value``, ``formula``, ``unknown`` or ``none``.
        text: the number as the document has it, or words.
        at: JSON pointer to the number.
        math: a short formula.
        hint: more words.
        anchor: where the page has the formula.
    """

    kind: str
    text: str = ""
    at: str = ""
    math: Markup | None = None
    hint: str = ""
    anchor: str = ""


def prose(text: str) -> str:
    """Words of the document with the signs that print has for them."""
    return text.replace(" <= ", " \u2264 ").replace(" >= ", " \u2265 ")


def cell(answer: Json | None, at: str, room: int = 40, anchor: str = "") -> Cell:
    """An answer as a table shows it.

    Args:
        answer: of the document; None if there is none.
        at: JSON pointer to it.
        room: length of LaTeX up to which a formula without value is written out.
        anchor: where the page has the formula.
    """
    if answer is None:
        return Cell("none", "\u2013")
    if answer["unknown"] is not None:
        return Cell("unknown", "unknown", hint=answer["unknown"]["reason"])
    if answer["value"] is not None:
        return Cell("value", answer["value"], f"{at}/value")
    missing = ", ".join(answer["missing"])
    hint = answer["problem"] or (f"needs values for {missing}" if missing else "")
    if len(answer["latex"]) <= room:
        return Cell("formula", answer["text"], math=mathml(answer["latex"]), hint=hint)
    return Cell("formula", "formula", hint=hint, anchor=anchor)


def shown(latex: str | None) -> Markup | None:
    """A displayed formula; None if it is too long to be read."""
    return mathml(latex, display=True) if latex and len(latex) <= LONGEST else None


def number(value: Any, at: str) -> Cell:
    """A measured number in six digits; its exact value is kept beside it."""
    if value is None:
        return Cell("none", "\u2013")
    if isinstance(value, str):
        return Cell("value", value, at)
    near = value != 1 and f"{value:.6g}" == "1"
    return Cell("measured", f"{value:.{12 if near else 6}g}", at, hint=repr(value))
