"""What the lemmas about wide networks share: the network, a trust region, and its constants."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Final

from flint import arb

from govcheck.analysis import SAMPLES, Y_FROBENIUS, Analysis
from govcheck.bounds.answer import ComposedBound, Ref, Sense, Unknown, Value
from govcheck.bounds.domain import AroundInit
from govcheck.bounds.evaluate import Missing, lower
from govcheck.bounds.expr import ONE, ZERO, Expr, absolute, let, maximum, num, sqrt, sym
from govcheck.kernels.descent import Descent, theorem_a
from govcheck.kernels.explicit import (
    BlockConstants,
    Region,
    Smoothness,
    fc_constants,
    geometric,
    residual_constants,
)
from govcheck.kernels.family import Family, Kind
from govcheck.kernels.widths import Explicit, Problem, explicit_for
from govcheck.theorems.protocol import Hypothesis, Reading, Theorem, Verdict
from govcheck_plugins.theorems._errata_du import DU
from govcheck_plugins.theorems._errata_zhang import ZHANG
from govcheck_plugins.theorems._lemma_start import Start, measured, start
from govcheck_plugins.theorems._support import option, summarised
from govcheck_plugins.theorems._width_case import WidthCase, up, width_case
from govcheck_plugins.theorems._width_hypotheses import network

THEORY: Final = Ref("govcheck theory", "widths and rates")
SLACK: Final = num("11/10")
C_M: Final = sym("C_m", "constant that the width's Omega hides")
C_R: Final = sym("C_R", "small constant of the radius that is not given")
C_ETA: Final = sym("C_eta", "constant that the step's O hides")
C_OUT: Final = sym("C_out", "constant that the conclusion's O hides")
HIDDEN: Final = (C_M, C_R, C_ETA, C_OUT)


@dataclass(frozen=True)
class Outcome:
    """What a lemma found about a network of its kind."""

    hypotheses: tuple[Hypothesis, ...]
    conclusions: dict[str, ComposedBound] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


class Lemma(Theorem):
    """A step of a convergence proof, decided by itself; only on request.

    Options: ``delta`` (probability of failure, 1/10), ``lambda_0`` (instead of computing it),
    and values of the hidden constants ``C_m``, ``C_R``, ``C_eta`` and ``C_out``.
    """

    by_default: ClassVar[bool] = False
    readings = ("as_printed", "as_corrected")
    kinds: ClassVar[tuple[Kind, ...]]
    ids: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def printed(self, local: Local) -> Outcome:
        """The lemma as it is printed, with its hidden constants."""

    @abstractmethod
    def corrected(self, local: Local) -> Outcome:
        """The lemma with explicit constants."""

    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        case = width_case(analysis)
        is_network = network(case, *self.kinds)
        found = Outcome(())
        if not isinstance(case.family, Unknown) and is_network.holds:
            local = Local(self, case, case.family)
            found = (self.printed if reading == "as_printed" else self.corrected)(local)
        records = ZHANG | DU
        verdict = Verdict(
            self.name, self.title, self.reference, reading, (is_network, *found.hypotheses),
            found.conclusions, errata=tuple(records[i] for i in self.ids), remarks=found.remarks,
        )
        return summarised(verdict, _said(analysis, found.conclusions))


def _said(a: Analysis, conclusions: Mapping[str, ComposedBound]) -> str:
    numbers = {k: a.value(c) for k, c in conclusions.items()}
    known = [
        f"{k} {'<=' if conclusions[k].sense == 'upper' else '>='} "
        f"{up(v) if conclusions[k].sense == 'upper' else down(v)}"
        for k, v in numbers.items() if isinstance(v, arb)
    ]
    return f"It holds here: {', '.join(known)}." if known else "Its hypotheses hold."


def down(value: arb, digits: int = 3) -> str:
    """A decimal that is not above the number."""
    return str(lower(value, digits)).replace("E", "e")


class Conclusions(dict[str, ComposedBound]):
    """Conclusions of one lemma, each with a note."""

    def __init__(self, rule: str, ref: Ref) -> None:
        super().__init__()
        self.rule, self.ref = rule, ref

    def put(self, name: str, value: Value, sense: Sense, note: str) -> None:
        """Add one."""
        self[name] = ComposedBound(name, "loss", value, sense, self.rule, self.ref, (), note)


class Local:
    """A network of the width theory on the trust region that its file asks for.

    The region is ``|W^(h) - W^(h)(0)|_F <= R sqrt(m)`` and ``|a - a(0)| <= R sqrt(m)``, where
    ``R sqrt(m)`` is the radius of the domain ``around_init``; trained factors move by
    ``speed`` times that at most. Norms at the centre are measured at the file's weights.
    """

    def __init__(self, lemma: Theorem, case: WidthCase, family: Family) -> None:
        self.lemma, self.case, self.family = lemma, case, family
        self.analysis, self.H, self.n = case.analysis, family.hidden, SAMPLES
        self.m = family.width

    def option(self, key: str) -> Expr | None:
        """An option of the request."""
        return option(self.analysis, self.lemma.name, key)

    def hidden(self, symbol: Expr) -> Expr:
        """A hidden constant: the file's value, or the symbol."""
        found = self.option(symbol.payload.name)
        return symbol if found is None else found

    @property
    def given(self) -> str:
        """The hidden constants that the file gives, in words."""
        found = [(s.payload.name, self.option(s.payload.name)) for s in HIDDEN]
        shown = ", ".join(f"{name} = {value!r}" for name, value in found if value is not None)
        return f"the hidden constants given in the file ({shown})" if shown else ""

    @property
    def delta(self) -> Expr:
        """Probability of failure."""
        return self.option("delta") or num("1/10")

    @property
    def lambda_0(self) -> Expr:
        """Smallest eigenvalue of ``K^(H)``."""
        return self.case.lambda_0(self.option("lambda_0"))

    @cached_property
    def start(self) -> Start | Unknown:
        """What is measured at the initial weights."""
        return start(self.case)

    @cached_property
    def explicit(self) -> Explicit | Unknown:
        """Explicit constants for random weights."""
        given = Problem(self.n, Y_FROBENIUS, self.lambda_0, self.delta)
        return explicit_for(self.family, given, largest=self.case.largest)

    @cached_property
    def radius(self) -> Expr | Unknown:
        """R of the region."""
        domain = self.analysis.domain
        if isinstance(domain, AroundInit):
            return let("R_m", maximum(domain.radius, *domain.radii.values()) / sqrt(self.m))
        return Unknown.because(f"S is: {domain.describe()}; write domain: {{around_init: R}}")

    @property
    def slopes(self) -> Smoothness | Unknown:
        """The activation's constants; those of higher derivatives 0 where there are none."""
        found = self.family.activation.constants()
        L = found.steepest
        if isinstance(L, Unknown):
            return L
        curvature = ZERO if isinstance(found.curvature, Unknown) else found.curvature
        return Smoothness(absolute(found.at_zero), L, curvature, ZERO, self.family.c_sigma)

    @property
    def norms(self) -> dict[str, Expr]:
        """Measured ``c_w0``, ``a_20``, ``a_40``, ``c_x0`` and ``|y - u(0)|``."""
        at = self.start
        if isinstance(at, Unknown):
            return {}
        return {
            "c_w0": measured("c_w0", at.weight, "c_{w,0}"),
            "a_20": measured("a_20", at.readout, "a_{2,0}"),
            "a_40": measured("a_40", at.fourth, "a_{4,0}"),
            "c_x0": measured("c_x0", at.features[1], "c_{x,0}"),
            "rho_0": measured("rho_0", at.residual, r"\rho_0"),
        }

    @cached_property
    def region(self) -> Region | Unknown:
        """Norms on the region, features with a slack of a tenth."""
        if isinstance(self.start, Unknown):
            return self.start
        if isinstance(self.radius, Unknown):
            return self.radius
        at, R = self.norms, self.radius
        return Region(
            at["c_w0"] + R, at["a_20"] + R, SLACK * at["c_x0"], at["c_x0"], at["a_20"], at["a_40"]
        )

    @property
    def first_alpha(self) -> Expr:
        """``max_h |alpha_h(0)|``; 1 without alphas."""
        return maximum(*map(absolute, self.family.alphas)) if self.family.residual else ONE

    @property
    def alpha(self) -> Expr:
        """Bound of all ``|alpha_h|`` on the region, if trained ones move by R at most."""
        if self.family.trained and isinstance(self.radius, Expr):
            return self.first_alpha + self.radius
        return self.first_alpha

    @cached_property
    def constants(self) -> BlockConstants | Unknown:
        """Sizes of derivatives on the region."""
        sigma, at, family = self.slopes, self.region, self.family
        if isinstance(sigma, Unknown):
            return sigma
        if isinstance(at, Unknown):
            return at
        if not family.residual:
            return fc_constants(sigma, self.H, at, self.m)
        last = absolute(family.alphas[-1])
        if last is ZERO:
            return Unknown.because("alpha_H(0) is 0, so that K^(H) is 0")
        return residual_constants(
            sigma, self.H, self.alpha, at, trained=family.trained,
            last=last if family.trained else None, m=self.m,
        )

    @property
    def prefactor(self) -> Expr:
        """m times the square of the last layer's prefactor, at first."""
        if not self.family.residual:
            return self.family.c_sigma
        return self.family.alphas[-1] ** 2 / num(self.H) ** 2

    @cached_property
    def descent(self) -> Descent | Unknown:
        """What Theorem A says with these constants, for the loss ``|y - u|^2/2``."""
        found = self.constants
        if isinstance(found, Unknown):
            return found
        return theorem_a(found.blocks, self.n, self.lambda_0, self.norms["rho_0"])

    def growth(self, weight: Expr) -> Expr | Unknown:
        """``c_x = sqrt(c_sigma) L |W|``, the factor of a fully connected layer."""
        L = self.slopes
        if isinstance(L, Unknown):
            return L
        return sqrt(self.family.c_sigma) * L.slope * weight

    def value(self, e: Value) -> arb | Missing | Unknown:
        """Its value."""
        return self.analysis.value(e)

    def shown(self, e: Value, sense: Sense = "upper") -> str:
        """Its value in words."""
        found = self.value(e)
        if isinstance(found, Unknown):
            return found.reason
        if isinstance(found, Missing):
            return f"no value for {', '.join(found.names)}"
        return up(found) if sense == "upper" else down(found)


def powers(ratio: Expr, count: int) -> Expr:
    """``g_ratio(count) = 1 + ratio + ... + ratio^(count - 1)``."""
    return geometric(ratio, count)
