"""The literature that reports cite, and BibTeX of it; what is not known is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """One work.

    Args:
        key: in BibTeX.
        kind: of entry.
        fields: of the entry, values as BibTeX has them.
    """

    key: str
    kind: str
    fields: tuple[tuple[str, str], ...]

    def bibtex(self) -> str:
        """The entry."""
        lines = [f"  {name} = {{{value}}}," for name, value in self.fields]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


WORKS: Final = {
    "M": Work("macdonald2022", "misc", (
        ("author", "MacDonald, Lachlan E. and Saratchandran, Hemanth and Valmadre, Jack and "
                   "Lucey, Simon"),
        ("title", "A global analysis of global optimisation"),
        ("year", "2022"),
    )),
    "D": Work("du2019", "inproceedings", (
        ("author", "Du, Simon S. and Lee, Jason D. and Li, Haochuan and Wang, Liwei and "
                   "Zhai, Xiyu"),
        ("title", "Gradient Descent Finds Global Minima of Deep Neural Networks"),
        ("booktitle", "Proceedings of the 36th International Conference on Machine Learning"),
        ("series", "PMLR"),
        ("volume", "97"),
        ("address", "Long Beach, California"),
        ("year", "2019"),
    )),
    "N": Work("notes-du2019", "misc", (
        ("title", "Lecture notes on {Gradient Descent Finds Global Minima of Deep Neural "
                  "Networks}"),
        ("note", "The fully connected case"),
    )),
    "Z": Work("zhang2022", "misc", (
        ("author", "Zhang, Zongpeng and Ling, Zenan and Lin, Tong and Lin, Zhouchen"),
        ("title", "Gradient Descent Optimizes Normalization-Free {ResNets}"),
        ("note", "With supplementary materials"),
        ("year", "2022"),
    )),
    "Combettes and Pesquet 2020": Work("combettes2020", "article", (
        ("author", "Combettes, P. L. and Pesquet, J.-C."),
        ("title", "Lipschitz certificates for layered network structures driven by averaged "
                  "activation operators"),
        ("journal", "SIAM J. Math. Data Sci."),
        ("volume", "2"),
        ("year", "2020"),
    )),
    "Abbaszadehpeivasti, de Klerk, Zamani 2023": Work("abbaszadehpeivasti2023", "misc", (
        ("author", "Abbaszadehpeivasti and {de Klerk} and Zamani"),
        ("title", "Conditions for linear convergence of the gradient method for non-convex "
                  "optimization"),
        ("year", "2023"),
    )),
}


def cited(value: Any) -> list[str]:
    """Sources that a part of the document refers to and that have an entry, in order."""
    return list(dict.fromkeys(s for s in _sources(value) if s in WORKS))


def _sources(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if {"source", "place", "errata"} <= value.keys():
            yield value["source"]
        below: Iterable[Any] = value.values()
    else:
        below = value if isinstance(value, list) else ()
    for item in below:
        yield from _sources(item)


def bibtex(doc: Json) -> str:
    """A ``.bib`` file with the works that the report refers to."""
    entries = [WORKS[s].bibtex() for s in cited(doc)]
    return "\n\n".join(["% literature of a govcheck report", *entries]) + "\n"
