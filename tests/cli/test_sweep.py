import json
import os
import signal
import subprocess
import sys
import time

import pytest

from govcheck.errors import InputError
from govcheck_cli.sweep_options import seeds, values

pytest.importorskip("torch").set_num_threads(1)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_lists():
    assert seeds("0..3") == [0, 1, 2, 3] and seeds("5, 0..1") == [5, 0, 1]
    assert values(["H=2,4", "a=min(1,2),1/2"]) == {"H": ["2", "4"], "a": ["min(1,2)", "1/2"]}
    for wrong in ("", "a", "3..1", "-1", "1,1", "0..9999999"):
        with pytest.raises(InputError):
            seeds(wrong)
    for wrong in (["H"], ["H=1,"], ["=1"], ["H=1", "H=2"]):
        with pytest.raises(InputError):
            values(wrong)


def test_all_combinations(govcheck, small, here):
    argv = ("sweep", small, "--set", "m=2,3", "--seeds", "0..1", "--steps", 3, "-o", "s")
    code, _, err = govcheck(*argv)
    assert (code, err) == (0, "")
    rows = json.loads((here / "s" / "results.json").read_text())["runs"]
    assert [(r["symbols"]["m"], r["seed"]) for r in rows] == [
        ("2", 0), ("2", 1), ("3", 0), ("3", 1)]
    assert len({r["loss"] for r in rows}) == 4 and all(r["reason"] == "steps" for r in rows)
    # one run by itself gives the same
    assert govcheck("train", small, "--set", "m=3", "--seed", 1, "--steps", 3, "-o", "one")[0] == 0
    assert (here / "one" / "results.jsonl").read_bytes() == (
        here / rows[3]["folder"] / "results.jsonl").read_bytes()
    before = {p: p.stat().st_mtime_ns for p in (here / "s" / "runs").rglob("*.json*")}
    assert govcheck(*argv)[0] == 2
    assert govcheck(*argv, "--resume")[0] == 0
    # finished runs are left alone
    assert {p: p.stat().st_mtime_ns for p in (here / "s" / "runs").rglob("*.json*")} == before
    code, _, err = govcheck(*argv, "--resume", "--momentum", "1/2", "--method", "sgd")
    assert code == 2 and "another sweep" in err


def test_several_files_and_everything_wrong_with_them_at_once(govcheck, small, arch, here):
    other = arch("govcheck: 1\ninput: [2]\nlayers: [{affine: {out: 2}}]\ncost: square\n"
                 "data: {sphere: {n: 2}}\ntrain: {step_size: 1/10, steps: 2}\n", "other.yaml")
    code, out, _ = govcheck("sweep", small, other, "--json")
    assert code == 0
    assert [r["file"] for r in json.loads(out)["runs"]] == [str(small), str(other)]
    code, _, err = govcheck("sweep", small, other, "--set", "m=2,x", "-o", "b")
    assert code == 2 and "not declared" in err and "x" in err
    assert not (here / "b").exists()


def test_a_run_that_cannot_begin_does_not_stop_the_others(govcheck, arch, here):
    path = arch("""
        govcheck: 1
        symbols: {n: 2}
        input: [2]
        layers: [{affine: {out: n}}]
        cost: cross_entropy
        data: {sphere: {n: 4, classes: 2}}
        train: {step_size: 1/10, steps: 2}
        """)
    code, out, err = govcheck("sweep", path, "--set", "n=1,2")
    assert code == 2 and "bad input" in out and "run 0:" in err
    assert "steps" in out.splitlines()[-1]


@pytest.mark.slow  # starts python and torch twice more
def test_workers_share_the_work(govcheck, small, here):
    argv = ("sweep", small, "--set", "m=2,3", "--steps", 2)
    assert govcheck(*argv, "-o", "one")[0] == 0
    code, _, err = govcheck(*argv, "-o", "two", "--workers", 2)
    assert code == 0, err
    for place in sorted((here / "one" / "runs").iterdir()):
        twin = here / "two" / "runs" / place.name
        assert (place / "results.jsonl").read_bytes() == (twin / "results.jsonl").read_bytes()


RUN = "import sys; from govcheck_cli.main import main; sys.exit(main(sys.argv[1:]))"
ENV = os.environ | {"OMP_NUM_THREADS": "1"}


def lines(folder):
    return sum(p.read_bytes().count(b"\n") for p in folder.rglob("results.jsonl"))


@pytest.mark.slow  # starts python and torch a dozen times, about half a minute
def test_killed_with_its_workers_it_ends_at_the_same_bits(govcheck, small, here):
    argv = ["sweep", str(small), "--set", "m=2,3", "--seeds", "0..1", "--steps", "400",
            "--step-size", "1/100"]
    assert govcheck(*argv, "-o", "whole")[0] == 0
    command = [sys.executable, "-c", RUN, *argv, "-o", "killed", "--workers", "2", "--resume"]
    for kill in range(3):
        process = subprocess.Popen(command, env=ENV, start_new_session=kill != 1,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        begun = lines(here)
        while lines(here) < begun + 100 and process.poll() is None:
            time.sleep(0.05)
        # the second time only the parent dies, and its children must notice
        (os.kill if kill == 1 else os.killpg)(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=280,
                          check=False)
    assert done.returncode == 0, done.stderr
    for place in sorted((here / "whole" / "runs").iterdir()):
        for name in ("results.jsonl", "checkpoint-000000400.safetensors"):
            twin = here / "killed" / "runs" / place.name / name
            assert (place / name).read_bytes() == twin.read_bytes()


@pytest.mark.slow  # torchrun starts three processes
def test_torchrun_shares_the_work(govcheck, small, here):
    argv = ["sweep", str(small), "--set", "m=2,3", "--steps", "2"]
    assert govcheck(*argv, "-o", "one")[0] == 0
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "-m", "govcheck_cli.main", *argv, "-o", "two"],
        env=ENV, capture_output=True, text=True, timeout=280, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("first loss") == 1
    for place in sorted((here / "one" / "runs").iterdir()):
        twin = here / "two" / "runs" / place.name
        assert (place / "results.jsonl").read_bytes() == (twin / "results.jsonl").read_bytes()
