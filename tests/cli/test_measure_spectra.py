"""`govcheck measure --spectra`: the table, drawings, refusals."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
import torch

NET = """
govcheck: 1
name: spectra
input: [2, 4, 4]
layers:
  - conv: {out: 3, kernel: 3, padding: same, bias: false}
  - batch_norm
  - relu
  - flatten
  - affine: {out: 2}
cost: square
data: {sphere: {n: 3}}
init: {normal: {seed: 0}}
domain: {ball: 1}
"""


@pytest.fixture
def net(arch):
    torch.set_num_threads(1)
    return arch(NET)


def test_all_places_and_drawings(govcheck, net, tmp_path):
    folder = tmp_path / "plots"
    code, out, err = govcheck("measure", net, "--spectra", "--plot", folder)
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    for place in ("conv", "batch_norm", "relu", "flatten", "affine"):
        assert any(line.split()[:1] == [place] for line in out.splitlines()), place
        ElementTree.parse(folder / f"{place}.svg")
        assert (folder / f"{place}.png").read_bytes()[:4] == b"\x89PNG"
    # the cost is foreseen
    assert "govcheck: relu by structured, about" in err
    assert "exact counts by inertia" in out and "samples are coupled" in out


def test_named_places_as_json(govcheck, net):
    code, out, _ = govcheck("measure", net, "--spectra", "conv..relu", "network", "--json",
                            "--method", "lanczos", "--seed", "3")
    first, second = json.loads(out)["spectra"]
    assert code == 0 and first["place"] == "conv..relu" and second["rows"] == 6
    assert first["sigma_max"]["side"] == "at least" and first["sigma_max"]["seed"] == 3
    assert first["certainty"] == "estimate" and first["cdf_error"] > 0
    assert first["percentiles"] == sorted(first["percentiles"])
    assert len(first["percentiles"]) == 101


def test_an_estimate_measures_nothing(govcheck, net):
    code, out, _ = govcheck("measure", net, "--spectra", "relu", "--estimate")
    assert code == 0 and "structured: about" in out and "Singular" not in out


@pytest.mark.parametrize(("extra", "text"), [
    (["nope"], "no layer 'nope'"),
    (["relu", "--method", "dense", "--max-memory", "1k"], "raise the limit with --max-memory"),
    (["relu", "--quantities", "loss"], "it goes neither with --quantities"),
    (["relu", "--tolerance", "2"], "between 0 and 1"),
])
def test_refusals(govcheck, net, extra, text):
    code, out, err = govcheck("measure", net, "--spectra", *extra)
    assert code == 2 and not out
    assert text in err and "Traceback" not in err
