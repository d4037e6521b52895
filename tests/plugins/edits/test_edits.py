"""Each built-in edit: where it acts, what it writes, and that the result is a file."""

from __future__ import annotations

from pathlib import Path

import pytest

import govcheck as gc
from govcheck.plugin.registry import load_registry
from govcheck.suggest.draft import read

REGISTRY = load_registry()
HEAD = "govcheck: 1\ninput: [4]\nlayers:\n"
IMAGE = "govcheck: 1\ninput: [2, 4, 4]\nlayers:\n"
CASES = {
    "softplus": (HEAD + "- relu\n- leaky_relu: {slope: 1/10}\n- tanh\n",
                 HEAD + "- softplus\n- softplus\n- tanh\n"),
    "tanh": (HEAD + "- relu: {id: a}\n- tanh\n- gelu\n",
             HEAD + "- tanh: {id: a}\n- tanh\n- tanh\n"),
    "average_pool": (IMAGE + "- max_pool: {kernel: 2, stride: 2}\n",
                     IMAGE + "- avg_pool: {kernel: 2, stride: 2}\n"),
    "no_normalisation": (IMAGE + "- batch_norm\n- relu\n", IMAGE + "- relu\n"),
    "square_cost": (HEAD + "- tanh\ncost: half_square\n", HEAD + "- tanh\ncost: square\n"),
    "ball": (HEAD + "- tanh\n", HEAD + "- tanh\ndomain: {ball: 1}\n"),
    "whole_space": (HEAD + "- tanh\ndomain: {ball: 2}\n", HEAD + "- tanh\n"),
    "fewer_samples": (HEAD + "- tanh\ndata: {sphere: {n: 5}}\n",
                      HEAD + "- tanh\ndata: {sphere: {n: 2}}\n"),
    "no_bias": (HEAD + "- affine: {out: 4}\n", HEAD + "- affine: {out: 4, bias: false}\n"),
    "weight_norm": (HEAD + "- affine: {out: 4}\n- affine: {out: 4, weight: entrywise, eps: 1}\n",
                    HEAD + "- affine: {out: 4, weight: weight_norm, eps: 1}\n"
                    "- affine: {out: 4, weight: entrywise, eps: 1}\n"),
    "entrywise_first": (HEAD + "- affine: {out: 3}\n- affine: {out: 3}\n",
                        HEAD + "- affine: {out: 3, weight: entrywise, eps: 1, bias: false}\n"
                        "- affine: {out: 3}\n"),
    "scale_branch": (HEAD + "- residual: [{affine: {out: 4}}, tanh, {affine: {out: 4}}]\n",
                     HEAD + "- residual: [{affine: {out: 4, scale: (1 - 1/10)/sqrt(4)}}, tanh, "
                     "{affine: {out: 4, scale: 1/sqrt(4)}}]\n"),
    "skip": (HEAD + "- affine: {out: 8}\n- tanh\n- affine: {out: 8}\n- tanh\n- tanh\n",
             HEAD + "- affine: {out: 8}\n- tanh\n- residual: [{affine: {out: 8}}, tanh]\n- tanh\n"),
}


def test_every_edit_has_a_case() -> None:
    assert set(CASES) == set(REGISTRY.edits)


@pytest.mark.parametrize("name", CASES)
def test_an_edit_writes_what_it_says(name: str) -> None:
    before, wanted = CASES[name]
    gc.loads(before)
    edit = REGISTRY.edits[name]()
    draft = read(before)
    places = edit.places(draft, REGISTRY)
    assert places and all(p.words for p in places)
    for place in reversed(places):
        edit.act(draft, place)
    assert draft.root == read(wanted).root
    gc.loads(draft.text())


@pytest.mark.parametrize("name", CASES)
def test_an_edit_has_nothing_left_to_do(name: str) -> None:
    """A file that was edited offers no further place, so that searches end."""
    edit = REGISTRY.edits[name]()
    draft = read(CASES[name][1])
    assert not edit.places(draft, REGISTRY)


def test_the_page_lists_every_edit_with_its_price() -> None:
    page = (Path(__file__).parents[3] / "docs" / "suggest.md").read_text()
    rows = {
        cells[1].strip().strip("`"): int(cells[2])
        for cells in (line.split("|") for line in page.splitlines() if line.startswith("| `"))
    }
    assert rows == {name: edit.price for name, edit in REGISTRY.edits.items()}
