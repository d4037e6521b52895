"""Other parameterisations of weights, and factors before residual branches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from govcheck.spec.lookup import Lookup
from govcheck.suggest.draft import Draft, Path, Step, setting
from govcheck.suggest.edit import Edit, Place
from govcheck_plugins.edits.layers import found, step_at

LINEAR: Final = ("affine", "conv")
DELTA: Final = "(1 - 1/10)"


class NoBias(Edit):
    """Layers without trained offsets."""

    name: ClassVar[str] = "no_bias"

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        return found(draft, lambda s: s.kind in LINEAR and setting(s, "bias") != "false",
                     "leave out the bias of {}")

    def act(self, draft: Draft, place: Place) -> None:
        draft.set(step_at(draft, place), bias="false")


class WeightNormalisation(Edit):
    """Rows ``w/sqrt(eps + |w|^2)``, of norm below 1 whatever the parameters are."""

    name: ClassVar[str] = "weight_norm"

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        return found(draft, lambda s: s.kind in LINEAR and _plain(s),
                     "give {} the parameterisation weight_norm (bounded rows)")

    def act(self, draft: Draft, place: Place) -> None:
        draft.set(step_at(draft, place), weight="weight_norm", eps="1")


class EntrywiseFirst(Edit):
    """Entries ``w/sqrt(eps + w^2)`` in the first layer, [M] eq 26: bounded and regular."""

    name: ClassVar[str] = "entrywise_first"

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        first = draft.steps()[:1]
        return [
            Place(s.path, s.line, "give the first layer the parameterisation entrywise, without "
                  "bias ([M] eq 26)")
            for s in first if s.kind == "affine" and setting(s, "weight") != "entrywise"
        ]

    def act(self, draft: Draft, place: Place) -> None:
        draft.set(step_at(draft, place), weight="entrywise", eps="1", bias="false")


class ScaleBranch(Edit):
    """Residual branches scaled so that their derivative is below 1."""

    name: ClassVar[str] = "scale_branch"

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        places = []
        for block in draft.steps():
            inner = _affine(draft, block.path) if block.kind == "residual" else []
            if inner and DELTA not in setting(inner[0], "scale"):
                m = setting(inner[-1], "out")
                words = f"scale the branch by (1 - delta)/sqrt({m}), delta = 1/10"
                places.append(Place(block.path, block.line, words))
        return places

    def act(self, draft: Draft, place: Place) -> None:
        inner = _affine(draft, place.path)
        for i, step in enumerate(inner):
            contraction = DELTA if i == 0 else "1"
            old = setting(step, "scale")
            # a factor that was there is replaced: the smallest file says what is needed once
            fresh = f"{contraction}/sqrt({setting(step, 'out')})"
            if old != fresh:
                draft.set(step, scale=fresh)


class SkipConnection(Edit):
    """Identity shortcuts around layers that keep the width."""

    name: ClassVar[str] = "skip"
    price: ClassVar[int] = 2

    def places(self, draft: Draft, lookup: Lookup) -> Sequence[Place]:
        steps = draft.steps()
        places = []
        width = ""
        for here, after in zip(steps, [*steps[1:], None], strict=True):
            if here.kind not in LINEAR:
                continue
            out = setting(here, "out")
            alone = "residual" not in here.within and after is not None
            follows = after is not None and after.path == (*here.path[:-1], _next(here.path))
            if alone and follows and out == width and not setting(here, "id"):
                places.append(Place(here.path, here.line,
                                    f"put a skip connection around {here.kind} and "
                                    f"{after.kind if after else ''}"))
            width = out
        return places

    def act(self, draft: Draft, place: Place) -> None:
        sequence = draft.at(place.path[:-1])
        i = place.path[-1]
        assert isinstance(i, int)
        sequence[i:i + 2] = [{"residual": sequence[i:i + 2]}]


def _next(path: Path) -> int:
    last = path[-1]
    return last + 1 if isinstance(last, int) else -1


def _plain(step: Step) -> bool:
    return setting(step, "weight", "plain") == "plain"


def _affine(draft: Draft, block: Path) -> list[Step]:
    return [
        s for s in draft.steps()
        if s.kind == "affine" and len(s.path) > len(block) and s.path[:len(block)] == block
    ]
