"""The README's commands print what it says they print, and its code runs."""

import io
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from govcheck.plugin.registry import load_registry

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", blocks("console"), ids=lambda b: b.splitlines()[0][2:])
def test_console(block, monkeypatch, shows):
    from govcheck_cli.main import main

    command, *shown = block.splitlines()
    words = shlex.split(command.removeprefix("$ "))
    assert words[0] == "govcheck"
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with redirect_stdout(out):
        main(words[1:])
    out.flush()
    shows(out.buffer.getvalue().decode(), shown)


def test_the_file_shown_is_the_file_analysed():
    example = (ROOT / "examples/weight_normalised_resnet.yaml").read_text(encoding="utf-8")
    lines = [re.sub(r"\s+#.*", "", line) for line in example.splitlines()]
    kept = [line for line in lines if line and not line.startswith("#")]
    assert blocks("yaml")[0].splitlines() == kept


def test_python():
    *snippets, plugin = blocks("python")
    shown = blocks("text")
    assert len(snippets) == len(shown) >= 2
    for code, printed in zip(snippets, shown, strict=True):
        run = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert run.stdout.rstrip().splitlines() == printed.splitlines()
    assert "@hookimpl" in plugin


def test_the_layer_of_the_readme_is_a_working_plugin(tmp_path, monkeypatch):
    (tmp_path / "half_tanh_plugin.py").write_text(blocks("python")[-1], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    registry = load_registry(extra=["half_tanh_plugin"])
    assert not registry.broken
    assert registry.owner("layers", "half_tanh").plugin == "half_tanh_plugin"
