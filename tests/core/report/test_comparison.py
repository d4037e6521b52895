"""Reports side by side: every number is that of the report it comes from."""

from __future__ import annotations

import json

import pytest

import govcheck as gc
from govcheck.report.comparison import Side, comparison, plots
from govcheck.report.document import document

TEXT = """
govcheck: 1
name: {name}
symbols: {{R: 1}}
input: [4]
layers: [affine: {{out: {out}}}, {phi}, affine: {{out: 2}}]
cost: half_square
data: {{sphere: {{n: {n}}}}}
domain: {{ball: R}}
theorems: [macdonald2022.corollary_4_3]
"""


def side(name: str, losses: list[tuple[int, float]] | None = None, **more: object) -> Side:
    given = {"name": name, "out": 4, "phi": "tanh", "n": 3} | more
    return Side(name, document(gc.analyze(gc.loads(TEXT.format(**given)))), None, losses or (), {})


@pytest.fixture(scope="module")
def sides() -> list[Side]:
    return [side("a"), side("b", phi="gelu"), side("c", phi="relu")]


def test_each_number_is_that_of_its_report(sides: list[Side]) -> None:
    found = comparison(sides)
    checked = 0
    for row in found["bounds"]:
        for s in sides:
            tables = s.document["bounds"]["network"] + s.document["bounds"]["loss"]
            answer = next(q for q in tables if q["quantity"] == row["quantity"])
            assert row["sides"][s.label]["value"] == answer["answers"]["tight"]["value"]
            checked += 1
    assert checked > 50
    json.dumps(found)


def test_the_sharpest_is_marked_by_the_sense(sides: list[Side]) -> None:
    found = {r["quantity"]: r for r in comparison(sides)["bounds"]}
    beta = found["beta"]
    assert beta["sides"]["c"]["value"] is None and "kink" in beta["sides"]["c"]["why"]
    numbers = {k: float(c["value"]) for k, c in beta["sides"].items() if c["value"]}
    assert beta["best"] == [k for k, v in numbers.items() if v == min(numbers.values())]
    eta = found["eta"]
    numbers = {k: float(c["value"]) for k, c in eta["sides"].items() if c["value"]}
    assert eta["best"] == [k for k, v in numbers.items() if v == max(numbers.values())]
    assert found["Gamma_2"]["best"] == []  # the same for all


def test_verdicts_say_what_fails_first(sides: list[Side]) -> None:
    (row,) = comparison(sides)["verdicts"]
    assert {k: v["status"] for k, v in row["sides"].items()} == {
        "a": "applies", "b": "applies", "c": "fails",
    }
    assert "Lipschitz" in row["sides"]["c"]["fails_first"]


def test_uneven_comparisons_are_remarked(sides: list[Side]) -> None:
    found = comparison(sides)
    assert found["remarks"] == []
    assert {r["quantity"]: r["best"] for r in found["bounds"]}["rate"] == []  # 1 for all that know
    other = comparison([sides[0], side("d", n=2)])
    assert all(r["best"] == [] for r in other["bounds"])
    assert any("different data" in r for r in comparison([sides[0], side("d", n=2)])["remarks"])


def test_losses_are_compared_at_common_steps_and_drawn() -> None:
    found = comparison([
        side("a", [(0, 4.0), (1, 2.0), (2, 1.0)]), side("b", [(0, 4.0), (2, 3.0), (4, 2.5)]),
    ])
    assert found["training"]["steps"] == [0, 2]
    assert found["training"]["losses"] == {"a": [4.0, 1.0], "b": [4.0, 3.0]}
    (drawing,) = plots(found)
    assert "after 2 steps: a 1, b 3" in drawing["alt"]
    from govcheck.report.plots import svg

    assert svg(drawing).count("<title") == 1


def test_without_training_nothing_is_drawn(sides: list[Side]) -> None:
    assert plots(comparison(sides)) == []
