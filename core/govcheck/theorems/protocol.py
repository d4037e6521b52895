"""What a theorem plugin is: hypotheses decided one by one, and what follows from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from govcheck.bounds.answer import ComposedBound, Ref
from govcheck.bounds.domain import Domain
from govcheck.plugin.layer import API_VERSION

if TYPE_CHECKING:
    from govcheck.analysis import Analysis

Mode = Literal["symbolic", "data", "quadrature", "measured", "probability", "assumption"]
Status = Literal[
    "proved", "verified on data", "measured", "assumed", "refuted", "unknown"
]
Reading = Literal["as_printed", "as_corrected"]


@dataclass(frozen=True)
class Hypothesis:
    """One hypothesis of a theorem, decided.

    Args:
        key: short identifier within the theorem.
        statement: what is required, in words and symbols.
        mode: how it is decided.
        status: what came out.
        evidence: the numbers or the reason behind the status.
        premises: bounds the decision rests on.
    """

    key: str
    statement: str
    mode: Mode
    status: Status
    evidence: str
    premises: tuple[ComposedBound, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the hypothesis may be used."""
        return self.status in ("proved", "verified on data", "measured", "assumed")


@dataclass(frozen=True)
class Erratum:
    """A mistake in a published statement and what is right instead."""

    id: str
    printed: str
    corrected: str
    evidence: str


@dataclass(frozen=True)
class Verdict:
    """What a theorem says about a network.

    Args:
        theorem: its registered name, such as ``macdonald2022.theorem_4_8``.
        title: for people.
        reference: where it is.
        reading: which statement was decided.
        hypotheses: each decided by itself.
        conclusions: closed-form constants by name, for as far as the hypotheses allow.
        summary: one or two sentences in words: what follows, or what fails first.
        errata: mistakes of the printed statement that concern this reading.
        remarks: gaps, counterexamples and limits, one sentence each.
        within: the part of the analysis's parameter set that conclusions named ``…(R)`` hold
            on; None where there are none.
    """

    theorem: str
    title: str
    reference: Ref
    reading: Reading
    hypotheses: tuple[Hypothesis, ...]
    conclusions: dict[str, ComposedBound] = field(default_factory=dict)
    summary: str = ""
    errata: tuple[Erratum, ...] = ()
    remarks: tuple[str, ...] = ()
    within: Domain | None = None

    @property
    def status(self) -> Literal["applies", "fails", "undecided"]:
        """`applies` if all hypotheses hold, `fails` if one is refuted, else undecided."""
        if all(h.holds for h in self.hypotheses):
            return "applies"
        if any(h.status == "refuted" for h in self.hypotheses):
            return "fails"
        return "undecided"

    def _repr_html_(self) -> str:
        from govcheck.report.jupyter import verdict_html

        return verdict_html(self)

    def _repr_latex_(self) -> str:
        from govcheck.report.jupyter import verdict_latex

        return verdict_latex(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        from govcheck.report.jupyter import verdict_text

        printer.text(verdict_text(self))


@dataclass(frozen=True)
class TheoremExample:
    """A small network to try a theorem on.

    Args:
        architecture: text of an architecture file.
        violates: key of the one hypothesis that does not hold; empty if all hold.
        reading: which statement is decided.
        measured: numbers that the network attains, by name of a conclusion that bounds them;
            see `govcheck.numeric.network.extreme` and `govcheck.numeric.loss.Loss`.
        also: keys of those that fail with it, where no network violates it by itself.
    """

    architecture: str
    violates: str = ""
    reading: Reading = "as_corrected"
    measured: Callable[[Analysis], Mapping[str, float]] | None = None
    also: tuple[str, ...] = ()


class Theorem(ABC):
    """A published statement that can be decided for a network.

    ``never_fails`` says of hypotheses that no architecture file violates why that is so.
    ``by_default`` says whether a file that names no theorems gets this one: steps of proofs are
    decided on request only.
    """

    name: ClassVar[str]
    api: ClassVar[int] = API_VERSION
    title: ClassVar[str]
    reference: ClassVar[Ref]
    readings: ClassVar[tuple[Reading, ...]] = ("as_corrected",)
    never_fails: ClassVar[Mapping[str, str]] = {}
    by_default: ClassVar[bool] = True

    @abstractmethod
    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        """Decide every hypothesis and state what follows.

        Args:
            analysis: bounds, data facts and structure of the network.
            reading: one of ``readings``.
        """

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        """A valid small network, and for each hypothesis one that violates it alone.

        The conformance kit decides them; without any it has nothing to check.
        """
        return ()
