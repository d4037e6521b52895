import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("torch").set_num_threads(1)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_train_prints_and_keeps(govcheck, small, here):
    code, out, err = govcheck("train", small, "--steps", 5, "--step-size", "1/(10*m)")
    assert (code, err) == (0, "")
    for part in ("normal, seed 0", "after 5 steps: all steps done", "0.0333333 (given)",
                 "macdonald2022.corollary_4_3", "arch.run", "seed 0"):
        assert part in out, part
    folder = here / "arch.run"
    records = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records] == list(range(6))
    assert (folder / "checkpoint-000000005.safetensors").exists()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["loss"] == records[-1]["loss"] < summary["first_loss"]


def test_json_and_seed(govcheck, small, here):
    found = []
    for seed in (1, 1, 2):
        code, out, _ = govcheck("train", small, "--steps", 1, "--seed", seed, "--json",
                                "-o", f"r{len(found)}")
        assert code == 0
        found.append(json.loads(out))
    assert [f["init_seed"] for f in found] == [1, 1, 2]
    assert found[0]["loss"] == found[1]["loss"] != found[2]["loss"]
    assert found[0]["step_size_source"].startswith("1/beta, proven")


def test_resume(govcheck, small, here):
    assert govcheck("train", small, "--steps", 2)[0] == 0
    code, _, err = govcheck("train", small, "--steps", 4)
    assert code == 2 and "--resume" in err and "arch.run" in err
    code, out, _ = govcheck("train", small, "--steps", 4, "--resume")
    assert code == 0 and "at step 2" in out
    code, _, err = govcheck("train", small, "--set", "m=4", "--steps", 4, "--resume")
    assert code == 2 and "another run" in err


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--step-size", "1/q"], "q"),
        (["--batch", "2"], "method: sgd"),
        (["--checkpoint-every", "often"], "--checkpoint-every"),
        (["--checkpoint-every", "0"], "--checkpoint-every"),
        (["--steps", "-1"], "--steps"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_bad_options(govcheck, small, here, options, part):
    code, out, err = govcheck("train", small, *options)
    assert (code, out) == (2, "") and part in err and "Traceback" not in err
    assert not list(here.glob("arch.run/results*"))


def test_divergence_is_told(govcheck, arch, here):
    path = arch("""
        govcheck: 1
        input: [2]
        layers: [{affine: {out: 2}}]
        cost: square
        data: {sphere: {n: 2}}
        train: {step_size: 100, steps: 50}
        """)
    code, out, err = govcheck("train", path)
    assert code == 1 and "grew beyond all bounds" in out and err == ""
    assert "2/beta" in out


def test_an_alarm_has_its_own_exit_code(govcheck, small, here, monkeypatch):
    from govcheck.numeric.train import envelopes

    monkeypatch.setattr(envelopes.Descent, "next", lambda self, point, gain: 0.5 * point.loss)
    code, out, err = govcheck("train", small, "--steps", 3, "--set", "R=100")
    assert code == 4 and "ALARM" in out and "ALARM" in err and "corollary_4_3" in err


RUN = "import sys; from govcheck_cli.main import main; sys.exit(main(sys.argv[1:]))"


def test_interrupt_saves_and_says_how_to_go_on(govcheck, small, here):
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "train", str(small), "--steps", "1000000000", "-o", "r",
         "--step-size", "1/1000"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    results = here / "r" / "results.jsonl"
    for _ in range(1200):
        if results.exists() and results.stat().st_size > 500:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "--resume goes on from r" in err and "interrupted" in out
    step = json.loads((here / "r" / "summary.json").read_text())["step"]
    code, out, err = govcheck("train", small, "--steps", step + 2, "-o", "r", "--resume",
                              "--step-size", "1/1000")
    assert code == 0 and f"at step {step}" in out
    steps = [json.loads(line)["step"] for line in results.read_text().splitlines()]
    assert steps == list(range(step + 3))
