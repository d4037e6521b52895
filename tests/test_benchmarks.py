"""``benchmarks/run.py`` makes one table, and writes it whole or not at all."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / "benchmarks" / "run.py"


@pytest.fixture
def bench(tmp_path):
    def call(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, str(RUN), *arguments], capture_output=True,
                              text=True, check=False, cwd=tmp_path)

    return call


def rows(text: str) -> list[list[str]]:
    """Cells of the table's body."""
    lines = [x for x in text.splitlines() if x.startswith("| ")]
    return [[c.strip() for c in x.strip("|").split("|")] for x in lines[1:]]


def test_the_table_is_printed_written_and_put_between_the_marks(bench, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n")
    run = bench("--quick", "--only", "resnet152", "chain", "-o", "table.md", "--into", "page.md")
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "table.md").read_text() == run.stdout
    assert page.read_text() == (
        f"before\n<!-- bench:begin -->\n{run.stdout}<!-- bench:end -->\nafter\n")
    resnet, *chain = rows(run.stdout)
    assert "464 layers" in resnet[0] and len(chain) == 2
    assert all(float(r[3]) > 0 for r in (resnet, *chain))
    peak = re.search(r"([0-9]+) MiB", resnet[1])
    assert peak is not None and int(peak[1]) < 1024
    assert "[1/2] resnet152" in run.stderr and "[2/2] chain" in run.stderr


def test_a_file_without_marks_is_left_alone(bench, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no marks\n")
    run = bench("--quick", "--only", "resnet152", "--into", "page.md")
    assert run.returncode == 1 and "bench:begin" in run.stderr
    assert page.read_text() == "no marks\n" and list(tmp_path.iterdir()) == [page]


def test_a_job_that_fails_makes_a_row_and_the_exit_code(bench, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("<!-- bench:begin -->\n<!-- bench:end -->\n")
    (tmp_path / "yaml.py").write_text("raise ImportError('broken on purpose')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = bench("--quick", "--only", "resnet152", "--into", "page.md")
    assert run.returncode == 1
    assert rows(run.stdout)[0][4] == "failed: ImportError: broken on purpose"
    assert page.read_text() == "<!-- bench:begin -->\n<!-- bench:end -->\n"
