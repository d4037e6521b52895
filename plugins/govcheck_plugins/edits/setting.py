"""Another cost, parameter set or number of samples around the same network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from govcheck.spec.lookup import Lookup
from govcheck.suggest.draft import Draft
from govcheck.suggest.edit import Edit, Place


class SquareCost(Edit):
    """The square cost, which is Polyak-Lojasiewicz on the whole space."""

    name: ClassVar[str] = "square_cost"
    price: ClassVar[int] = 2

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        cost = draft.root.get("cost")
        if cost == "square":
            return []
        words = f"train with cost: square in place of {cost}" if cost else "add cost: square"
        return [Place(("cost",), getattr(cost, "line", 0), words)]

    def act(self, draft: Draft, place: Place) -> None:
        draft.root["cost"] = "square"


class BoundedSet(Edit):
    """Statements about weights of norm at most 1 a layer, in place of all weights."""

    name: ClassVar[str] = "ball"
    price: ClassVar[int] = 2

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        if "domain" in draft.root:
            return []
        return [Place(("domain",), 0, "ask for the weights of norm at most 1 in each layer "
                      "(domain: {ball: 1}) instead of all")]

    def act(self, draft: Draft, place: Place) -> None:
        draft.root["domain"] = {"ball": "1"}


class WholeSpace(Edit):
    """Statements about all weights, in place of a bounded set of them."""

    name: ClassVar[str] = "whole_space"

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        if "domain" not in draft.root:
            return []
        return [Place(("domain",), 0, "ask for all weights: leave out domain")]

    def act(self, draft: Draft, place: Place) -> None:
        del draft.root["domain"]


class FewerSamples(Edit):
    """Half as many samples as features: with more than features they are never independent.

    Half, since real data has constant features, such as pixels at the edge.
    """

    name: ClassVar[str] = "fewer_samples"

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        wanted = _few(draft)
        return [
            Place(("data", source, "n"), getattr(settings["n"], "line", 0),
                  f"take n = {wanted} samples: there are {2 * wanted} features, and more samples "
                  "than features are never linearly independent")
            for source, settings in _sources(draft)
            if str(settings.get("n", "")).isdecimal() and int(settings["n"]) > wanted > 0
        ]

    def act(self, draft: Draft, place: Place) -> None:
        draft.put(place.path, str(_few(draft)))


def _sources(draft: Draft) -> list[tuple[str, dict[str, str]]]:
    data = draft.root.get("data")
    return [
        (k, v) for k, v in (data.items() if isinstance(data, dict) else ()) if isinstance(v, dict)
    ]


def _few(draft: Draft) -> int:
    total = 1
    for size in draft.root.get("input") or ():
        total *= int(size) if str(size).isdecimal() else 0
    return total // 2
