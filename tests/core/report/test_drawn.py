"""Drawings of results that other commands printed, in a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from govcheck.errors import InputError
from govcheck.report.drawn import drawings
from govcheck_cli.main import main

TEXT = """
govcheck: 1
input: [4]
layers: [affine: {out: 4}, tanh, affine: {out: 2}]
cost: half_square
data: {sphere: {n: 3}}
domain: {ball: 1}
theorems: [macdonald2022.corollary_4_3]
"""


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    net = tmp_path / "net.yaml"
    net.write_text(TEXT)
    assert main(["train", str(net), "--steps", "5", "--step-size", "1/10", "-o",
                 str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert main(["measure", str(net), "--spectra", "--json"]) == 0
    (tmp_path / "spectra.json").write_text(capsys.readouterr().out)
    return tmp_path


def test_runs_and_spectra_are_drawn_in_every_format(folder: Path) -> None:
    names = [folder / f"report.{e}" for e in ("json", "html", "md", "tex")]
    arguments = [x for n in names for x in ("-o", str(n))]
    assert main(["report", str(folder / "net.yaml"), *arguments,
                 "--draw", str(folder / "run"), "--draw", str(folder / "spectra.json")]) == 0
    doc = json.loads(names[0].read_text())
    drawn = [p for p in doc["plots"] if p["source"].startswith("drawn.")]
    assert {p["source"] for p in drawn} == {
        "drawn.training of run", "drawn.measurement of spectra.json",
    }
    loss = next(p for p in drawn if p["kind"] == "loss")
    records = [json.loads(line) for line in (folder / "run" / "results.jsonl").open()]
    measured = next(s for s in loss["series"] if s["role"] == "measured")
    assert measured["y"] == [r["loss"] for r in records]
    page = names[1].read_text()
    assert page.count("<figure") >= len(doc["plots"])
    for p in drawn:
        assert f"report-{p['key']}.svg" in names[2].read_text()
        assert f"report-{p['key']}" in names[3].read_text()
    assert main(["report", str(names[0]), "-o", str(folder / "again.md")]) == 0


@pytest.mark.parametrize(("content", "said"), [
    ("{", "it is no JSON"), ("[1]", "it is no mapping"), ("{}", "nothing in it to draw"),
    ('{"rows": [{"depth": 1}]}', "it has not the parts"), ('{"rows": 3}', "it has not the parts"),
])
def test_other_files_are_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        drawings([path])


def test_absent_files_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        drawings([tmp_path / "absent.json"])
    with pytest.raises(InputError, match="no run with results"):
        drawings([tmp_path])
