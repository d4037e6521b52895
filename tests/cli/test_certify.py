from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from govcheck_cli.main import main

SMALL = """govcheck: 1
symbols: {m: 8}
input: [4]
layers:
  - affine: {out: m, bias: false}
  - %s
  - affine: {out: 1, scale: 1/sqrt(m)}
cost: half_square
data: {sphere: {n: 3, seed: 0}}
"""


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., str]:
    def write(activation: str = "tanh") -> str:
        path = tmp_path / "small.yaml"
        path.write_text(SMALL % activation)
        return str(path)

    return write


def test_certify_and_verify(small: Callable[..., str], tmp_path: Path, capsys: Any) -> None:
    cert = str(tmp_path / "cert.json")
    assert main(["certify", small(), "-o", cert]) == 0
    printed = capsys.readouterr()
    assert "Proven from the parameters in the file" in printed.out
    assert "step 0: loss" in printed.err
    assert main(["verify", cert]) == 0
    assert "PASS path" in capsys.readouterr().out
    assert main(["verify", cert, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["accepted"]
    assert all(x["holds"] for x in report["inequalities"])
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".yaml"] == ["cert.json"]


def test_from_the_start(small: Callable[..., str], tmp_path: Path, capsys: Any) -> None:
    cert = tmp_path / "cert.json"
    assert main(["certify", small(), "-o", str(cert), "--shadow", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["from_start"]
    assert json.loads(cert.read_text())["shadow"]["steps"] == report["steps"] > 0
    assert main(["verify", str(cert)]) == 0


def test_a_changed_file_is_refused(small: Callable[..., str], tmp_path: Path, capsys: Any) -> None:
    cert = tmp_path / "cert.json"
    assert main(["certify", small(), "-o", str(cert)]) == 0
    file = json.loads(cert.read_text())
    file["claims"]["residual"] = (1e-12).hex()
    cert.write_text(json.dumps(file))
    capsys.readouterr()
    assert main(["verify", str(cert)]) == 1
    assert "FAIL residual" in capsys.readouterr().out
    file["step"] = "-0x1.0000000000000p-3"
    cert.write_text(json.dumps(file))
    assert main(["verify", str(cert)]) == 2
    assert "not positive" in capsys.readouterr().err
    assert main(["verify", str(tmp_path / "none.json")]) == 2


def test_an_open_proof_writes_nothing_and_says_what_would_close_it(
    small: Callable[..., str], tmp_path: Path, capsys: Any
) -> None:
    cert = tmp_path / "cert.json"
    assert main(["certify", small(), "-o", str(cert), "--from", "init", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert not report["proven"]
    assert report["h"] > 0.4
    assert not cert.exists()
    assert main(["certify", small(), "-o", str(cert), "--from", "init"]) == 1
    assert "refutes nothing" in capsys.readouterr().out


def test_from_a_checkpoint(small: Callable[..., str], tmp_path: Path, capsys: Any) -> None:
    cert, weights = tmp_path / "cert.json", tmp_path / "weights.npz"
    assert main(["certify", small(), "-o", str(cert)]) == 0
    file = json.loads(cert.read_text())
    arrays = {
        name: np.array([float.fromhex(v) for v in a["values"]]).reshape(a["shape"])
        for name, a in file["parameters"].items()
    }
    np.savez(weights, **arrays)
    again = tmp_path / "again.json"
    assert main(["certify", small(), "-o", str(again), "--from", str(weights), "--steps", "0"]) == 0
    assert json.loads(again.read_text())["parameters"] == file["parameters"]
    np.savez(weights, **{name: a[..., None] for name, a in arrays.items()})
    assert main(["certify", small(), "-o", str(again), "--from", str(weights)]) == 2
    assert "has shape" in capsys.readouterr().err
    assert main(["certify", small(), "-o", str(again), "--from", str(tmp_path / "no.npz")]) == 2


def test_layers_that_are_not_covered_are_named(
    small: Callable[..., str], tmp_path: Path, capsys: Any
) -> None:
    assert main(["certify", small("relu"), "-o", str(tmp_path / "c.json")]) == 2
    message = capsys.readouterr().err
    assert "relu declares no operations of certificates" in message
    assert "small.yaml:6" in message


@pytest.mark.parametrize("options", [
    ["--steps", "-1"], ["--step-size", "0"], ["--step-size", "nan"], ["--bits", "7"],
    ["--target", "-1"],
])
def test_wrong_options(
    options: list[str], small: Callable[..., str], tmp_path: Path, capsys: Any
) -> None:
    assert main(["certify", small(), "-o", str(tmp_path / "c.json"), *options]) == 2
    assert options[0] in capsys.readouterr().err
