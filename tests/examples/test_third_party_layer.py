"""The example distribution, installed as its users would."""

import json
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "examples" / "third_party_layer"
LAYER = ROOT / "src" / "govcheck_smooth_abs" / "layer.py"

ARCH = """
govcheck: 1
name: small
input: [2]
layers:
  - affine: {out: 3}
  - smooth_abs: {eps: 1/4}
domain: {ball: 1}
"""


@pytest.fixture
def run(installed, tmp_path):
    # building leaves files behind
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return installed(copy)


def test_the_layer_is_short():
    assert len(LAYER.read_text(encoding="utf-8").splitlines()) <= 30


def test_its_own_tests_pass(run, tmp_path):
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not 3x2x3 and not eps",
               tmp_path / "copy" / "tests", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 10
    some = run("-m", "pytest", "-q", "--collect-only", tmp_path / "copy" / "tests", cwd=tmp_path)
    names = {line.rpartition("-")[2] for line in some.stdout.splitlines() if "::" in line}
    assert len(names) >= 10 and "bound_J]" in names


def test_the_command_line_sees_and_uses_it(run, tmp_path):
    arch = tmp_path / "arch.yaml"
    arch.write_text(ARCH, encoding="utf-8")
    listed = run("-m", "govcheck_cli.main", "layers", "--json")
    owner = {e["name"]: e["distribution"] for e in json.loads(listed.stdout)}
    assert owner["smooth_abs"] == "govcheck-smooth-abs"
    analysed = run("-m", "govcheck_cli.main", "analyze", arch, "--json")
    assert "smooth_abs" in analysed.stdout, analysed.stderr
    assert "warning" not in analysed.stderr


def test_the_command_line_checks_it(run):
    done = run("-m", "govcheck_cli.main", "plugin", "check", "govcheck-smooth-abs",
               "--effort", "quick", "--json")
    records = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert len({r["check"] for r in records}) >= 10
    assert {r["status"] for r in records} <= {"passed", "skipped"}
