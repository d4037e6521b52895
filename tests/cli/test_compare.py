"""``govcheck compare``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from govcheck_cli.main import main

TEXT = """
govcheck: 1
name: a network
symbols: {{m: 4, R: 1}}
input: [4]
layers: [affine: {{out: m}}, {phi}, affine: {{out: 2}}]
cost: half_square
data: {{sphere: {{n: 3}}}}
domain: {{ball: R}}
theorems: [macdonald2022.corollary_4_3]
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    found = []
    for name, phi in (("smooth", "tanh"), ("kinked", "relu")):
        path = tmp_path / f"{name}.yaml"
        path.write_text(TEXT.format(phi=phi))
        found.append(str(path))
    return found


def test_the_table(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *files]) == 0
    out = capsys.readouterr().out
    assert "smooth" in out and "kinked" in out and "unknown" in out
    assert "smooth: applies" in out and "kinked: fails; fails first" in out
    assert max(map(len, out.splitlines())) <= 80


def test_measured_and_trained(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tmp_path / "losses.svg"
    assert main(["compare", *files, "--measure", "--train", "4", "--plot", str(drawn),
                 "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {r["quantity"]: r["sides"] for r in found["spectra"]}
    assert {"J", "D", "sigma_D", "lambda_max"} <= set(rows)
    assert main(["measure", files[0], "--json", "--quantities", "jacobian"]) == 0
    alone = {r["quantity"]: r for r in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["J"]["smooth"]["value"] == pytest.approx(alone["J"]["measured"]["value"])
    losses = found["training"]["losses"]
    assert found["training"]["steps"] == [0, 1, 2, 3, 4]
    assert all(v[-1] < v[0] for v in losses.values())
    assert found["training"]["how"]["smooth"]["step_size"] == pytest.approx(
        1 / rows["lambda_max"]["smooth"]["value"], rel=1e-3)
    assert drawn.read_text().startswith("<")


def test_symbols_are_set_in_every_file(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *files, "--set", "m=8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {a["parameters"]["value"] for a in found["architectures"]} == {"58"}


def test_files_of_the_same_name_keep_their_paths(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "more" / "smooth.yaml"
    other.parent.mkdir()
    other.write_text(TEXT.format(phi="gelu"))
    assert main(["compare", files[0], str(other), "--json"]) == 0
    labels = [a["label"] for a in json.loads(capsys.readouterr().out)["architectures"]]
    assert labels == [files[0], str(other)]


@pytest.mark.parametrize(("arguments", "said"), [
    ([], "name two or more"),
    (["second", "--plot", "x.svg"], "--plot: it draws losses, so it needs --train STEPS"),
    (["second", "--measure", "--no-data"], "--no-data"),
    (["absent.yaml"], "there is no such file"),
])
def test_wrong_arguments(
    files: list[str], arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [files[1] if a == "second" else a for a in arguments]
    assert main(["compare", files[0], *given]) == 2
    assert said in capsys.readouterr().err
