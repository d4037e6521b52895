"""An architecture file as plain data: reading and writing changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

import govcheck as gc
from govcheck.errors import InputError
from govcheck.report.document import document
from govcheck.suggest.draft import read, setting

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_a_file_written_again_is_the_same_architecture(path: Path) -> None:
    text = path.read_text()
    before, after = gc.loads(text), gc.loads(read(text).text())
    assert [(b.node, b.layer) for b in _layers(before)] == [
        (b.node, b.layer) for b in _layers(after)
    ]
    for part in ("symbols", "values", "input", "output", "cost", "train"):
        assert getattr(before, part) == getattr(after, part), part


def _layers(arch):
    from govcheck.graph.blocks import leaves

    return list(leaves(arch.body))


def test_the_report_of_a_file_written_again_is_the_same() -> None:
    text = (EXAMPLES[0].parent / "unet_like.yaml").read_text()
    both = [document(gc.analyze(gc.loads(t))) for t in (text, read(text).text())]
    for doc in both:  # positions differ, since the comments are gone
        doc.pop("layers"), doc["architecture"].pop("tree")
    assert both[0] == both[1]


def test_scalars_stay_the_text_that_they_are() -> None:
    text = "a: no\nb: 010\nc: 1e-3\nd: ~\ne:\nf: ''\ng: \"x: y # z\"\nh: 'null'\n"
    again = read(read(text).text())
    assert again.root == read(text).root == {
        "a": "no", "b": "010", "c": "1e-3", "d": None, "e": None, "f": "",
        "g": "x: y # z", "h": "null",
    }


def test_quoted_words_for_nothing_stay_words() -> None:
    text = read("a: 1\nb: 2\n")
    text.root["a"], text.root["b"] = "~", "null"
    assert "'~'" in text.text() and "'null'" in text.text()


def test_steps_are_listed_outer_first_with_lines_and_blocks() -> None:
    draft = read(
        "govcheck: 1\ninput: [4]\nlayers:\n  - affine: {out: 4}\n  - repeat:\n      times: 2\n"
        "      block:\n        - residual:\n            - tanh\n  - parallel:\n"
        "      join: sum\n      branches:\n        - []\n        - - relu\n"
    )
    steps = draft.steps()
    assert [(s.kind, s.line, s.within) for s in steps] == [
        ("affine", 4, ()),
        ("repeat", 5, ()),
        ("residual", 8, ("repeat",)),
        ("tanh", 9, ("repeat", "residual")),
        ("parallel", 10, ()),
        ("relu", 14, ("parallel",)),
    ]
    assert setting(steps[0], "out") == "4"
    draft.rename(steps[3], "softplus")
    draft.set(steps[0], bias="false")
    draft.remove(steps[-1])
    after = draft.text()
    assert "softplus" in after and "bias: false" in after and "relu" not in after


def test_renaming_keeps_the_edges() -> None:
    draft = read("layers:\n- relu: {id: a, from: b}\n")
    draft.rename(draft.steps()[0], "tanh")
    assert draft.root["layers"] == [{"tanh": {"id": "a", "from": "b"}}]


def test_a_file_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(InputError, match="not a mapping"):
        read("- a\n- b\n")
