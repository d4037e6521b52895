"""The ten constants of a map, for one layer and for a composition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from govcheck.bounds.answer import (
    LOWER,
    QUANTITIES,
    Bound,
    ComposedBound,
    LocalBound,
    Ref,
    Sense,
    Value,
)
from govcheck.bounds.expr import ONE, ZERO, Expr, let

B = TypeVar("B", bound=Bound, covariant=True)


@dataclass(frozen=True)
class Mode:
    """How bounds are composed.

    Args:
        name: for people.
        lemma81: compose by sums of products ([M] Lemma 8.1) instead of the sharp rules.
        printed: use the constants a paper prints where it prints any, errata included.
        leave_out: knowledge not used: ``boundedness`` of activations, the ``spectral``
            norm of the data.
    """

    name: str
    lemma81: bool = False
    printed: bool = False
    leave_out: frozenset[str] = frozenset()


COARSE_KNOWLEDGE: Final = frozenset({"boundedness", "spectral"})
TIGHT: Final = Mode("tight")
COARSE: Final = Mode("coarse", leave_out=COARSE_KNOWLEDGE)
SUMS: Final = Mode("sums", lemma81=True, leave_out=COARSE_KNOWLEDGE)
PAPER: Final = Mode("paper", lemma81=True, printed=True, leave_out=COARSE_KNOWLEDGE)
MODES: Final = {m.name: m for m in (TIGHT, COARSE, SUMS, PAPER)}


@dataclass(frozen=True, eq=False)
class Constants(Generic[B]):
    """Bounds of one map by quantity.

    Args:
        node: the layer, or the place up to which the map goes.
        bounds: one answer for each of `QUANTITIES`.
    """

    node: str
    bounds: Mapping[str, B]

    def __getitem__(self, quantity: str) -> B:
        return self.bounds[quantity]

    def value(self, quantity: str) -> Value:
        """The formula, or Unknown."""
        return self.bounds[quantity].value


LayerConstants = Constants[LocalBound]
MapConstants = Constants[ComposedBound]


def sense_of(quantity: str) -> Sense:
    """Whether a quantity is bounded from above or from below."""
    return "lower" if quantity in LOWER else "upper"


def composed(
    quantity: str,
    node: str,
    value: Value,
    rule: str,
    ref: Ref,
    premises: tuple[Bound, ...] = (),
    note: str = "",
) -> ComposedBound:
    """A composed answer whose formula gets a name when it is long."""
    if isinstance(value, Expr):
        value = let(f"{quantity}@{node}", value)
    return ComposedBound(
        quantity, node, value, sense_of(quantity), rule, ref, premises, note
    )


START: Final = Ref("definition", "identity map")


def identity(
    node: str, out: Value, out_spec: Value, out_inj: Value, premises: Mapping[str, Bound]
) -> MapConstants:
    """The identity on an input set with these norms."""
    values: dict[str, Value] = dict.fromkeys(QUANTITIES, ZERO)
    values |= {"J": ONE, "sigma_J": ONE, "out": out, "out_spec": out_spec, "out_inj": out_inj}
    return Constants(
        node,
        {
            q: ComposedBound(
                q, node, v, sense_of(q), "input set" if q in premises else "identity map",
                START, (premises[q],) if q in premises else (),
            )
            for q, v in values.items()
        },
    )
