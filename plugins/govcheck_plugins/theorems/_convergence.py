"""Conditions on ``sigma_0``, ``|J|``, the Lipschitz constant of J and the residual at the start."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from govcheck.analysis import Analysis
from govcheck.bounds.answer import ComposedBound, Sense, Unknown, Value
from govcheck.bounds.domain import AroundInit
from govcheck.bounds.evaluate import Missing
from govcheck.bounds.expr import ZERO, Expr, minimum
from govcheck.report.numbers import outward
from govcheck.theorems.protocol import Hypothesis, Reading, Status, Theorem, TheoremExample, Verdict
from govcheck_plugins.theorems._near_init import measured_factor, smooth, start_norm, surjective
from govcheck_plugins.theorems._support import show, sound, summarised
from govcheck_plugins.theorems._width_case import up, width_case
from govcheck_plugins.theorems._width_hypotheses import Demand, cost, slow, step_factor

REGION = "S is a neighbourhood of the initial weights"


@dataclass(frozen=True)
class Inputs:
    """Bounds that a condition reads, all on the set S around the initial weights.

    Args:
        sigma: lower bound of the least singular value of J, at the start.
        sigma_all: the same on all of S.
        beta: upper bound of ``|J|`` on S.
        lipschitz: Lipschitz constant of J on S.
        start: upper bound of the norm of the residual at the start.
        reach: radius of S.
    """

    sigma: Expr
    sigma_all: Expr
    beta: Expr
    lipschitz: Expr
    start: Expr
    reach: Expr

    @property
    def h(self) -> Expr:
        """``L |r|/sigma^2``."""
        return self.lipschitz * self.start / self.sigma**2


@dataclass(frozen=True)
class Condition:
    """What a theorem asks and gives.

    Args:
        small: must be at most `large`; both are printed.
        large: see `small`.
        words: what is compared.
        radius: how far gradient descent goes at most.
        eta: largest step on half the squared residual.
        factor: of the loss in each step of size eta.
    """

    small: Expr
    large: Expr
    words: str
    radius: Expr
    eta: Expr
    factor: Expr


class NearInit(Theorem):
    """A theorem that follows from bounds on a ball around the initial weights.

    The loss of the file is half the squared residual up to a factor, which the step is divided
    by.
    """

    by_default = False

    @abstractmethod
    def condition(self, at: Inputs) -> Condition:
        """The theorem's inequality and what follows from it."""

    def decide(self, analysis: Analysis, reading: Reading) -> Verdict:
        a = sound(analysis)
        domain = a.domain
        conclusions: dict[str, ComposedBound] = {}
        hypotheses: tuple[Hypothesis, ...]
        if not isinstance(domain, AroundInit):
            why = f"S is: {domain.describe()}; write domain: {{around_init: R}}"
            hypotheses = (Hypothesis("region", REGION, "symbolic", "refuted", why),)
        else:
            case = width_case(a)
            at = self._inputs(a, domain)
            wanted = at if isinstance(at, Unknown) else self.condition(at)
            lost = Unknown.because("D, D2F or sigma(DF) has no bound on S that helps")
            eta: Value = lost if isinstance(wanted, Unknown) else wanted.eta / step_factor(a)
            step = Demand("step", "training is full-batch gradient descent with 0 < eta <= eta*",
                          "eta*", a.value(eta))
            hypotheses = (
                Hypothesis("region", REGION, "symbolic", "proved", domain.describe()),
                cost(case), smooth(a), surjective(a), _small(a, wanted), slow(case, step),
            )
            if isinstance(at, Inputs) and isinstance(wanted, Condition):
                conclusions = self._conclusions(a, at, wanted)
        verdict = Verdict(
            self.name, self.title, self.reference, reading, hypotheses, conclusions,
            remarks=("It reads bounds that hold for every layer on all of S; `govcheck certify` "
                     "finds a far better constant for given weights.",),
        )
        shown = [show(a, k, conclusions[k]) for k in ("eta*", "factor", "radius")
                 if k in conclusions]
        return summarised(verdict, f"Gradient descent converges to zero loss: {'; '.join(shown)}.")

    def _inputs(self, a: Analysis, domain: AroundInit) -> Inputs | Unknown:
        if not (smooth(a).holds and surjective(a).holds):
            return Unknown.because("D, D2F or sigma(DF) has no bound on S that helps")
        start = start_norm(a)
        if isinstance(start, Unknown):
            return start
        net = a.network.bounds
        everywhere = net["sigma_D"].expr
        centre = a.compose(AroundInit(ZERO), order=1).bounds["sigma_D"]
        at_start = centre.expr if centre.known and centre.value is not ZERO else everywhere
        # a layer moves at most as far as all parameters together
        reach = minimum(domain.radius, *domain.radii.values())
        return Inputs(at_start, everywhere, net["D"].expr, net["tt"].expr, start, reach)

    def _conclusions(
        self, a: Analysis, at: Inputs, wanted: Condition
    ) -> dict[str, ComposedBound]:
        net = a.network.bounds
        premises = (net["D"], net["tt"], net["sigma_D"])
        found: dict[str, ComposedBound] = {}

        def put(name: str, value: Value, sense: Sense, note: str) -> None:
            found[name] = ComposedBound(
                name, "loss", value, sense, wanted.words, self.reference, premises, note)

        put("rho", at.start, "upper", "norm of y - u at the initial weights")
        put("h", at.h, "upper", "L |r|/sigma^2 at the initial weights")
        put("radius", wanted.radius, "upper", "how far gradient descent goes at most")
        put("eta*", wanted.eta / step_factor(a), "lower", "largest step for the file's cost")
        put("factor", wanted.factor, "upper", "factor of the loss in each step of size eta*")
        return found

    @classmethod
    def examples(cls) -> Sequence[TheoremExample]:
        def text(
            body: str = "[{affine: {out: 1, bias: false}}]",
            radius: str = "{around_init: 500}",
            n: int = 2,
            rest: str = "cost: summed_square\n",
        ) -> str:
            return (f"govcheck: 1\ninput: [4]\nlayers: {body}\ndata: {{sphere: {{n: {n}}}}}\n"
                    f"domain: {radius}\n{rest}")

        bent = "[{affine: {out: 9, bias: false}}, relu, {affine: {out: 1}}]"
        fast = "cost: summed_square\ntrain: {method: gd, step_size: 10}\n"

        return (
            # without curvature the factor holds from every start
            TheoremExample(text(), measured=partial(measured_factor, cls)),
            TheoremExample(text(radius="{ball: 500}"), "region"),
            TheoremExample(text(rest=""), "cost"),
            TheoremExample(text(bent, "{around_init: 1/10}"), "smooth",
                           also=("surjective", "condition", "step")),
            TheoremExample(text(n=6), "surjective", also=("condition", "step")),
            TheoremExample(text(radius="{around_init: 1/10}"), "condition"),
            TheoremExample(text(rest=fast), "step"),
        )


def _small(a: Analysis, wanted: Condition | Unknown) -> Hypothesis:
    if isinstance(wanted, Unknown):
        return Hypothesis("condition", "the theorem's inequality holds", "symbolic", "unknown",
                          wanted.reason)
    small, large = a.value(wanted.small), a.value(wanted.large)
    status: Status = "unknown"
    if isinstance(small, Unknown | Missing) or isinstance(large, Unknown | Missing):
        why = "a symbol of it has no value"
    else:
        why = f"{up(small)} against {outward(large, 'lower', 3)}"
        status = "proved" if small < large else "refuted" if small > large else "unknown"
    return Hypothesis("condition", wanted.words, "symbolic", status, why)


