"""``govcheck gram``: one matrix or several, printed beside corrected, files, refusals."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from govcheck.kernels import tiles
from govcheck.kernels.gram import Job
from govcheck_cli import gram_options, output
from govcheck_cli.commands import gram

X3 = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [2 / 3, -1 / 3, 2 / 3]])

FC = """
govcheck: 1
name: fully connected
symbols: {{m: 64, H: {H}}}
input: [3]
layers:
  - affine: {{out: m, bias: false}}
  - {act}
  - scale: {{factor: sqrt(c_sigma({act})/m)}}
  - repeat:
      times: H - 1
      block:
        - affine: {{out: m, bias: false}}
        - {act}
        - scale: {{factor: sqrt(c_sigma({act})/m)}}
  - affine: {{out: 1, bias: false}}
cost: half_square
data: {{file: {{path: x.npz}}}}
"""


def save_data(folder, x):
    np.savez(folder / "x.npz", x=x, y=np.zeros(len(x)))


def sphere(n, d=3, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1)[:, None]


@pytest.fixture
def fc(arch, tmp_path):
    def write(act="softplus", H=2, x=X3):
        save_data(tmp_path, x)
        return arch(FC.format(act=act, H=H))

    return write


@pytest.fixture
def ask(govcheck):
    """Exit code and JSON."""

    def run(*argv):
        code, out, err = govcheck("gram", *argv, "--json")
        assert out, err
        return code, json.loads(out)

    return run


def test_reference_vector_printed_and_corrected(fc, ask):
    code, doc = ask(fc())
    assert code == 0 and doc["hold"]
    (block,) = doc["blocks"]
    assert block["lambda_min"] == pytest.approx(0.023281729203105, abs=1e-13)
    assert block["lambda_min_lower"] <= 0.0232817292031051
    assert block["trace"] == pytest.approx(3 * 0.31845898368369, abs=1e-12)
    printed = doc["printed"]
    assert printed["printed"] == pytest.approx(0.0300538430, abs=5e-11)
    assert printed["percent"] == pytest.approx(29.09, abs=0.01)
    assert [e["id"] for e in printed["errata"]] == ["D-1"]


def test_text(fc, govcheck):
    code, out, err = govcheck("gram", fc())
    assert code == 0 and err == ""
    for part in ("λ_min         ≥ 0.0232817 proved", "+29 %", "definition 5.1", "floor 3.2e-11",
                 "✓ certified", "1 up to the rounding", "|cos| of all pairs is at most 0.666667",
                 "not safe", "proved to"):
        assert " ".join(part.split()) in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80


def test_text_in_ascii(fc, govcheck, monkeypatch):
    monkeypatch.setattr(output, "speaks_unicode", lambda stream=None: False)
    for argv in ([], ["--block", "all"], ["--depth", "1,2"]):
        out = govcheck("gram", fc(), *argv)[1]
        assert out.isascii() and "lambda_" in out and "?" not in out


def test_antiparallel_inputs_of_an_odd_activation(fc, govcheck, ask):
    path = fc("tanh", x=np.vstack([X3, -X3[:1]]))
    code, doc = ask(path)
    assert code == 1 and not doc["hold"]
    parallel = doc["hypotheses"][1]
    assert parallel["status"] == "refuted" and parallel["antiparallel"] == [[0, 3]]
    assert doc["printed"]["percent"] is None
    code, out, _ = govcheck("gram", path)
    assert code == 1
    assert "antiparallel pairs: (0, 3)" in out and "✗ not certified" in out
    # without the pair the same network is fine
    assert govcheck("gram", path, "--points", 3)[0] == 0


def test_lengths_are_decided(fc, ask):
    _, doc = ask(fc(x=X3 * np.array([[1.0], [0.5], [1.6]])))
    assert doc["hypotheses"][0]["status"] == "refuted"
    assert doc["hypotheses"][0]["offending"] == [1, 2]
    assert doc["expectations"]["degree"] is None
    assert ask(fc(x=np.eye(3)))[1]["hypotheses"][0]["status"] == "proved"


@pytest.mark.parametrize("block, names", [
    ("feature", ["gram:affine_3"]),
    ("ntk", ["ntk"]),
    ("affine", ["block:affine.weight"]),
    ("affine_2[1]", ["block:affine_2[1].weight"]),
    ("gram:affine_2[0]", ["gram:affine_2[0]"]),
    ("all", ["last", "gram:affine_3", "ntk", "block:affine.weight", "block:affine_2[0].weight",
             "block:affine_2[1].weight", "block:affine_3.weight"]),
])
def test_blocks(fc, ask, block, names):
    code, doc = ask(fc(H=3), "--block", block)
    assert code == 0 and [b["name"] for b in doc["blocks"]] == names
    by_name = {b["name"]: b for b in doc["blocks"]}
    if block == "all":
        assert by_name["last"]["trace"] == by_name["block:affine_2[1].weight"]["trace"]
        weights = sum(b["trace"] for n, b in by_name.items() if n.startswith("block:"))
        assert by_name["ntk"]["trace"] == pytest.approx(weights)


def test_a_wrong_block(fc, govcheck):
    code, out, err = govcheck("gram", fc(), "--block", "afine")
    assert (code, out) == (2, "") and "did you mean 'affine'?" in err


def test_trained_factors_are_means(arch, ask, govcheck, tmp_path):
    save_data(tmp_path, X3)
    path = arch(RESIDUAL)
    _, doc = ask(path, "--block", "all")
    means = [b["name"] for b in doc["blocks"] if b["mean_of_random"]]
    assert means == ["block:scale_2[0].factor", "block:scale_2[1].factor"]
    assert "(mean)" in govcheck("gram", path, "--block", "all")[1]
    assert [e["id"] for e in doc["printed"]["errata"]] == ["D-1", "D-2"]
    assert doc["printed"]["errata"][1]["percent"] == pytest.approx(0, abs=1e-6)


RESIDUAL = """
govcheck: 1
symbols: {m: 64, H: 3}
input: [3]
layers:
  - affine: {out: m, bias: false}
  - softplus
  - scale: {factor: sqrt(c_sigma(softplus)/m)}
  - repeat:
      times: H - 1
      block:
        - residual:
            - affine: {out: m, bias: false}
            - softplus
            - scale: {factor: 1/(H*sqrt(m)), trainable: true}
  - affine: {out: 1, bias: false}
