"""Commands estimate their memory, say it, and refuse what is above the limit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from govcheck_cli import memory
from govcheck_cli.main import main

EXAMPLES = Path(__file__).parents[2] / "examples"
WIDE = """\
govcheck: 1
symbols: {{m: {width}}}
input: [64]
layers:
  - affine: {{out: m}}
  - tanh
  - affine: {{out: m}}
  - tanh
  - affine: {{out: 10}}
cost: square
data: {{digits: {{n: {n}}}}}
"""
REFUSED = {
    "analyze": (["analyze", "{digits}"], "`repeat`"),
    "certify": (["certify", "{digits}", "-o", "{folder}/c.json"], "take fewer samples"),
    "certify at many bits": (
        ["certify", "{digits}", "--bits", "512", "-o", "{folder}/c.json"], "--bits 128"),
    "train": (["train", "{digits}", "-o", "{folder}/run"], "--dtype float32"),
    "sgd": (["train", "{digits}", "--method", "sgd", "--batch", "40", "-o", "{folder}/run"],
            "smaller --batch"),
    "gram": (["gram", "{digits}"], "--save K.npy --no-eigenvalues"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_what_is_smaller_and_write_nothing(case, tmp_path, capsys):
    command, smaller = REFUSED[case]
    names = {"digits": EXAMPLES / "certify_digits.yaml", "folder": tmp_path}
    code = main([*(c.format(**names) for c in command), "--max-memory", "20k"])
    printed = capsys.readouterr()
    assert code == 2
    assert printed.out == ""
    assert smaller in printed.err and "memory" in printed.err
    assert list(tmp_path.iterdir()) == []


def test_sizes_that_are_none_are_refused(tmp_path, capsys):
    command = ["train", str(EXAMPLES / "certify_digits.yaml"), "-o", str(tmp_path / "run")]
    assert main([*command, "--max-memory", "much"]) == 2
    assert "--max-memory" in capsys.readouterr().err


def test_large_work_is_announced_and_small_work_is_not(monkeypatch, tmp_path, capsys):
    command = ["train", str(EXAMPLES / "certify_digits.yaml"), "--steps", "1"]
    main([*command, "-o", str(tmp_path / "one")])
    assert "of memory" not in capsys.readouterr().err
    monkeypatch.setattr(memory, "LARGE", 1000)
    main([*command, "-o", str(tmp_path / "two")])
    assert "training takes about" in capsys.readouterr().err


CERTIFY = """
import sys, tracemalloc
import govcheck as gc
from govcheck.certify import search
from govcheck.certify.memory import peak
from govcheck.certify.program import task

work = task(gc.load(sys.argv[1]))
small = task(gc.load(sys.argv[1], overrides={"m": "32"}))
search.certify(small, steps=1)
tracemalloc.start()
search.certify(work, steps=1000)
print(peak(work), tracemalloc.get_traced_memory()[1])
"""
TRAIN = """
import sys
from pathlib import Path
import torch
import govcheck as gc
from govcheck.numeric.train import read_settings, train
from govcheck.numeric.train.memory import peak

def held(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) * 1024 for x in lines if x.startswith(key))

torch.set_num_threads(1)
small, large = (gc.analyze(gc.load(f)) for f in sys.argv[1:3])
def settings(a):
    return read_settings(a.architecture, {"steps": 3, "step_size": "1/1000"})
train(small, settings(small), Path(sys.argv[3], "small"))
Path("/proc/self/clear_refs").write_text("5")
before = held("VmRSS")
train(large, settings(large), Path(sys.argv[3], "large"))
print(peak(large, settings(large)), held("VmHWM") - before)
"""
ANALYZE = """
import contextlib, io, sys
from pathlib import Path
from govcheck_cli import memory
from govcheck_cli.main import main

def held(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) * 1024 for x in lines if x.startswith(key))

def run(name, blocks):
    block = "  - residual: [affine: {{out: 8, weight: weight_norm, scale: {}/1000}}, tanh]\\n"
    head = "govcheck: 1\\ninput: [8]\\ncost: square\\ndata: {sphere: {n: 4}}\\nlayers:\\n"
    file = Path(sys.argv[1], name)
    file.write_text(head + "".join(block.format(i + 1) for i in range(blocks)))
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["analyze", str(file)]) in (0, 1)

run("small.yaml", 2)
Path("/proc/self/clear_refs").write_text("5")
before = held("VmRSS")
run("large.yaml", 150)
print(2 * 150 * memory.LAYER, held("VmHWM") - before)
"""


def measured(code: str, *arguments: object) -> tuple[int, int]:
    """The estimate and what was taken, from a process of its own."""
    run = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], text=True,
                         capture_output=True, check=True)
    estimate, taken = map(int, run.stdout.split())
    return estimate, taken


def test_certificates_take_what_was_said():
    estimate, taken = measured(CERTIFY, EXAMPLES / "certify_digits.yaml")
    assert taken / 2 < estimate < 2 * taken


linux = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")


@linux
def test_analyses_take_what_was_said(tmp_path):
    estimate, taken = measured(ANALYZE, tmp_path)
    assert taken / 2 < estimate < 2 * taken


@linux
def test_training_takes_what_was_said(tmp_path):
    for name, width, n in (("small", 8, 10), ("large", 1024, 1797)):
        (tmp_path / f"{name}.yaml").write_text(WIDE.format(width=width, n=n))
    estimate, taken = measured(
        TRAIN, tmp_path / "small.yaml", tmp_path / "large.yaml", tmp_path)
    assert taken / 2 < estimate < 2 * taken
