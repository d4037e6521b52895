"""J of single layers: against dense derivatives, and beside each layer's own bound."""

import math
from dataclasses import replace

import pytest
import torch

from govcheck.analysis import analyze
from govcheck.bounds.expr import num
from govcheck.loading import loads
from govcheck.numeric.measure.local import layer_norms, layer_rows, node_of
from govcheck.numeric.measure.run import measure
from govcheck.numeric.measure.scalars import leaf_modules
from govcheck.numeric.measure.sets import proven
from govcheck.numeric.measure.subject import copies, subject

torch.set_num_threads(1)

NET = """
govcheck: 1
input: [1, 8, 8]
layers:
  - conv: {out: 2, kernel: 3, stride: 2, padding: 1}
  - batch_norm: {eps: 1/10}
  - tanh
  - repeat:
      times: 3
      block:
        - residual:
            - conv: {out: 2, kernel: 3, padding: same, weight: weight_norm, eps: 1}
            - softplus
  - layer_norm: {eps: 1/10}
  - flatten
  - affine: {out: 3}
  - softmax
cost: half_square
data: {sphere: {n: 3, classes: 3}}
init: {torch: {seed: 0}}
domain: {around_init: 1/10}
"""


@pytest.fixture(scope="module")
def found(registry):
    analysis = analyze(loads(NET, registry=registry), "tight", registry)
    s, start = subject(analysis)
    bounds = proven(analysis, s, start, registry)
    return s, bounds, measure(s, start, bounds, ["local"])


def dense(s):
    """The largest singular value for each layer, from the module's own derivatives."""
    seen, modules = {}, dict(leaf_modules(s.module))
    handles = [m.register_forward_hook(
        lambda m, given, out, path=path: seen.__setitem__(path, given[0].detach()))
        for path, m in modules.items()]
    s.module(s.x)
    for h in handles:
        h.remove()
    norms = {}
    for path, x in seen.items():
        j = torch.func.jacrev(lambda z, path=path: modules[path](z))(x)
        norms[path] = float(torch.linalg.matrix_norm(j.detach().reshape(-1, x.numel()), 2))
    return norms


def test_every_layer_against_dense_derivatives(found):
    s, bounds, result = found
    exact = dense(s)
    mine = {m.where: m for m in result.measured}
    assert mine.keys() == {p for p in exact if node_of(p) in bounds.analysis.local}
    assert {"conv", "batch_norm", "tanh", "layer_norm", "affine", "repeat.2.softplus"} <= set(mine)
    for path, m in mine.items():
        # from below, and near
        assert m.value <= exact[path] * (1 + 1e-10), path
        assert m.value >= exact[path] * (1 - 1e-4), path
        assert m.side == "at least" or m.value == pytest.approx(exact[path], rel=1e-12)


def test_beside_the_bound_of_the_layer(found):
    s, bounds, result = found
    rows = {node_of(r.measured.where): r for r in result.layers}
    assert not result.alarms and copies(s.module) == {"repeat": 3}
    for node in ("conv", "batch_norm", "tanh", "conv_2", "softplus", "affine"):
        r = rows[node]
        assert r.status == "holds" and r.ratio >= 1 - 1e-9 and r.sense == "upper"
        assert r.bound == pytest.approx(
            float(bounds.analysis.value(bounds.analysis.local[node]["J"].value).upper().mid()))
    # the largest copy behind the first one
    assert rows["conv_2"].measured.where in ("repeat.1.conv_2", "repeat.2.conv_2")
    assert result.as_json()["layers"][0]["measured"]["where"] == "conv"


def test_a_wrong_bound_alarms(found, monkeypatch):
    s, bounds, _ = found
    measured = layer_norms(s, {"affine", "tanh"}.__contains__)
    assert [m.where for m in measured] == ["tanh", "affine"]
    local = bounds.analysis.local
    for wrong, status in ((0.9, "alarm"), (1.1, "holds")):
        own = local["affine"]
        bad = replace(own["J"], value=num(repr(wrong * measured[1].value)))
        changed = replace(own, bounds=dict(own.bounds) | {"J": bad})
        analysis = replace(bounds.analysis, local=dict(local) | {"affine": changed})
        row = next(r for r in layer_rows(analysis, {}, measured) if r.measured.where == "affine")
        assert row.status == status
        assert row.sentence.startswith("J of affine is proven to be at most")


def test_nothing_that_is_not_finite_passes_as_a_number(found):
    s, bounds, _ = found
    m = replace(layer_norms(s, {"tanh"}.__contains__)[0], value=math.nan)
    assert layer_rows(bounds.analysis, {}, [m])[0].status == "no evidence"