cost: half_square
data: {file: {path: x.npz}}
"""


def test_zero_residual_factor(arch, ask, tmp_path):
    save_data(tmp_path, X3)
    path = arch(RESIDUAL.replace("trainable: true", "trainable: true, initial: 0"))
    code, doc = ask(path)
    assert code == 1 and doc["blocks"][0]["lambda_min"] == 0


NO_STEP = """
govcheck: 1
symbols: {m: 8}
input: [1, 4, 4]
layers:
  - conv: {out: m, kernel: 3, padding: same}
  - relu
  - max_pool: {kernel: 2}
  - flatten
  - affine: {out: 1}
cost: half_square
data: {sphere: {n: 3}}
"""


def test_no_limiting_kernel(arch, govcheck, ask):
    path = arch(NO_STEP)
    code, out, err = govcheck("gram", path)
    assert code == 1 and err == ""
    assert "max_pool" in out and "declares no kernel step" in out
    code, doc = ask(path)
    assert code == 1 and not doc["hold"]
    assert doc["causes"] == [{"node": "max_pool", "reason": "max_pool declares no kernel step"}]


def test_no_hidden_layer(arch, govcheck, tmp_path):
    save_data(tmp_path, X3)
    path = arch("""
        govcheck: 1
        input: [3]
        layers: [{affine: {out: 1, bias: false}}]
        cost: half_square
        data: {file: {path: x.npz}}
        """)
    code, out, _ = govcheck("gram", path)
    assert code == 1 and "no hidden layer" in out
    code, out, _ = govcheck("gram", path, "--points", "1,2")
    assert code == 1 and "no hidden layer" in out
    code, out, _ = govcheck("gram", path, "--block", "ntk")
    assert code == 0


def test_no_data(arch, govcheck):
    path = arch("""
        govcheck: 1
        input: [3]
        layers: [{affine: {out: 4}}, tanh, {affine: {out: 1}}]
        """)
    code, _, err = govcheck("gram", path)
    assert code == 2 and "has no data" in err


def test_a_network_of_no_paper(arch, govcheck, ask, tmp_path):
    save_data(tmp_path, X3)
    path = arch(FC.format(act="tanh", H=2).replace("bias: false", "bias: true"))
    assert ask(path)[1]["printed"] is None
    code, _, err = govcheck("gram", path, "--as-printed")
    assert code == 2 and "affine: it has a bias" in err


def test_one_hidden_layer_has_no_printed_definition(fc, govcheck):
    code, out, _ = govcheck("gram", fc(H=1))
    assert code == 0 and "not defined for one hidden layer" in out


def test_ball_arithmetic_on_request(fc, ask, govcheck, monkeypatch):
    path = fc()
    plain, close = (ask(path, *argv)[1]["blocks"][0] for argv in ([], ["--balls"]))
    assert plain["lambda_min_lower"] < close["lambda_min_lower"] <= 0.0232817292031051
    monkeypatch.setattr(gram, "BALLS", 2)
    code, _, err = govcheck("gram", path, "--balls")
    assert code == 2 and "at most 2 samples" in err


def test_many_samples_are_compared_on_demand(fc, ask, monkeypatch):
    monkeypatch.setattr(gram, "PRINTED", 2)
    path = fc()
    assert ask(path)[1]["printed"] is None
    assert ask(path, "--as-printed")[1]["printed"]["percent"] == pytest.approx(29.09, abs=0.01)


def test_a_definition_that_disagrees_is_not_compared(fc, ask, monkeypatch):
    monkeypatch.setattr(gram, "AGREE", -1.0)
    assert "another matrix" in ask(fc())[1]["printed"]["why_not"]


def test_symbols_can_be_set(fc, ask):
    path = fc(H=1)
    direct = ask(fc(H=3))[1]["blocks"][0]["lambda_min"]
    assert ask(path, "--set", "H=3")[1]["blocks"][0]["lambda_min"] == direct
    assert direct == pytest.approx(0.0075565853618459, abs=1e-13)


def test_memory_is_refused_with_what_fits(fc, govcheck, ask):
    path = fc(x=sphere(900))
    code, out, err = govcheck("gram", path, "--max-memory", "30M")
    assert (code, out) == (2, "")
    assert "900 samples take about" in err and "--no-eigenvalues" in err
    fits = int(err.partition("--points ")[2].split()[0])
    code, doc = ask(path, "--max-memory", "30M", "--points", fits)
    assert doc["memory"]["peak_bytes"] <= doc["memory"]["cap_bytes"] == 30 * 2**20
    assert govcheck("gram", path, "--max-memory", "30M", "--points", fits + 10)[0] == 2
    assert govcheck("gram", path, "--max-memory", "10k", "--depth", "1,2")[0] == 2
    err = govcheck("gram", path, "--max-memory", "10k")[2]
    assert "no smaller number" in err


def test_large_work_is_announced(fc, govcheck, monkeypatch):
    monkeypatch.setattr(gram, "LARGE", 1)
    assert "3 samples, about" in govcheck("gram", fc())[2]


@pytest.mark.parametrize("argv, says", [
    (["--points", "4"], "there are 3 samples, not 4"),
    (["--points", "0"], "0 is below 1"),
    (["--points", "two"], "not a list of whole numbers"),
    (["--depth", "1,,2"], "not a list of whole numbers"),
    (["--max-memory", "much"], "not a size"),
    (["--max-memory", "0"], "must be positive"),
    (["--save", "k.txt"], "not a .npy file"),
    (["--save", "no/such/k.npy"], "there is no folder"),
    (["--plot", "a.svg"], "nothing to draw"),
    (["--depth", "1,2", "--plot", "a.jpg"], "no known format"),
    (["--depth", "1,2", "--save", "k.npy"], "leave out --save"),
    (["--depth", "1,2", "--set", "H=3"], "set by --depth and by --set"),
    (["--depth", "1,2", "--depth-symbol", "L"], "'L'"),
    (["--resume"], "it goes with --save"),
    (["--restart"], "it goes with --save"),
    (["--no-eigenvalues"], "it goes with --save"),
    (["--save", "k.npy", "--block", "all"], "a file holds one"),
    (["--save", "k.npy", "--no-eigenvalues", "--as-printed"], "about eigenvalues"),
    (["--save", "k.npy", "--no-eigenvalues", "--balls"], "about eigenvalues"),
    (["--depth", "1,2", "--balls"], "leave out --save"),
    (["--resume", "--restart"], "not allowed with"),
])
def test_wrong_options(fc, govcheck, argv, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = govcheck("gram", fc(), *argv)
    assert (code, out) == (2, "") and says in err
    assert "Traceback" not in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["arch.yaml", "x.npz"]


@pytest.mark.parametrize("text, count", [
    ("500", 500), ("2k", 2048), ("1.5M", 3 << 19), ("2GiB", 2 << 30), ("1 tb", 1 << 40),
])
def test_sizes(text, count):
    assert gram_options.size(text, "--max-memory") == count


def test_sizes_are_shown_short():
    shown = [gram_options.shown_size(c) for c in (12, 2048, 3 << 19, 1 << 30, 150 << 20)]
    assert shown == ["12 bytes", "2 KiB", "1.5 MiB", "1 GiB", "150 MiB"]


def test_saved_matrix(fc, ask, tmp_path):
    path, file = fc(x=sphere(40)), tmp_path / "K.npy"
    code, doc = ask(path, "--save", file)
    saved = np.load(file)
    assert code in (0, 1) and doc["saved"]["path"] == str(file)
    assert saved.shape == (40, 40) and np.array_equal(saved, saved.T)
    assert float(np.linalg.eigvalsh(saved)[0]) == doc["blocks"][0]["lambda_min"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["K.npy", "arch.yaml", "x.npz"]
    code, doc = ask(path, "--save", file, "--no-eigenvalues", "--block", "ntk")
    assert code == 0 and doc["blocks"] == [] and doc["hold"]
    assert not np.array_equal(np.load(file), saved)


def interrupted(monkeypatch, after):
    """Make the command stop as if by Ctrl-C after some tiles."""
    real = tiles.Stored.write

    def write(self, name, tile, progress=None, **options):
        def stop(done, of):
            progress(done, of)
            if done == after:
                raise KeyboardInterrupt

        return real(self, name, tile, stop, **options)

    monkeypatch.setattr(tiles.Stored, "write", write)


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(Job, "_tile", lambda job: 8)


def test_interrupted_save_is_taken_up(fc, govcheck, tmp_path, monkeypatch, small_tiles):
    path, file = fc(x=sphere(60)), tmp_path / "K.npy"
    with monkeypatch.context() as patch:
        interrupted(patch, 10)
        assert govcheck("gram", path, "--save", file)[0] == 130
    assert not file.exists()
    err = govcheck("gram", path, "--save", file, "--resume")[2]
    assert "after 10 tiles" in err
    whole = np.load(file)
    govcheck("gram", path, "--save", file, "--restart")
    assert np.array_equal(np.load(file), whole)


def test_work_on_another_matrix_is_not_thrown_away(
    fc, govcheck, tmp_path, monkeypatch, small_tiles
):
    path, file = fc(x=sphere(60)), tmp_path / "K.npy"
    with monkeypatch.context() as patch:
        interrupted(patch, 10)
        govcheck("gram", path, "--save", file)
    for argv in (["--block", "ntk"], ["--set", "H=4"]):
        code, _, err = govcheck("gram", path, "--save", file, *argv)
        assert code == 2 and "--restart" in err
    assert "after 10 tiles" in govcheck("gram", path, "--save", file)[2]
    with monkeypatch.context() as patch:
        interrupted(patch, 10)
        govcheck("gram", path, "--save", file)
    assert govcheck("gram", path, "--save", file, "--block", "ntk", "--restart")[2] == ""
    assert not file.with_name("K.npy.part").exists()


SLOW = """
import sys, time
from govcheck.kernels import tiles
from govcheck.kernels.gram import Job
tiles.FLUSH_SECONDS = 0.01
real = Job.entries
def slow(self, rows, columns):
    time.sleep(0.004 * (rows.stop - rows.start == 16))
    return real(self, rows, columns)
