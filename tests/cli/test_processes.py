"""Commands that torchrun starts: one process speaks, and the numbers are those of one."""

import json
import os
import subprocess
import sys

import pytest

from govcheck_cli import processes

FILE = """
govcheck: 1
input: [64]
layers:
  - affine: {out: 3}
  - batch_norm: {eps: 1}
  - tanh
  - affine: {out: OUTPUTS}
cost: cross_entropy
data: {digits: {n: 11}}
init: {normal: {seed: 1}}
domain: {around_init: 1/10}
"""
COMMAND = ("-m", "govcheck_cli.main", "measure")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def run(*arguments):
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env,
                          timeout=120)


@pytest.fixture
def write(tmp_path):
    def make(outputs):
        path = tmp_path / "net.yaml"
        path.write_text(FILE.replace("OUTPUTS", str(outputs)))
        return str(path)

    return make


def values(text):
    page = json.loads(text)
    found = [r["measured"] for r in page["rows"]] + page["other"]
    return {(m["quantity"], m["where"]): m["value"] for m in found}


def test_two_processes_print_what_one_prints(write, govcheck):
    options = [write(10), "--quantities", "outputs,loss,hessian,dynamics", "--json"]
    both = run(*TORCHRUN, *COMMAND, *options)
    assert both.returncode == 0, both.stderr
    one = values(govcheck("measure", *options)[1])
    assert len(one) > 15
    for name, value in values(both.stdout).items():
        # below the floor a number is rounding alone
        assert value == pytest.approx(one[name], rel=1e-12, abs=1e-12)


def test_a_mistake_is_told_once(write):
    # ten classes for seven outputs; every process meets it
    ended = run(*TORCHRUN, *COMMAND, write(7), "--quantities", "loss")
    assert ended.returncode != 0
    assert ended.stdout == ""
    own = [line for line in ended.stderr.splitlines() if line.startswith("govcheck: ")]
    assert len(own) == 1 and "the labels go up to 9" in own[0]


def test_alone_the_command_is_run_as_it_is(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert processes.run("cpu", lambda shared: 7 if shared is None else 0) == 7
    assert processes.device_of("cuda", None) == "cuda"
    assert processes.share_of_memory(10, None) == 10
