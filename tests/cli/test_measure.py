"""`govcheck measure`: the table, alarms, files, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import torch

from govcheck.bounds.expr import num
from govcheck.numeric.measure import sets

NET = """
govcheck: 1
name: measured
symbols: {m: 3, R: 2}
input: [2]
layers:
  - affine: {out: m, bias: false}
  - tanh
  - scale: {factor: 1/2, trainable: true, initial: 1}
  - affine: {out: 2, bias: false}
cost: square
data: {sphere: {n: 3}}
init: {normal: {seed: 0}}
domain: {around_init: R}
train: {method: gd, steps: 3, step_size: 1/100}
"""


@pytest.fixture
def net(arch):
    torch.set_num_threads(1)
    return arch(NET)


def test_the_table(govcheck, net):
    code, out, err = govcheck("measure", net)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    for quantity in ("D", "sigma_D", "beta", "J", "tt", "mu", "rate", "out", "lambda_min", "I_2"):
        assert any(line.split()[:1] == [quantity] for line in out.splitlines()), quantity
    assert "within distance R of the given weights" in " ".join(out.split())
    assert "factor scale.factor" in out and "affine_2.weight" in out
    # the cost is foreseen on stderr, before each part
    assert "6 outputs: about" in err and "govcheck: hessian, about" in err
    assert govcheck("measure", net)[1] == out


def test_json(govcheck, net):
    code, out, _ = govcheck("measure", net, "--json", "--quantities", "gram,hessian")
    found = json.loads(out)
    assert code == 0 and found["alarms"] == []
    rows = {r["quantity"]: r for r in found["rows"]}
    assert set(rows) == {"D", "sigma_D", "D_rows", "beta", "eta"}
    d = rows["D"]
    assert d["ratio"] >= 1 and d["measured"]["value"] <= float(d["bound"])
    assert d["measured"]["dtype"] == "float64" and d["measured"]["expected"]["bytes"] > 0
    assert [p["part"] for p in found["plan"]] == ["gram", "hessian"]


def test_only_the_estimate(govcheck, net):
    code, out, err = govcheck("measure", net, "--estimate")
    assert (code, err) == (0, "") and "hessian" in out and "about" in out
    assert {p["part"] for p in json.loads(govcheck("measure", net, "--estimate", "--json")[1])} > {
        "gram", "density"}


def test_a_contradicted_bound_is_exit_code_4(govcheck, net, monkeypatch):
    honest = sets.proven

    def wrong(*given):
        found = honest(*given)
        bounds = found.analysis.bounds
        bounds["D"] = replace(bounds["D"], value=num(1) / 1024)
        return found

    monkeypatch.setattr(sets, "proven", wrong)
    code, out, err = govcheck("measure", net, "--quantities", "gram")
    assert code == 4
    assert "ALARM" in out and "D is proven to be at most 0.000976563, but was measured as" in err
    assert json.loads(govcheck("measure", net, "--json")[1])["alarms"] == ["D"]


@pytest.mark.parametrize("form", ["svg", "png"])
def test_drawings(govcheck, net, tmp_path, form):
    path = tmp_path / f"table.{form}"
    argv = ("measure", net, "--quantities", "gram,outputs", "--plot", path)
    assert govcheck(*argv)[0] == 0
    content = path.read_bytes()
    if form == "svg":
        text = "".join(ElementTree.fromstring(content).itertext())
        assert "D ≤" in text and "measured" in text and "D_rows" in text
        path.unlink()
        assert govcheck(*argv)[0] == 0 and path.read_bytes() == content
    else:
        assert content.startswith(b"\x89PNG") and len(content) > 10_000
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_checkpoint(govcheck, net, tmp_path):
    from safetensors.torch import save_file

    run = tmp_path / "run"
    assert govcheck("train", net, "-o", run, "--steps", "2")[0] == 0
    code, out, _ = govcheck("measure", net, "--at", run, "--json", "--quantities", "layers,gram")
    found = json.loads(out)
    assert code == 0 and found["point"].endswith("checkpoint-000000002.safetensors")
    drift = [m["value"] for m in found["other"] if m["quantity"] == "drift"]
    assert len(drift) == 3 and all(0 < d < 1 for d in drift)
    bad = tmp_path / "bad.safetensors"
    save_file({"affine.weight": torch.zeros(7, 7)}, bad)
    code, _, err = govcheck("measure", net, "--at", bad)
    assert code == 2 and "does not fit" in err
    assert govcheck("measure", net, "--at", tmp_path / "none.safetensors")[0] == 2
    (tmp_path / "text.safetensors").write_text("no tensors")
    assert govcheck("measure", net, "--at", tmp_path / "text.safetensors")[0] == 2
    (tmp_path / "empty").mkdir()
    assert govcheck("measure", net, "--at", tmp_path / "empty")[0] == 2


def test_along_training(govcheck, net, tmp_path):
    run = tmp_path / "run"
    code, out, _ = govcheck("measure", net, "--every", "2", "-o", run,
                            "--quantities", "gram,layers,loss")
    assert code == 0 and "measured every 2" in out
    records = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    measured = {r["step"]: r["measured"] for r in records if r.get("measured")}
    assert set(measured) >= {0, 2}
    for record in measured.values():
        assert record["alarms"] == [] and record["D"]["ratio"] >= 1
    assert measured[0]["drift@affine"]["value"] == 0 < measured[2]["drift@affine"]["value"]
    losses = [measured[k]["alpha"]["value"] for k in (0, 2)]
    assert losses[1] < losses[0]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--quantities", "gramm"), "gramm"),
        (("--max-memory", "lots"), "500M or 4G"),
        (("--max-seconds", "0"), "positive"),
        (("--device", "abacus"), "cpu always works"),
        (("--device", "meta"), "torch cannot use 'meta'"),
        (("--plot", "table.gif"), ".png or .pdf"),
        (("--plot", "no/such/folder/table.svg"), "no folder"),
        (("--every", "0"), "from 1 on"),
        (("--set", "q=1"), "q"),
    ],
)
def test_refusals(govcheck, net, argv, says):
    code, out, err = govcheck("measure", net, *argv)
    assert (code, out) == (2, "") and says in err and "Traceback" not in err


def test_what_does_not_fit_says_so(govcheck, net):
    code, out, _ = govcheck("measure", net, "--max-memory", "1K")
    text = " ".join(out.split())
    assert code == 0 and "is left out" in text and "matrix-free" in text


def test_without_data_or_cost(govcheck, arch):
    no_data = arch(NET.replace("data: {sphere: {n: 3}}", ""), "no_data.yaml")
    code, _, err = govcheck("measure", no_data)
    assert code == 2 and "no data to measure on" in err
    no_cost = arch(NET.replace("cost: square", ""), "no_cost.yaml")
    code, out, _ = govcheck("measure", no_cost)
    assert code == 0 and "beta" not in out and " D " in out
