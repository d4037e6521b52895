"""``govcheck suggest``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import govcheck as gc
from govcheck_cli.main import main

TEXT = """\
# a comment
govcheck: 1
symbols: {R: 1}
input: [8]
layers:
  - affine: {out: 4, weight: entrywise, eps: 1, bias: false}
  - residual:
      - affine: {out: 4, weight: weight_norm, eps: 1, bias: false}
      - tanh
cost: square
data: {sphere: {n: 4}}
theorems:
  - macdonald2022.theorem_4_8: {R: R}
"""
GOOD = TEXT.replace("weight_norm, eps: 1", "weight_norm, eps: 1, scale: 1/4")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.yaml"
    path.write_text(TEXT)
    return path


def test_the_edit_is_said_with_its_line_and_can_be_written(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = file.with_name("new.yaml")
    assert main(["suggest", str(file), "-o", str(fresh)]) == 0
    out = capsys.readouterr().out
    assert "line 7: scale the branch by (1 - delta)/sqrt(4), delta = 1/10" in out
    assert "It applies with these edits" in out
    analysis = gc.analyze(gc.load(fresh))
    assert all(v.status == "applies" for v in analysis.verdicts if v.reading == "as_corrected")
    assert "mu(R)" in analysis.verdicts[1].conclusions or any(
        "mu(R)" in v.conclusions for v in analysis.verdicts)
    assert file.read_text() == TEXT


def test_json_has_both_outcomes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suggest", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["theorems"][0]
    assert found["before"]["applies"] is False and found["after"]["applies"] is True
    assert found["mended"] == ["contraction"] and found["complete"] is True
    assert found["after"]["edits"][0]["line"] == 7


def test_what_applies_needs_no_edit(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD)
    assert main(["suggest", str(file)]) == 0
    assert "applies as the file is" in capsys.readouterr().out


def test_without_an_answer_the_exit_code_is_1(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["suggest", str(file), "--theorem", "zhang2022.theorem_1", "--seconds", "1"]) == 1
    assert "edited files were analysed" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "said"), [
    (["--theorem", "macdonald2022.theorem_4_9"], "did you mean 'macdonald2022.theorem_4_8'?"),
    (["--seconds", "0"], "--seconds: it takes a positive number"),
    (["--theorem", "macdonald2022.theorem_2_1", "--theorem", "macdonald2022.theorem_2_2",
      "-o", "x.yaml"], "one file is written for one theorem, not for 2"),
])
def test_wrong_arguments(
    file: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["suggest", str(file), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_file_without_theorems_says_how_to_name_one(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(TEXT.partition("theorems:")[0])
    assert main(["suggest", str(file)]) == 2
    assert "--theorem NAME" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_leaves_nothing(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["suggest", str(file), "-o", str(file.parent / "no" / "new.yaml")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert [p.name for p in file.parent.iterdir()] == ["net.yaml"]


def test_the_file_that_is_read_is_never_replaced(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["suggest", str(file), "-o", str(file)]) == 2
    assert "the file that is read" in capsys.readouterr().err and file.read_text() == TEXT


def test_without_edits_it_says_that_nothing_is_written(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(GOOD)
    fresh = file.parent / "new.yaml"
    assert main(["suggest", str(file), "-o", str(fresh)]) == 0
    assert "is not written" in capsys.readouterr().err and not fresh.exists()
