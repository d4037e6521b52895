"""Other layers in place of those that have no smoothness constant, or none of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from govcheck.bounds.answer import Unknown
from govcheck.plugin import Activation
from govcheck.spec.lookup import Lookup
from govcheck.suggest.draft import Draft, Step, setting
from govcheck.suggest.edit import Edit, Place

NORMALISING: Final = ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm")


def found(draft: Draft, wanted: Callable[[Step], bool], words: str) -> list[Place]:
    """Steps of a kind as places; ``{}`` in the words stands for the layer."""
    return [
        Place(s.path, s.line, words.format(s.kind)) for s in draft.steps() if wanted(s)
    ]


def step_at(draft: Draft, place: Place) -> Step:
    """The step at a place."""
    return next(s for s in draft.steps() if s.path == place.path)


def _curved(kind: str, lookup: Lookup) -> bool | None:
    """Whether an activation has a Lipschitz derivative; None for what is no activation."""
    cls = lookup.layers.get(kind)
    if cls is None or not issubclass(cls, Activation):
        return None
    try:
        return not isinstance(cls().constants().curvature, Unknown)
    except (TypeError, ValueError):  # it cannot be made without settings
        return False


class Softplus(Edit):
    """Softplus in place of activations with a kink, which softplus is close to."""

    name: ClassVar[str] = "softplus"

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        return found(draft, lambda s: _curved(s.kind, lookup) is False,
                     "replace {} by softplus, whose derivative is Lipschitz")

    def act(self, draft: Draft, place: Place) -> None:
        draft.rename(step_at(draft, place), "softplus")


class Tanh(Edit):
    """Tanh in place of other activations: smooth, bounded, of slope at most 1."""

    name: ClassVar[str] = "tanh"

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        return found(
            draft, lambda s: s.kind != self.name and _curved(s.kind, lookup) is not None,
            "replace {} by tanh, which is smooth and bounded",
        )

    def act(self, draft: Draft, place: Place) -> None:
        draft.rename(step_at(draft, place), "tanh")


class AveragePool(Edit):
    """Average pooling in place of maximum pooling."""

    name: ClassVar[str] = "average_pool"

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        return found(draft, lambda s: s.kind == "max_pool" and not setting(s, "padding"),
                     "replace {} by avg_pool, which is linear")

    def act(self, draft: Draft, place: Place) -> None:
        step = step_at(draft, place)
        draft.rename(step, "avg_pool", {
            key: value for key in ("kernel", "stride") if (value := setting(step, key))
        })


class NoNormalisation(Edit):
    """No normalising layers."""

    name: ClassVar[str] = "no_normalisation"
    price: ClassVar[int] = 2

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        return found(draft, lambda s: s.kind in NORMALISING and not setting(s, "id"),
                     "leave out {}")

    def act(self, draft: Draft, place: Place) -> None:
        draft.remove(step_at(draft, place))