Job.entries = slow
Job._tile = lambda job: 16
from govcheck_cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_killed_runs_go_on_to_the_same_bits(fc, tmp_path):
    path, file = fc(x=sphere(400)), tmp_path / "K.npy"
    note = tmp_path / "K.npy.part.json"
    command = [sys.executable, "-c", SLOW, "gram", str(path), "--save", str(file),
               "--no-eigenvalues"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    chance = random.Random(0)
    reached = []
    for _ in range(4):
        before = note.stat().st_mtime_ns if note.exists() else None
        run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline and run.poll() is None:
            if note.exists() and note.stat().st_mtime_ns != before:
                break
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.15))
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stderr.close()
        assert run.returncode == -signal.SIGKILL and not file.exists()
        reached.append(json.loads(note.read_text())["tiles"])
    assert reached == sorted(set(reached)) and reached[-1] < 325
    last = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert last.returncode == 0 and f"after {reached[-1]} tiles" in last.stderr
    whole = tmp_path / "whole.npy"
    command[command.index(str(file))] = str(whole)
    assert subprocess.run(command, env=environment, check=False,
                          capture_output=True).returncode == 0
    assert whole.read_bytes() == file.read_bytes()
    assert sorted(p.name for p in tmp_path.glob("*.npy*")) == ["K.npy", "whole.npy"]
