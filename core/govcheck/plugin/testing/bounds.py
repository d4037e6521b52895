"""Checks that attack the bounds of a layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from govcheck.bounds.answer import Unknown, Value, sense_of
from govcheck.bounds.expr import as_expr
from govcheck.plugin.layer import BoundSpec, declared_bounds
from govcheck.plugin.testing.case import Case
from govcheck.plugin.testing.records import CheckFailed, CheckSkipped

if TYPE_CHECKING:
    from govcheck.numeric.places import Place

RELATIVE: Final = 1e-9
NEARLY: Final = 0.9
"""What share of a bound the search must find where it is claimed to be exact."""
OF_PARAMETERS: Final = ("D", "D_rows", "xt", "tt", "sigma_D")

Method = tuple[str, BoundSpec]


def methods(case: Case, quantity: str) -> list[Method]:
    """The methods that bound a quantity; constants kept as a paper printed them left out."""
    return [
        (attribute, spec)
        for attribute, spec in declared_bounds(type(case.layer))
        if spec.quantity == quantity and spec.reading != "as_printed"
    ]


def quantities(case: Case) -> list[str]:
    """The quantities the layer bounds, in the order of the calculus."""
    from govcheck.bounds.answer import CARRIED, LOCAL

    return [q for q in CARRIED + LOCAL if methods(case, q)]


def check_bound(case: Case, quantity: str) -> str:
    """No search crosses a bound, and one that is claimed to be exact is nearly met."""
    best: dict[str, float] = {}
    trivial: dict[str, None] = {}
    reasons: dict[str, None] = {}
    nearest: tuple[float, Place, dict[str, float]] | None = None
    for place in case.places:
        claims = _claims(case, place, quantity, reasons)
        if not claims:
            continue
        found = _search(case, place, quantity, claims)
        if found is None:
            trivial |= dict.fromkeys(label.partition(" ")[0] for label in claims)
            continue
        near = _compare(quantity, claims, found, place, best)
        if found and (nearest is None or near > nearest[0]):
            nearest = near, place, claims
    if not best and not trivial:
        raise CheckSkipped("unknown everywhere: " + "; ".join(reasons))
    if nearest is not None:
        _, place, claims = nearest
        _compare(quantity, claims, place.polish(quantity, case.effort.polish), place, best)
    for attribute, spec in methods(case, quantity):
        if _exact(spec.tight) and best.get(attribute, 1.0) < NEARLY:
            raise CheckFailed(
                f"{attribute} is declared tight ({spec.tight}), and the search finds only "
                f"{best[attribute]:.2g} of it"
            )
    shown = [f"{a}: {b:.1%} found" for a, b in best.items()]
    return ", ".join(shown + [f"{a}: 0, nothing to attack" for a in trivial if a not in best])


def _compare(
    quantity: str, claims: dict[str, float], found: float, place: Place, best: dict[str, float]
) -> float:
    """Hold what was found against all claims, and note what share of each it is."""
    shares = [0.0]
    for label, limit in claims.items():
        _not_crossed(quantity, label, limit, found, place)
        attribute = label.partition(" ")[0]
        share = _share(quantity, limit, found)
        best[attribute] = max(best.get(attribute, 0.0), share)
        shares.append(share)
    return max(shares)


def _claims(
    case: Case, place: Place, quantity: str, reasons: dict[str, None]
) -> dict[str, float]:
    """Numbers claimed at a place, by method, sizes as numbers and as symbols."""
    found = {}
    for attribute, _ in methods(case, quantity):
        kinds: list[tuple[str, Callable[[str], Value]]] = [(attribute, place.ask)]
        if _speaks_symbols(case):
            kinds.append((f"{attribute} (sizes as symbols)", place.ask_in_symbols))
        for label, ask in kinds:
            value = ask(attribute)
            if isinstance(value, Unknown):
                if not value.reason.strip():
                    raise CheckFailed(f"{label} is Unknown without a reason")
                reasons[value.reason] = None
                continue
            number = place.number(as_expr(value))
            if not number.is_finite() or number < 0:
                raise CheckFailed(f"{label} gives {number}, on {place.setting}")
            end = number.lower() if sense_of(quantity) == "lower" else number.upper()
            found[label] = float(end)
    return found


def _speaks_symbols(case: Case) -> bool:
    from govcheck.bounds.expr import sym

    try:
        case.layer.shape(tuple(sym(f"d_{i}") for i in range(len(case.shape))))
    except ValueError:
        return False
    return True


def _search(
    case: Case, place: Place, quantity: str, claims: dict[str, float]
) -> float | None:
    """What the search finds; None where a lower bound says nothing."""
    if sense_of(quantity) == "lower" and not any(claims.values()) and not any(
        _exact(spec.tight) for _, spec in methods(case, quantity)
    ):
        return None
    if quantity in OF_PARAMETERS and not place.f.size:
        return 0.0
    if quantity == "sigma_skip" and place.at(case.shape, as_expr(1)).features is not as_expr(
        math.prod(case.sizes(case.layer.shape(case.shape)))
    ):
        raise CheckFailed("sigma_skip is claimed for a map that does not keep the size")
    return place.search(quantity, case.effort.starts, case.effort.steps)


def _not_crossed(
    quantity: str, label: str, limit: float, found: float, place: Place
) -> None:
    # outputs and derivatives in parameters are rounded relative to the input
    scaled = quantity.startswith("out") or quantity in OF_PARAMETERS
    size = float(place.setting.radius) if scaled else min(float(place.setting.radius), 30.0)
    slack = RELATIVE * limit + 1e-12 * max(1.0, size)
    lower = sense_of(quantity) == "lower"
    if found < limit - slack if lower else found > limit + slack:
        raise CheckFailed(
            f"{label} claims that {quantity} is at {'least' if lower else 'most'} {limit:.10g}, "
            f"and it is {found:.10g} at a point found ({place.setting})"
        )


def _share(quantity: str, limit: float, found: float) -> float:
    """How much of the bound is met: 1 is all of it."""
    small, large = (limit, found) if sense_of(quantity) == "lower" else (found, limit)
    return 1.0 if large <= 1e-9 else min(small / large, 1.0)


def _exact(tight: str) -> bool:
    head = tight.partition(":")[0].strip()
    return head in ("exact", "attained")


def check_far_from_origin(case: Case) -> str:
    """No bound is crossed by inputs of norms up to 1e12.

    Constants that are meant for all inputs are tried where a search from near the origin
    does not get.
    """
    done: dict[str, None] = {}
    for place in case.far_places:
        for quantity in quantities(case):
            if quantity == "sigma_skip" or (quantity in OF_PARAMETERS and not place.f.size):
                continue
            claims = _claims(case, place, quantity, {})
            if not claims or (sense_of(quantity) == "lower" and not any(claims.values())):
                continue
            climbs = quantity in ("J", "sigma_J", "xx")
            starts = min(1, case.effort.starts) if climbs else 0
            found = place.search(quantity, starts, case.effort.steps if starts else 0)
            for label, limit in claims.items():
                _not_crossed(quantity, label, limit, found, place)
            done[quantity] = None
    if not done:
        raise CheckSkipped("nothing is claimed for inputs that far out")
    return ", ".join(done)


def check_differences(case: Case) -> str:
    """No difference is steeper than a bound allows, kinks and jumps included.

    Automatic differentiation does not see that a derivative jumps, and so the attacks on the
    other bounds do not either.
    """
    from govcheck.numeric.differences import steepest_of

    done = []
    for place in case.places:
        if place.batch is not None or place.setting.full:
            continue
        for quantity in ("J", "D", "xx", "xt", "tt"):
            if quantity in OF_PARAMETERS and not place.f.size:
                continue
            limits = _claims(case, place, quantity, {})
            if not limits:
                continue
            label = min(limits, key=lambda k: limits[k])
            points = place.pool[: case.effort.points // 2]
            slope = steepest_of(place.f, quantity, points)
            if slope.value - slope.error > limits[label] * (1 + 1e-6) + 1e-9:
                raise CheckFailed(
                    f"{label} claims that {quantity} is at most {limits[label]:.6g}, and over a "
                    f"distance of {slope.distance:.1e} the slope is {slope.value:.6g} "
                    f"({place.setting}); is there a kink or a jump?"
                )
            done.append(quantity)
    if not done:
        raise CheckSkipped("no derivative is bounded")
    return "differences of " + ", ".join(dict.fromkeys(done))


def check_formulas(case: Case) -> str:
    """Formulas print, and those the grammar of files can write read back as they were."""
    from govcheck.bounds.printing import latex, text
    from govcheck.bounds.walk import symbols_of
    from govcheck.spec.formula import parse_formula
    from govcheck.spec.names import is_name
    from govcheck.spec.tokens import FormulaError

    same = total = 0
    for quantity in quantities(case):
        for place in case.places:
            for attribute, _ in methods(case, quantity):
                value = place.ask(attribute)
                if isinstance(value, Unknown):
                    continue
                formula = as_expr(value)
                symbols = {s.payload.name: s for s in symbols_of(formula)}
                written, total = text(formula), total + 1
                latex(formula)
                if not all(map(is_name, symbols)):
                    continue
                try:
                    again = parse_formula(written, symbols)
                except FormulaError:
                    continue
                if again is not formula and not place.number(again).overlaps(
                    place.number(formula)
                ):
                    raise CheckFailed(f"{attribute} prints as {written}, which reads back as "
                                      f"{text(again)}")
                same += 1
    if not total:
        raise CheckSkipped("there is no formula")
    return f"{same} of {total} formulas read back"
