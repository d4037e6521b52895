"""The snippets of docs/notebooks.md run in order, and its tables name what there is."""

import re
import shutil
from pathlib import Path

import pytest
import torch

import govcheck

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "notebooks.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)


def test_snippets_run(tmp_path, monkeypatch, capsys):
    torch.set_num_threads(1)
    shutil.copy(ROOT / "examples" / "mlp_tanh_ball.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {}
    for snippet in SNIPPETS:
        exec(compile(snippet, "docs/notebooks.md", "exec"), names)
    assert len(SNIPPETS) == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "loss.svg", "mlp_tanh_ball.yaml", "ratios.pdf"]
    assert names["run"].outcome.step == 50 and not names["run"].outcome.violations
    assert names["run"].outcome.envelopes[0]["checked"] == 50
    assert not names["measured"].alarms
    value = names["explanation"].value
    assert float(value) > 0 and capsys.readouterr().out.startswith(f"{value}\n[]\n")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bgc\.(\w+)", PAGE))))
def test_what_it_names_is_public(name):
    assert name in govcheck.__all__ and getattr(govcheck, name).__doc__
