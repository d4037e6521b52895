"""The ten constants of a map, for one layer and for a composition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from govcheck.bounds.answer import (
    CARRIED,
    Bound,
    ComposedBound,
    LocalBound,
    Ref,
    Unknown,
    Value,
    sense_of,
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
            norm of the data, norms of single ``rows`` and samples, norms of ``chains`` of
            several layers together.
        order: 1 leaves out what only bounds of second order need.
    """

    name: str
    lemma81: bool = False
    printed: bool = False
    leave_out: frozenset[str] = frozenset()
    order: int = 2

    def asks(self, quantity: str) -> bool:
        """Whether this quantity is composed."""
        return self.order > 1 or quantity not in SECOND_ORDER

    @property
    def same(self) -> dict[str, str]:
        """Quantities asked for but not told apart, with the larger one that stands for each."""
        found = {}
        if "spectral" in self.leave_out:
            found["out_spec"] = "out"
        if "rows" in self.leave_out:
            found |= {"out_max": found.get("out_spec", "out_spec"), "J_rows": "J", "D_rows": "D"}
        return {q: larger for q, larger in found.items() if self.asks(q)}


SECOND_ORDER: Final = frozenset({"xx", "xt", "tt", "J_rows", "D_rows", "J_inf", "xx_inf"})
NOT_ASKED: Final = Unknown.because("not composed: only bounds of first order were asked for")
COARSE_KNOWLEDGE: Final = frozenset({"boundedness", "chains", "rows", "spectral"})
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


INPUT_NORMS: Final = ("out", "out_spec", "out_max", "out_inj")

START: Final = Ref("definition", "identity map")


def identity(
    node: str, norms: Mapping[str, Value], premises: Mapping[str, Bound]
) -> MapConstants:
    """The identity on an input set.

    Args:
        node: the place of the input.
        norms: values of `INPUT_NORMS`.
        premises: where they come from, as far as they come from somewhere.
    """
    values: dict[str, Value] = dict.fromkeys(CARRIED, ZERO)
    values |= {"J": ONE, "J_rows": ONE, "sigma_J": ONE} | dict(norms)
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
