"""What the theorems share: sound and printed analyses, decided signs, the errata's wording."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Final

from govcheck.analysis import Analysis, with_mode
from govcheck.bounds.answer import ComposedBound, Ref, Unknown, Value
from govcheck.bounds.domain import Everything
from govcheck.bounds.evaluate import Missing
from govcheck.bounds.expr import ZERO, Expr
from govcheck.bounds.printing import text
from govcheck.graph.blocks import Leaf
from govcheck.report.numbers import outward
from govcheck.theorems.protocol import Hypothesis, Status, Verdict
from govcheck_plugins.theorems._errata import ERRATA

LONGEST: Final = 160
SECTION5: Final = Ref("govcheck theory", "bound calculus, section 5")


def paper(place: str, *errata: str) -> Ref:
    """A place in MacDonald et al. (2022)."""
    return Ref("M", place, errata)


def _in_mode(analysis: Analysis, mode: str) -> Analysis:
    return analysis.keep(("in mode", mode), lambda: with_mode(analysis, mode))


def sound(analysis: Analysis) -> Analysis:
    """The analysis, composed by proven rules only: printed sums are no bounds (E2)."""
    return _in_mode(analysis, "tight") if analysis.mode.printed else analysis


def printed(analysis: Analysis) -> Analysis:
    """The analysis, composed with the constants and sums the paper prints."""
    return analysis if analysis.mode.printed else _in_mode(analysis, "paper")


def place_key(analysis: Analysis, leaf: Leaf) -> Hashable:
    """Equal for two layers that must give equal answers, so that one of them is asked."""
    shape = analysis.shapes[leaf.node]
    try:
        hash(leaf.layer)
    except TypeError:
        return leaf.node
    # other sets may give each layer a radius of its own
    return (leaf.layer, shape) if isinstance(analysis.domain, Everything) else leaf.node


def option(analysis: Analysis, theorem: str, key: str) -> Expr | None:
    """An option that the architecture file gives with its request for a theorem."""
    for request in analysis.architecture.theorems or ():
        if request.name == theorem and key in request.options:
            return request.options[key]
    return None


def positive(analysis: Analysis, value: Value) -> bool | None:
    """Whether a formula is positive at the symbols' values; None where that is open."""
    if value is ZERO:
        return False
    number = analysis.value(value)
    if isinstance(number, Unknown | Missing):
        return None
    if number > 0:
        return True
    return False if number <= 0 else None


def written(formula: Expr) -> str:
    """A formula in one line, or its symbols where it is long."""
    shown = text(formula.args[0] if formula.op == "let" else formula)
    return shown if len(shown) <= LONGEST else "a closed form (see the formulas)"


def show(analysis: Analysis, name: str, bound: ComposedBound) -> str:
    """``name <= number``, the formula where symbols have no value, or why there is none."""
    relation = "<=" if bound.sense == "upper" else ">="
    number = analysis.value(bound)
    if isinstance(number, Unknown):
        return f"no bound of {name}: {number.reason}"
    if isinstance(number, Missing):
        lacking = ", ".join(number.names)
        return f"{name} {relation} {written(bound.expr)} (no value for {lacking})"
    if bound.sense == "lower":
        return f"{name} {relation} {outward(number, 'lower')}"
    gap = 1 - number
    # a factor such as 1 - 1e-12 would print as 1.00000
    near_one = bound.quantity in ("rate", "tight_rate") and gap > 0 and gap < 0.01
    shown = f"1 - {outward(gap, 'lower', 3)}" if near_one else outward(number, "upper")
    return f"{name} {relation} {shown}"


def finite(analysis: Analysis, key: str, statement: str, name: str) -> Hypothesis:
    """That one of the loss's constants is finite on the parameter set."""
    bound = analysis.bounds.get(name)
    if bound is None:
        return Hypothesis(key, statement, "symbolic", "unknown", NO_COST)
    status: Status = "proved" if bound.known else "unknown"
    return Hypothesis(key, statement, "symbolic", status, show(analysis, name, bound), (bound,))


NO_COST: Final = "the architecture names no cost"


TRAJECTORY: Final = "it is proved on all parameters and assumed on other sets"


def stays(analysis: Analysis) -> Hypothesis:
    """That gradient descent does not leave the parameter set of the analysis."""
    statement = "the trajectory of gradient descent stays in the parameter set S"
    domain = analysis.domain
    if isinstance(domain, Everything):
        why = "S is the whole parameter space"
        return Hypothesis("trajectory", statement, "symbolic", "proved", why)
    why = f"not decided here; S is: {domain.describe()}"
    return Hypothesis("trajectory", statement, "assumption", "assumed", why)


def independent_data(analysis: Analysis) -> Hypothesis:
    """That the data columns are linearly independent, by certified arithmetic."""
    statement = "the samples are linearly independent: sigma(X) > 0"
    if analysis.data is None:
        why = "no data is loaded; sigma_X stays a symbol"
        return Hypothesis("data", statement, "data", "unknown", why)
    facts = analysis.data.facts
    statuses: dict[str, Status] = {"proved": "verified on data", "refuted": "refuted"}
    status = statuses.get(facts.independent, "unknown")
    return Hypothesis("data", statement, "data", status, facts.explanation)


def false_statement(
    *ids: str, statement: str = "the statement holds as it is printed"
) -> Hypothesis:
    """That what is printed is right, refuted by its errata."""
    evidence = "; ".join(f"{i}: {ERRATA[i].evidence}" for i in ids)
    return Hypothesis("statement", statement, "symbolic", "refuted", evidence)


def as_printed(bound: ComposedBound, *ids: str) -> ComposedBound:
    """A printed value, marked as what it is: not a bound."""
    cited = ", ".join(ids)
    return replace(
        bound,
        rule=f"as printed; not a bound ({cited})",
        note=f"the printed, incorrect value; not a bound ({cited})",
    )


def known(bounds: dict[str, ComposedBound]) -> dict[str, ComposedBound]:
    """Those that have a formula."""
    return {name: b for name, b in bounds.items() if b.known}


def first_failure(hypotheses: tuple[Hypothesis, ...]) -> str:
    """The first refuted, else the first open hypothesis with its evidence, as a sentence."""
    for wanted, verb in (("refuted", "fails"), ("unknown", "is not decided")):
        for h in hypotheses:
            if h.status == wanted:
                return f"The hypothesis '{h.statement}' {verb}: {h.evidence}."
    return ""


def summarised(verdict: Verdict, applies: str) -> Verdict:
    """The verdict with `applies` as its summary, or with what fails first."""
    failure = first_failure(verdict.hypotheses)
    return replace(verdict, summary=failure or applies)
