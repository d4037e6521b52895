import json
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

NETS = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))

class Bad(Net):
    def forward(self, x):
        y = torch.cumsum(self.a(x), 1)
        return self.b(torch.fft.fft(y).abs())

def small():
    return Net()

def raises():
    raise ValueError("first line\\nno data here")

def number():
    return 3

def smooth():
    return nn.Sequential(nn.Linear(64, 3, bias=False), nn.Tanh(), nn.Linear(3, 1, bias=False))
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    (tmp_path / "user_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    yield tmp_path
    sys.modules.pop("user_nets", None)


def test_architecture_and_weights_are_written(nets, govcheck):
    code, out, err = govcheck("import", "user_nets:small", "--input", "1,4", "-o", "net.yaml",
                              "--weights", "net.safetensors", "--symbol", "m=6")
    assert code == 0
    assert out == "wrote net.yaml\nwrote net.safetensors\n"
    assert "largest relative difference" in err
    assert (nets / "net.yaml").read_text() == """\
# Imported from user_nets:small by govcheck import.
govcheck: 1
name: "small"
symbols: {m: 6}
input: [4]
layers:
  - affine: {out: m}  # a
  - tanh
  - affine: {out: 2}  # b
"""
    weights = load_file(nets / "net.safetensors")
    assert {k: v.shape for k, v in weights.items()} == {
        "affine.weight": (6, 4), "affine.bias": (6,), "affine_2.weight": (2, 6),
        "affine_2.bias": (2,)}
    assert govcheck("analyze", "net.yaml")[0] == 0


def test_measure_at_the_imported_weights(nets, govcheck):
    govcheck("import", "user_nets:smooth", "--input", "1,64", "-o", "net.yaml", "--weights",
             "net.safetensors", "--seed", "3")
    with (nets / "net.yaml").open("a") as file:
        file.write("cost: half_square\ndata: {digits: {n: 6, norm: unit}}\n")
    code, out, _ = govcheck("measure", "net.yaml", "--at", "net.safetensors", "--json")
    assert code == 0
    assert "net.safetensors" in out


def test_certify_from_the_imported_weights(nets, govcheck):
    govcheck("import", "user_nets:smooth", "--input", "1,64", "-o", "net.yaml", "--weights",
             "net.npz")
    with (nets / "net.yaml").open("a") as file:
        file.write("cost: half_square\ndata: {digits: {n: 2, norm: unit}}\n")
    assert set(np.load(nets / "net.npz")) == {"affine.weight", "affine_2.weight"}
    code, _, err = govcheck("certify", "net.yaml", "--from", "net.npz", "-o", "c.json")
    assert code in (0, 1), err


def test_json(nets, govcheck):
    code, out, _ = govcheck("import", "user_nets:small", "--input", "1,4", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["names"]["affine.weight"] == ["a.weight"]
    assert found["check"]["gradient"] < 1e-10


BAD = {
    ("user_nets:Bad",): ["user_nets.py:14: cumsum: no plugin claims this function",
                         "user_nets.py:15: fft_fft: no plugin claims this function",
                         "abs: no plugin claims this function"],
    ("user_nets:raises",): ["user_nets:raises: it fails: ValueError: no data here"],
    ("user_nets:number",): ["it returns a int, not a torch.nn.Module"],
    ("user_nets:none",): ["user_nets has no 'none'"],
    ("no_such_nets:x",): ["there is no module 'no_such_nets'"],
    ("user_nets",): ["'user_nets' is not MODULE:FACTORY"],
    ("user_nets:small", "--input", "1,5"): ["mat1 and mat2 shapes cannot be multiplied"],
    ("user_nets:small", "--input", "4"): ["'4' is no shape of a batch"],
    ("user_nets:small", "--symbol", "m=7"): ["--symbol m=7: no size is 7"],
    ("user_nets:small", "--weights", "no/w.npz"): ["--weights: no is no folder"],
    ("user_nets:small", "--weights", "w.pt"): ["neither .safetensors nor .npz"],
}


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_input_is_told_in_full_and_nothing_is_written(arguments, nets, govcheck):
    before = sorted(p.name for p in nets.iterdir() if p.name != "__pycache__")
    given = arguments if "--input" in arguments else (*arguments, "--input", "1,4")
    code, out, err = govcheck("import", *given, "-o", "net.yaml")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    for said in BAD[arguments]:
        assert any(said in line for line in lines), err
    assert all(line.startswith("govcheck: ") for line in lines), err
    assert "Traceback" not in err
    assert sorted(p.name for p in nets.iterdir() if p.name != "__pycache__") == before


def test_the_imported_module_is_never_replaced(govcheck, nets):
    code, _, err = govcheck("import", "user_nets:small", "--input", "3,4", "-o", "user_nets.py")
    assert code == 2 and "the module that is imported" in err
    assert (nets / "user_nets.py").read_text() == NETS
