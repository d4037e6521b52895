"""What width theorems share: the network, its data and its limiting kernel, found once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Final

from flint import arb

from govcheck.analysis import Analysis
from govcheck.bounds.answer import Unknown
from govcheck.bounds.evaluate import Missing, ball, upper
from govcheck.bounds.expr import Enclosure, Expr, node
from govcheck.kernels.family import Family, recognise
from govcheck.kernels.widths import LAMBDA_0, LARGEST

if TYPE_CHECKING:
    from govcheck.certify.sample_facts import Directions, Lengths
    from govcheck.kernels.spectrum import SmallestEigenvalue

MOST: Final = 2000
"""Samples up to which lambda_0 is computed on the way."""

ENTRIES: Final = 4_000_000
MARGIN: Final = Fraction(1, 10**9)


def width_case(analysis: Analysis) -> WidthCase:
    """What is known about an analysed network as a network of the width theory."""
    return analysis.keep("width case", lambda: WidthCase(analysis))


@dataclass(eq=False)
class WidthCase:
    """A network, its samples and its limiting kernel; each found when first asked for."""

    analysis: Analysis

    @cached_property
    def family(self) -> Family | Unknown:
        """Which network it is."""
        return recognise(self.analysis.architecture)

    @property
    def n(self) -> int | None:
        """Number of samples."""
        data = self.analysis.data
        return None if data is None else data.facts.samples

    @cached_property
    def lengths(self) -> Lengths | None:
        """Whether samples have norm 1."""
        from govcheck.certify.sample_facts import lengths

        data = self.analysis.data
        return None if data is None else lengths(data.dataset.x)

    @cached_property
    def directions(self) -> Directions | None:
        """Whether two samples are multiples of each other."""
        from govcheck.certify.sample_facts import directions

        data = self.analysis.data
        return None if data is None else directions(data.dataset.x)

    @property
    def width(self) -> arb | None:
        """Value of m."""
        if isinstance(self.family, Unknown):
            return None
        found = self.analysis.value(self.family.width)
        return None if isinstance(found, Unknown | Missing) else found

    def _too_large(self, family: Family) -> Unknown | None:
        if self.n is None:
            return Unknown.because("no data is loaded")
        places = self.analysis.value(family.pixels)
        pixels = 1 if isinstance(places, Unknown | Missing) else int(float(places.mid()))
        entries = self.n**2 * pixels
        if self.n <= MOST and entries <= ENTRIES:
            return None
        return Unknown.because(
            f"it takes {entries:.2g} Gaussian expectations for each layer, more than is computed "
            "on the way; find it with `govcheck gram` and give it as the option lambda_0"
        )

    @cached_property
    def smallest(self) -> SmallestEigenvalue | Unknown:
        """lambda_0 of ``K^(H)``, corrected."""
        from govcheck.kernels.gram import limiting_kernels
        from govcheck.kernels.spectrum import smallest_eigenvalue

        family = self.family
        if isinstance(family, Unknown):
            return family
        lost = self._too_large(family)
        if lost is not None:
            return lost
        assert self.analysis.data is not None
        x = self.analysis.data.dataset.x
        found = limiting_kernels(self.analysis.architecture, x, ("last",))
        if isinstance(found, Unknown):
            return found
        if "last" in found.lost:
            return found.lost["last"]
        return smallest_eigenvalue(found["last"], found.entry_error["last"])

    @cached_property
    def printed(self) -> SmallestEigenvalue | Unknown:
        """lambda_0 of ``K^(H)`` as the definition prints it."""
        from govcheck.kernels.printed import ALL, definition
        from govcheck.kernels.spectrum import smallest_eigenvalue

        family = self.family
        if isinstance(family, Unknown):
            return family
        if family.hidden == 1:
            return Unknown.because("as printed, K^(1) is built from A^(0), which is not defined")
        lost = self._too_large(family)
        if lost is not None:
            return lost
        assert self.analysis.data is not None
        own = definition(family, self.analysis.env)
        if isinstance(own, Unknown):
            return own
        return smallest_eigenvalue(own.last(self.analysis.data.dataset.x, ALL))

    @cached_property
    def largest(self) -> Expr:
        """Upper bound of all ``S^(h)_ii``, for samples of norm 1; a symbol if not known."""
        from govcheck.kernels.gram import limiting_kernels

        data = self.analysis.data
        if isinstance(self.family, Unknown) or data is None or self.family.grid:
            return LARGEST
        # for samples of one norm all diagonal entries are equal, rounding apart
        found = limiting_kernels(self.analysis.architecture, data.dataset.x[:1], ("grams",))
        if isinstance(found, Unknown) or not found.matrices:
            return LARGEST
        top = max(float(k[0, 0]) for k in found.matrices.values())
        size = Fraction(top)
        return node("enc", (), Enclosure("S_max", size, size * (1 + MARGIN), r"S_{\max}"))

    def lambda_0(self, given: Expr | None = None) -> Expr:
        """lambda_0 as a formula: `given`, an enclosed number if positive, else a symbol."""
        return given if given is not None else enclosed_eigenvalue("lambda_0", self.smallest)

    @cached_property
    def lambda_printed(self) -> Expr:
        """The same of the printed matrix, which bounds nothing."""
        return enclosed_eigenvalue("lambda_0_printed", self.printed)


def enclosed_eigenvalue(name: str, found: SmallestEigenvalue | Unknown) -> Expr:
    """A certified positive eigenvalue as an enclosed constant, else the symbol lambda_0."""
    if isinstance(found, Unknown) or not found.certified_positive:
        return LAMBDA_0
    high = Fraction(found.value) + Fraction(found.floor)
    return node("enc", (), Enclosure(name, found.lower, max(high, found.lower), r"\lambda_0"))


def up(value: arb, digits: int = 3) -> str:
    """A decimal that is not below the number."""
    return str(upper(ball(value), digits)).replace("E", "e")
