"""The examples of certificates: proven by the command, accepted by the checker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from govcheck_cli.main import main

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
OPTIONS = {
    "certify_from_start": ["--shadow"],
    "certify_cross_entropy": ["--from", "init"],
    "certify_initial": ["--from", "init"],
}
QUICK = ("certify_digits", "certify_cross_entropy", "certify_initial")
slow = pytest.mark.slow(reason="trains and checks for some seconds each")


@pytest.mark.parametrize("name", [
    pytest.param(p.stem, marks=() if p.stem in QUICK else slow)
    for p in sorted(EXAMPLES.glob("certify_*.yaml"))
])
def test_example(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cert = tmp_path / "cert.json"
    code = main(["certify", str(EXAMPLES / f"{name}.yaml"), "-o", str(cert),
                 *OPTIONS.get(name, [])])
    assert code == 0, capsys.readouterr().err
    assert main(["verify", str(cert)]) == 0
    assert "Proven from the parameters in the file" in capsys.readouterr().out
    assert ("shadow" in json.loads(cert.read_text())) == (name == "certify_from_start")
