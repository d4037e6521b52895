"""What the theorems of Du et al. (2019) share: one statement for three architectures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Final

from flint import arb

from govcheck.analysis import SAMPLES, Y_FROBENIUS, Analysis
from govcheck.bounds.answer import ComposedBound, Ref, Sense, Unknown, Value
from govcheck.bounds.evaluate import Missing
from govcheck.bounds.expr import Expr, function, num, sym
from govcheck.kernels.family import Family, Kind
from govcheck.kernels.widths import Explicit, Problem, explicit_for
from govcheck.report.numbers import outward
from govcheck.theorems.protocol import Erratum, Hypothesis, Reading, Theorem, Verdict
from govcheck_plugins.theorems._errata_du import DU
from govcheck_plugins.theorems._support import option, summarised
from govcheck_plugins.theorems._width_case import WidthCase, up, width_case
from govcheck_plugins.theorems._width_hypotheses import (
    Demand,
    analytic,
    cost,
    directions,
    draw,
    network,
    positive_kernel,
    samples,
    slow,
    smooth,
    step_factor,
    unit,
    wide,
)

THOUSANDTH: Final = Fraction(1, 1000)
C_M: Final = sym("C_m", "constant that the width's Omega hides")
C_ETA: Final = sym("C_eta", "constant that the step's O hides")
C_H: Final = sym("C_H", "constant in the exponent 2^O(H)")
POLY: Final = sym("poly", "polynomial in the number of pixels that is not given")
HIDDEN: Final = (C_M, C_ETA, C_H, POLY)
DRAW: Final = "the theorem speaks of random initial weights; nothing is asked of the file"


def du(place: str, *errata: str) -> Ref:
    """A place in Du et al. (2019)."""
    return Ref("D", place, errata)


class DuTheorem(Theorem):
    """Gradient descent on a wide enough network converges linearly to zero loss.

    Options: ``delta`` (probability of failure, 1/10), ``lambda_0`` (instead of computing
    it), and values of the hidden constants ``C_m``, ``C_eta``, ``C_H`` and ``poly``.
    """

    kind: ClassVar[Kind]
    ids: ClassVar[tuple[str, ...]]
    false: ClassVar[tuple[str, ...]]
    records: ClassVar[Mapping[str, Erratum]] = DU
    readings = ("as_printed", "as_corrected")
    never_fails: ClassVar[Mapping[str, str]] = {"draw": DRAW}

    @abstractmethod
    def printed_width(self, case: WidthCase, family: Family) -> tuple[Expr, Expr]:
        """The printed width without and with its hidden constants."""

    @abstractmethod
    def printed_step(self, case: WidthCase, family: Family) -> Expr:
        """The printed step size with its hidden constants."""

    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        case = width_case(analysis)
        family = case.family
        is_network = network(case, self.kind)
        conclusions: dict[str, ComposedBound] = {}
        hypotheses: tuple[Hypothesis, ...] = (is_network,)
        remarks: tuple[str, ...] = ()
        if not isinstance(family, Unknown) and is_network.holds:
            decide = self._printed if reading == "as_printed" else self._corrected
            hypotheses, conclusions, remarks = decide(case, family, is_network)
        verdict = Verdict(
            self.name, self.title, self.reference, reading, hypotheses, conclusions,
            errata=tuple(self.records[i] for i in self.ids), remarks=remarks,
        )
        return summarised(verdict, self._applies(analysis, conclusions))

    def _own(self, case: WidthCase, key: str, default: Expr | None = None) -> Expr | None:
        found = option(case.analysis, self.name, key)
        return default if found is None else found

    def _hidden(self, case: WidthCase, symbol: Expr) -> Expr:
        """A hidden constant: the file's value, or the symbol."""
        found = self._own(case, symbol.payload.name)
        return symbol if found is None else found

    def _delta(self, case: WidthCase) -> Expr:
        return self._own(case, "delta") or num("1/10")

    def _common(self, case: WidthCase, family: Family) -> tuple[Hypothesis, ...]:
        return (
            cost(case), samples(case), unit(case), directions(case), smooth(family),
            analytic(family), positive_kernel(case, self._own(case, "lambda_0")),
        )

    def _explicit(self, case: WidthCase, family: Family) -> Explicit | Unknown:
        given = Problem(
            SAMPLES, Y_FROBENIUS, case.lambda_0(self._own(case, "lambda_0")), self._delta(case)
        )
        return explicit_for(family, given, largest=case.largest)

    def _corrected(
        self, case: WidthCase, family: Family, is_network: Hypothesis
    ) -> tuple[tuple[Hypothesis, ...], dict[str, ComposedBound], tuple[str, ...]]:
        found = self._explicit(case, family)
        width, eta = self._needed(case, family, found)
        if isinstance(eta, Expr):
            eta = eta / step_factor(case.analysis)
        hidden = self._given_constants(case) if isinstance(found, Unknown) else ""
        value = case.analysis.value
        m_star = Demand("width", "the width m is at least m*", "m*", value(width), hidden)
        eta_star = Demand(
            "step", "training is full-batch gradient descent with 0 < eta <= eta*", "eta*",
            value(eta), hidden,
        )
        events = "it depends on the random draw, which is assumed to be typical"
        if isinstance(found, Explicit):
            n_events = value(found.count)
            count = f"{int(float(n_events.upper()))}" if isinstance(n_events, arb) else "N_ev"
            events = (
                f"all of {count} events hold with probability at least "
                f"1 - {self._delta(case)!r} (union bound)"
            )
        hypotheses = (
            is_network, *self._common(case, family), wide(case, m_star), slow(case, eta_star),
            draw(events),
        )
        remarks = (
            "The rate is that of the last hidden layer's weights alone, which the others can "
            "only improve.",
        )
        return hypotheses, self._numbers(case, family, found), (*remarks, *self._gaps(found))

    def _needed(
        self, case: WidthCase, family: Family, found: Explicit | Unknown
    ) -> tuple[Value, Value]:
        """Width and step of the corrected statement."""
        return (found, found) if isinstance(found, Unknown) else (found.width, found.eta)

    def _gaps(self, found: Explicit | Unknown) -> tuple[str, ...]:
        return (f"No explicit constants: {found.reason}.",) if isinstance(found, Unknown) else ()

    def _given_constants(self, case: WidthCase) -> str:
        """The hidden constants that the file gives, in words."""
        given = [(s.payload.name, self._own(case, s.payload.name)) for s in HIDDEN]
        shown = ", ".join(f"{name} = {value!r}" for name, value in given if value is not None)
        return f"the hidden constants given in the file ({shown})" if shown else ""

    def _numbers(
        self, case: WidthCase, family: Family, found: Explicit | Unknown
    ) -> dict[str, ComposedBound]:
        own = step_factor(case.analysis)
        rule = "explicit constants, section 4 to 6"
        ref = Ref("govcheck theory", "widths and rates, sections 4 to 6")
        result: dict[str, ComposedBound] = {}

        def put(name: str, value: Value, sense: Sense, note: str) -> None:
            result[name] = ComposedBound(name, "loss", value, sense, rule, ref, (), note)

        lambda_0 = case.lambda_0(self._own(case, "lambda_0"))
        put("lambda_0", lambda_0, "lower", "smallest eigenvalue of K^(H), as corrected")
        if isinstance(found, Unknown):
            width, eta = self._needed(case, family, found)
            put("m*", width, "upper", "width from which the theorem holds")
            put("eta*", eta / own if isinstance(eta, Expr) else eta, "lower",
                "largest step for the file's cost, if m >= m*")
            return result
        put("m*", found.width, "upper", "width from which the theorem holds")
        put("m*/m", found.width / family.width, "upper",
            "how many times too narrow the network is for the theorem; it applies at 1 or less")
        put("m_norm", found.m_norm, "upper", "width from which features have typical norms")
        put("m_init", found.m_init, "upper", "width from which |G^(H)(0) - K^(H)| <= lambda_0/4")
        put("m_drift", found.m_drift, "upper", "width from which training cannot leave the region")
        put("eta*", found.eta / own, "lower", "largest step for the file's cost, if m >= m*")
        put("decrease", found.eta * found.descent.rate, "lower",
            "each step of size eta* multiplies |y - u|^2 by at most 1 - decrease, if m >= m*")
        put("steps", found.steps(), "upper",
            "steps of size eta* until |y - u|^2 has fallen to 1/1000, if m >= m*")
        put("events", found.count, "upper", "what may fail at initialisation")
        put("failure", self._delta(case), "upper", "probability that one of them does")
        return result

    def _printed(
        self, case: WidthCase, family: Family, is_network: Hypothesis
    ) -> tuple[tuple[Hypothesis, ...], dict[str, ComposedBound], tuple[str, ...]]:
        bare, width = self.printed_width(case, family)
        step = self.printed_step(case, family)
        value = case.analysis.value
        hidden = self._given_constants(case)
        m_star = Demand(
            "width", "the width m is at least what is printed, up to a hidden constant",
            "the printed width", value(width), hidden,
        )
        eta = Demand(
            "step", "training is full-batch gradient descent, eta at most what is printed, up to "
            "a hidden constant", "the printed step", value(step / step_factor(case.analysis)),
            hidden,
        )
        evidence = "; ".join(f"{i}: {self.records[i].evidence}" for i in self.false)
        statement = Hypothesis(
            "statement", "the statement holds as it is printed", "symbolic", "refuted", evidence
        )
        hypotheses = (
            is_network, *self._common(case, family), wide(case, m_star), slow(case, eta),
            draw("probability at least 1 - delta"), statement,
        )
        cited = ", ".join(self.false)
        rule = f"as printed; not a bound ({cited})"

        def say(name: str, e: Expr, sense: Sense, note: str) -> ComposedBound:
            return ComposedBound(name, "loss", e, sense, rule, self.reference, (), note)

        note = f"the printed, incorrect value; not a bound ({cited})"
        conclusions = {
            "m (printed)": say("m", width, "upper", note),
            "m (printed, constants 1)": say("m", bare, "upper", f"{note}, hidden constants 1"),
            "eta (printed)": say("eta", step, "lower", note),
            "lambda_0 (printed)": say("lambda_0", case.lambda_printed, "lower", note),
        }
        return hypotheses, conclusions, _comparison(case, value(bare))

    def _applies(self, a: Analysis, conclusions: Mapping[str, ComposedBound]) -> str:
        if "m*" not in conclusions:
            return ""
        found = {k: a.value(conclusions[k]) for k in ("eta*", "decrease", "steps", "failure")
                 if k in conclusions}
        numbers = {k: v for k, v in found.items() if isinstance(v, arb)}
        if len(numbers) < 4:
            return "The hypotheses hold."
        gap = outward(numbers["decrease"], "lower", 3)
        return (
            f"With probability at least 1 - {outward(numbers['failure'], 'upper', 3)}, every step "
            f"of size {outward(numbers['eta*'], 'lower', 3)} multiplies |y - u|^2 by at most "
            f"1 - {gap}: {up(numbers['steps'])} steps to a thousandth."
        )


def _comparison(case: WidthCase, bare: arb | Missing | Unknown) -> tuple[str, ...]:
    right, wrong = case.smallest, case.printed
    if isinstance(wrong, Unknown):
        return (f"lambda_0 as printed is not known: {wrong.reason}.",)
    found = []
    if not isinstance(right, Unknown) and right.value > 0:
        change = 100 * (wrong.value / right.value - 1)
        found.append(
            f"lambda_0 of the printed matrix is {wrong.value:.5g}, of the corrected one "
            f"{right.value:.5g}: {change:+.3g} %."
        )
    if isinstance(bare, arb):
        found.append(f"With every hidden constant set to 1 the printed width is {up(bare)}.")
    return tuple(found)


def terms(case: WidthCase, family: Family, delta: Expr) -> tuple[Expr, Expr, Expr, Expr]:
    """``n``, printed ``lambda_0``, ``n/delta`` and ``n^2 log(Hn/delta)/lambda_0^2``."""
    n, least = SAMPLES, case.lambda_printed
    log = function("log", family.hidden * n / delta)
    return n, least, n / delta, n**2 * log / least**2


