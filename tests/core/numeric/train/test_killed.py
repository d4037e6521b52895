"""Runs that are killed at any moment end at the same bits as runs that are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

NET = """
govcheck: 1
name: tiny
symbols: {m: 4, H: 2}
input: [3]
layers:
  - affine: {out: m}
  - repeat: {times: H, block: [{residual: [{affine: {out: m, scale: 1/4}}, tanh]}]}
  - affine: {out: 2, scale: 1/2}
cost: square
data: {sphere: {n: 5}}
init: {normal: {seed: 3}}
domain: {ball: 6}
"""

# One process imports torch; each run is a fork of it that has not used torch before.
PROLOGUE = """
    import json, os, random, signal, sys, time
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    import govcheck
    from govcheck.plugin.registry import load_registry
    from govcheck.numeric.train import read_settings, train
    from govcheck.numeric.train import files, sweep

    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    draw = random.Random(seed)
    registry = load_registry()

    def forked(run):
        pid = os.fork()
        if pid == 0:
            try:
                run()
                os._exit(0)
            finally:
                os._exit(1)
        return pid

    def whole(run):
        begin = time.monotonic()
        pid, status = os.waitpid(forked(run), 0)
        assert status == 0, status
        return time.monotonic() - begin

    def killed(run, span):
        pid = forked(run)
        time.sleep(draw.random() * span)
        os.kill(pid, signal.SIGKILL)
        pid, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status) or status == 0, status
        return os.WIFSIGNALED(status)
"""

TRAIN = PROLOGUE + """
    analysis = govcheck.analyze(govcheck.load(folder / "net.yaml", registry=registry),
                                registry=registry)
    settings = read_settings(analysis.architecture, json.loads(sys.argv[4]))

    def lost(place):
        '''Steps that have been recorded but lie after the newest checkpoint.'''
        point = files.load_checkpoint(place)
        stream = place / files.RESULTS
        steps = [r["step"] for r in files.read_results(stream)] if stream.exists() else []
        assert steps == list(range(len(steps))), steps
        return 0 if not steps else steps[-1] - (-1 if point is None else point.step)

    def run(place):
        return lambda: train(analysis, settings, place, resume=True)

    span = whole(run(folder / "whole"))
    count, losses, at = 0, [], []
    for _ in range(kills):
        count += killed(run(folder / "killed"), span / 4)
        losses.append(lost(folder / "killed"))
        point = files.load_checkpoint(folder / "killed")
        at.append(None if point is None else point.step)
    whole(run(folder / "killed"))
    print(json.dumps({"kills": count, "lost": losses, "at": at}))
"""

SWEEP = PROLOGUE + """
    from govcheck.numeric.train import workers
    from govcheck.numeric.train.state import Saving

    wanted = sweep.jobs([str(folder / "net.yaml")], {"H": ["1", "2"]}, [0, 1])

    def run(place):
        s = sweep.Sweep(place, wanted, json.loads(sys.argv[4]), Saving())

        def go():
            sweep.prepare(s, registry, resume=True)
            workers.alone(s, registry, lambda: False, lambda index: None)

        return go

    span = whole(run(folder / "whole"))
    count = sum(killed(run(folder / "killed"), span / 2) for _ in range(kills))
    whole(run(folder / "killed"))
    print(json.dumps({"kills": count, "runs": [j.folder for j in wanted]}))
"""


def python(script, folder, kills, overrides, seed=0):
    (folder / "net.yaml").write_text(NET)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(folder), str(kills), str(seed),
         json.dumps(overrides)],
        capture_output=True, text=True, check=False, timeout=280,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def same(one, two, steps):
    """The stream of results and the last checkpoint are equal byte for byte."""
    results = [(place / "results.jsonl").read_bytes() for place in (one, two)]
    assert results[0] == results[1]
    lines = results[0].decode().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(steps + 1))
    name = f"checkpoint-{steps:09d}.safetensors"
    assert (one / name).read_bytes() == (two / name).read_bytes()


PLAIN = {"steps": 100, "step_size": "auto"}
MOMENTUM = {"steps": 100, "method": "sgd", "batch": 2, "momentum": "9/10", "nesterov": True,
            "step_size": "1/50", "weight_decay": "1/100"}


# each of these takes about 10 s, most of it to import torch
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "overrides", [pytest.param(PLAIN, id="gd"), pytest.param(MOMENTUM, id="sgd", marks=SLOW)]
)
def test_a_killed_run_loses_at_most_the_current_step(tmp_path, overrides):
    found = python(TRAIN, tmp_path, 20, overrides)
    assert found["kills"] >= 10
    assert max(found["lost"]) <= 0, found
    same(tmp_path / "whole", tmp_path / "killed", overrides["steps"])


@pytest.mark.parametrize("kills", [6, pytest.param(20, marks=SLOW)])
def test_a_killed_sweep_ends_at_the_same_bits(tmp_path, kills):
    found = python(SWEEP, tmp_path, kills, {"steps": 40, "step_size": "1/50"})
    assert found["kills"] >= kills // 4
    for run in found["runs"]:
        same(tmp_path / "whole" / "runs" / run, tmp_path / "killed" / "runs" / run, 40)
    assert len({(tmp_path / "whole" / "runs" / r / "results.jsonl").read_bytes()
                for r in found["runs"]}) == 4
