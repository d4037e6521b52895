"""The snippets of docs/ci.md: budgets are read, commands print what the page shows."""

import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/ci.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def commands():
    for block in blocks("console"):
        searched = "--attack" in block
        # searches of a network of the size people have take half a minute
        yield pytest.param(block, marks=[pytest.mark.slow] if searched else [],
                           id=block.splitlines()[0][2:50])


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the page's files."""
    budgets = [b for b in blocks("yaml") if b.startswith("govcheck_budget")]
    for name, text in zip(["budgets.yaml", "ratios.yaml"], budgets, strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", list(commands()))
def test_console(block, project, govcheck, shows):
    command, *shown = block.splitlines()
    words = shlex.split(command.removeprefix("$ "))
    assert words[0] == "govcheck"
    code, out, err = govcheck(*words[1:])
    assert code == (1 if "plain_relu" in command else 0), err
    assert shown or not out.splitlines()
    shows(out, shown)
    for written in project.glob("*.svg"):
        ElementTree.parse(written)


def test_the_workflow_is_that_of_the_example():
    (workflow,) = [b for b in blocks("yaml") if b.startswith("name: govcheck")]
    example = (ROOT / "examples/github-action/workflow.yml").read_text(encoding="utf-8")
    assert example.partition("\n")[2] == workflow


def test_the_budget_of_the_example_is_kept(govcheck):
    code, out, err = govcheck("analyze", ROOT / "examples/weight_normalised_resnet.yaml",
                              "--budget", ROOT / "examples/github-action/budgets.yaml")
    assert (code, err) == (0, "") and re.search(r"all \d+ lines are kept", out)


def test_links():
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (ROOT / "docs" / target).is_file()
