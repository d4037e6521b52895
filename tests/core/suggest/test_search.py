"""The search: what it says is decided by analysis, and nothing cheaper does it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import govcheck as gc
from govcheck.plugin.registry import load_registry
from govcheck.suggest.draft import Draft, read
from govcheck.suggest.edit import Edit, Place
from govcheck.suggest.search import Search, Suggestion

REGISTRY = load_registry()
BUILTIN = [edit() for edit in REGISTRY.edits.values()]

NEAR = """
govcheck: 1
input: [8]
layers:
  - affine: {{out: 4, weight: entrywise, eps: 1{bias}}}
  - residual:
      - affine: {{out: 4, weight: weight_norm, eps: 1, bias: false{scale}}}
      - {phi}
cost: {cost}
data: {{sphere: {{n: {n}}}}}
"""
GOOD = {"bias": ", bias: false", "scale": ", scale: 9/10/sqrt(4)", "phi": "tanh",
        "cost": "square", "n": 4}
BAD = {"bias": "", "scale": "", "phi": "relu", "cost": "cross_entropy", "n": 9}
T48 = "macdonald2022.theorem_4_8"
COR43 = "macdonald2022.corollary_4_3"


def search(text: str, theorem: str, edits: list[Edit] | None = None, **more: Any) -> Suggestion:
    return Search(read(text), "<text>", theorem, theorem, REGISTRY,
                  BUILTIN if edits is None else edits, **more).run()


@pytest.mark.parametrize("broken", [
    c for k in (1, 2) for c in itertools.combinations(GOOD, k)
] + [tuple(GOOD)], ids="-".join)
def test_a_network_that_was_spoilt_is_mended_by_as_many_edits(broken: tuple[str, ...]) -> None:
    text = NEAR.format(**GOOD | {k: BAD[k] for k in broken})
    found = search(text, T48)
    assert found.before.failing
    assert found.after is not None and found.after.applies
    assert len(found.after.actions) <= len(broken)
    again = gc.analyze(gc.loads(found.after.text)).verdicts
    assert all(v.status == "applies" for v in again if v.reading == "as_corrected")
    assert {h.key for h in found.mended} == {h.key for h in found.before.failing}


def test_nothing_is_suggested_where_the_theorem_applies() -> None:
    found = search(NEAR.format(**GOOD), T48)
    assert found.before.applies and found.after is None and found.tried == 0


def test_only_the_places_that_matter_are_edited() -> None:
    """Of three activations two are smooth already; their layers stay as they are."""
    text = """
govcheck: 1
input: [4]
layers: [affine: {out: 4}, gelu, affine: {out: 4}, relu, affine: {out: 4}, softplus]
cost: square
data: {sphere: {n: 4}}
domain: {ball: 1}
"""
    found = search(text, COR43)
    assert found.after is not None and found.after.applies
    assert [p.words for p in found.after.done] == [
        "replace relu by softplus, whose derivative is Lipschitz"
    ]
    assert [s.kind for s in read(found.after.text).steps()] == [
        "affine", "gelu", "affine", "softplus", "affine", "softplus",
    ]


class Nonsense(Edit):
    """Writes something that no file may have."""

    name = "nonsense"

    def places(self, draft: Draft, lookup: Any) -> list[Place]:
        return [Place(("layers", 0), 4, "break the file")]

    def act(self, draft: Draft, place: Place) -> None:
        draft.put(place.path, {"affine": {"out": "-3"}})


def test_edits_that_give_a_wrong_file_are_passed_over() -> None:
    found = search(NEAR.format(**GOOD | {"phi": "relu"}), T48, [Nonsense()])
    assert found.after is None and found.tried == 1 and found.complete


def test_without_a_full_answer_the_best_part_is_given() -> None:
    scale = REGISTRY.edits["scale_branch"]()
    found = search(NEAR.format(**BAD), T48, [scale])
    assert found.after is not None and not found.after.applies
    assert [h.key for h in found.mended] == ["contraction"]


def test_when_the_time_is_up_it_says_so() -> None:
    found = search(NEAR.format(**BAD), T48, seconds=0.0)
    assert not found.complete and found.after is None


def test_the_search_gives_the_same_answer_again() -> None:
    text = NEAR.format(**BAD | {"n": 4})
    assert search(text, T48).after.text == search(text, T48).after.text
