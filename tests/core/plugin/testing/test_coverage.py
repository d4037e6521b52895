"""The table of planted faults in the documentation is complete and names what there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from govcheck.bounds.answer import CARRIED, LOCAL
from govcheck.plugin.testing.runner import OF_ACTIVATIONS, OF_CLASSES, OF_EXAMPLES, check_name

HERE = Path(__file__).parent
PAGE = HERE.parents[3] / "docs" / "conformance.md"
ROWS = [
    [re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|")[1:]]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and "`test_" in line
]
# tests that plant nothing
RIGHT = {"test_correct_layers_pass", "test_a_lower_bound_of_0_is_not_reported_as_met"}


def names_in(file):
    tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
    return {n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name[:5] == "test_"}


def test_every_named_test_exists_and_every_planted_fault_is_named():
    named = {name for _, tests in ROWS for name in tests}
    planted = names_in("test_planted_faults.py") - RIGHT
    assert planted <= named
    assert named <= planted | names_in("test_theorems.py")


def test_every_check_has_a_fault_that_it_finds():
    shown = {name for checks, _ in ROWS for name in checks}
    checks = {check_name(c) for c in (*OF_CLASSES, *OF_EXAMPLES, *OF_ACTIVATIONS)}
    assert checks | {f"bound_{q}" for q in CARRIED + LOCAL} <= shown
