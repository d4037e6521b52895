from __future__ import annotations

import json
import subprocess
import sys
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


REPEATED = """govcheck: 1
input: [4]
layers:
  - affine: {out: 6, bias: false}
  - repeat: {times: 2, block: [{residual: [{affine: {out: 6, scale: 1/4}}, tanh]}]}
  - affine: {out: 1}
cost: half_square
data: {sphere: {n: 2, seed: 0}}
"""


def test_from_what_train_wrote(tmp_path: Path, capsys: Any) -> None:
    """The folder of a run, its newest checkpoint, and the same weights without the prefix."""
    from safetensors.numpy import load_file, save_file

    arch, run, cert = (str(tmp_path / name) for name in ("a.yaml", "run", "cert.json"))
    Path(arch).write_text(REPEATED)
    assert main(["train", arch, "--steps", "1500", "--step-size", "0.05", "-o", run]) == 0
    newest = max(Path(run).glob("checkpoint-*.safetensors"))
    tensors = {k.removeprefix("model."): t for k, t in load_file(newest).items()
               if k.startswith("model.")}
    assert "repeat.1.affine_2.weight" in tensors
    plain = tmp_path / "plain.safetensors"
    save_file(tensors, plain)
    found = []
    for where in (run, str(newest), str(plain)):
        assert main(["certify", arch, "--from", where, "--steps", "0", "-o", cert]) == 0
        found.append(json.loads(Path(cert).read_text())["parameters"])
    assert found[0] == found[1] == found[2]
    values = [float.fromhex(v) for v in found[0]["affine_2[1].weight"]["values"]]
    assert values == tensors["repeat.1.affine_2.weight"].ravel().tolist()
    capsys.readouterr()
    plain.write_bytes(b"not tensors")
    (tmp_path / "empty").mkdir()
    del tensors["affine.weight"]
    save_file({**tensors, "other": tensors["affine_3.weight"]}, tmp_path / "c.safetensors")
    for where, words in ((str(plain), "cannot be read"), ("empty", "no checkpoint in this folder"),
                         ("c.safetensors", "there is no array affine.weight")):
        at = str(tmp_path / where)
        assert main(["certify", arch, "--from", at, "-o", cert]) == 2
        assert words in capsys.readouterr().err


def test_the_checker_beside_the_certificate(
    small: Callable[..., str], tmp_path: Path, capsys: Any
) -> None:
    """What is printed works as it stands, without this program or any package."""
    cert = tmp_path / "cert.json"
    assert main(["certify", small(), "-o", str(cert), "--with-checker"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "cert.json", "cert.json.checker.py", "small.yaml"]
    last = capsys.readouterr().out.splitlines()[-1]
    command = last.removeprefix("Or with Python alone: ").split()
    assert command[:2] == ["python", "-I"]

    def alone() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-S", *command[1:]], cwd="/", env={},
                              capture_output=True, text=True, check=False)

    assert main(["verify", str(cert)]) == 0
    assert alone().stdout == capsys.readouterr().out
    assert alone().returncode == 0
    file = json.loads(cert.read_text())
    file["step"] = (float.fromhex(file["step"]) * 1.5).hex()
    cert.write_text(json.dumps(file))
    assert main(["verify", str(cert)]) == 1
    refused = alone()
    assert refused.returncode == 1
    assert refused.stdout == capsys.readouterr().out


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
    assert main(["certify", small("rms_norm"), "-o", str(tmp_path / "c.json")]) == 2
    assert "certificates know no rms_norm" in capsys.readouterr().err


@pytest.mark.parametrize("options", [
    ["--steps", "-1"], ["--step-size", "0"], ["--step-size", "nan"], ["--bits", "7"],
    ["--target", "-1"],
])
def test_wrong_options(
    options: list[str], small: Callable[..., str], tmp_path: Path, capsys: Any
) -> None:
    assert main(["certify", small(), "-o", str(tmp_path / "c.json"), *options]) == 2
    assert options[0] in capsys.readouterr().err
