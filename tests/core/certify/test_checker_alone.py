"""The checker stands alone: one file, the standard library, no floating point that matters."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from govcheck.certify import checker
from govcheck.certify.search import certify

SOURCE = Path(checker.__file__)


def test_it_imports_the_standard_library_alone() -> None:
    names = set()
    for node in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(node, ast.Import):
            names |= {a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(str(node.module).partition(".")[0])
    assert names <= sys.stdlib_module_names


def test_floats_are_read_packed_and_shown_and_nothing_else() -> None:
    """Every call of float() and float.fromhex is in the two functions that read and show."""
    tree = ast.parse(SOURCE.read_text())
    users = {
        f.name
        for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)
        for n in ast.walk(f) if isinstance(n, ast.Call)
        for name in [n.func.id if isinstance(n.func, ast.Name) else getattr(n.func, "attr", "")]
        if name in ("float", "fromhex")
    }
    assert users == {"real", "show"}
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float))
        assert not (isinstance(node, ast.ImportFrom) and node.module == "math"
                    and {a.name for a in node.names} - {"isqrt", "prod"})


def test_a_copy_of_the_file_checks_a_certificate(
    make_case: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = certify(make_case("residual", seed=1, samples=2, size=0.9).task, steps=2000)
    assert outcome.file is not None
    copy = tmp_path / "check_me.py"
    shutil.copy(SOURCE, copy)
    path = tmp_path / "cert.json"
    path.write_text(json.dumps(outcome.file))

    def run() -> subprocess.CompletedProcess[str]:
        # -I -S: neither the environment nor installed packages
        return subprocess.run([sys.executable, "-I", "-S", str(copy), str(path)],
                              capture_output=True, text=True, check=False)

    good = run()
    assert good.returncode == 0, good.stderr
    assert good.stdout.count("PASS") == len(outcome.lines) >= 8
    assert "Proven from the parameters in the file" in good.stdout
    outcome.file["claims"]["residual"] = (1e-9).hex()
    path.write_text(json.dumps(outcome.file))
    bad = run()
    assert bad.returncode == 1
    assert "FAIL residual" in bad.stdout
    path.write_text("{}")
    assert run().returncode == 2
