"""The three sentences at the end: what is guaranteed, what fails first, what to change."""

from __future__ import annotations

import pytest

import govcheck as gc
from govcheck.report.document import document

TEXT = """
govcheck: 1
input: [4]
layers: [affine: {{out: 4}}, {phi}, affine: {{out: 2}}]
cost: half_square
data: {{sphere: {{n: 3}}}}
{more}
"""


def sentences(phi: str, more: str, mode: str = "tight") -> list[str]:
    doc = document(gc.analyze(gc.loads(TEXT.format(phi=phi, more=more)), mode))
    return doc["in_short"]


def test_all_that_is_asked_for_applies() -> None:
    found = sentences("tanh", "domain: {ball: 1}\ntheorems: [macdonald2022.corollary_4_3]")
    assert len(found) == 2
    assert found[0].startswith("Guaranteed: steps below 2/beta never increase the loss inside")
    assert "[M] Prop 4.2 and Cor 4.3 apply." in found[0]
    assert found[1] == "Every theorem that was decided applies."


def test_the_first_that_is_asked_for_and_fails() -> None:
    found = sentences("relu", "theorems: [macdonald2022.theorem_4_8, macdonald2022.theorem_2_2]")
    assert found[0] == "Guaranteed: no step size, since beta is unknown."
    assert found[1].startswith("Fails first: [M] Thm 4.8, where 'the first layer is affine")
    assert "govcheck suggest <text> --theorem macdonald2022.theorem_4_8" in found[2]


def test_without_names_the_nearest_theorem_is_said() -> None:
    found = sentences("tanh", "domain: {ball: 1}")
    doc = document(gc.analyze(gc.loads(TEXT.format(phi="tanh", more="domain: {ball: 1}"))))
    failing = [
        v for v in doc["theorems"]
        if v["reading"] == "as_corrected" and v["status"] != "applies"
    ]
    fewest = min(sum(not h["holds"] for h in v["hypotheses"]) for v in failing)
    named = next(v for v in failing if v["theorem"] in found[2])
    assert sum(not h["holds"] for h in named["hypotheses"]) == fewest


@pytest.mark.parametrize(("more", "mode", "said"), [
    ("domain: {ball: 1}", "paper", "nothing by these constants"),
    ("domain: {ball: R}\nsymbols: {R: }", "tight", "steps below 2/beta never increase the loss"),
])
def test_what_is_not_guaranteed_is_not_said_to_be(more: str, mode: str, said: str) -> None:
    assert said in sentences("tanh", more, mode)[0]


def test_without_a_cost_there_is_no_loss() -> None:
    doc = document(gc.analyze(gc.loads("govcheck: 1\ninput: [4]\nlayers: [tanh]\n")))
    assert "no loss without a cost" in doc["in_short"][0]
