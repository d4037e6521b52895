import pytest

import govcheck
from govcheck.report.document import document
from govcheck.report.full import full

RESNET = """
govcheck: 1
name: residual
symbols: {m: 8, H: 4, delta: 1/10, eps: 1}
input: [64]
layers:
  - affine: {out: m, weight: entrywise, eps: eps, bias: false}
  - repeat:
      times: H - 1
      block:
        - residual:
            - affine:
                {out: m, weight: weight_norm, eps: eps, bias: false, scale: (1 - delta)/sqrt(m)}
            - tanh
cost: square
data: {digits: {n: 6}}
"""


@pytest.fixture(scope="session")
def resnet_text():
    return RESNET


@pytest.fixture(scope="session")
def analysis(registry):
    arch = govcheck.loads(RESNET.replace("m: 8", "m: 10"), registry=registry)
    return govcheck.analyze(arch, registry=registry)


@pytest.fixture(scope="session")
def both(analysis):
    return document(analysis, {"paper": govcheck.with_mode(analysis, "paper")})


SMALL = """
govcheck: 1
name: a small net
symbols: {m: 3, R: 2}
input: [2]
layers:
  - affine: {out: m}
  - tanh
  - affine: {out: 2}
cost: square
data: {sphere: {n: 2}}
domain: {ball: R}
theorems: [macdonald2022.corollary_4_3]
"""


@pytest.fixture(scope="session")
def small_full(registry):
    """The whole document of a small network."""
    arch = govcheck.loads(SMALL, registry=registry)
    return full(govcheck.analyze(arch, registry=registry))


@pytest.fixture(scope="session")
def both_full(analysis):
    """That of a residual network with recurrences, under two modes, with measurements."""
    result = {
        "quantity": "D", "where": "network", "value": 12.345678912345678, "norm": "operator norm",
        "method": "forward pass", "error": 3e-13, "error_basis": "rounding, estimated",
        "side": "both", "floor": 0.0, "evidence": True, "label": "measured", "dtype": "float64",
        "seed": None, "seconds": 0.0, "expected": {"seconds": 0.0, "bytes": 0},
    }
    row = {"quantity": "D", "meaning": "norm", "sense": "upper", "bound": "7544.00",
           "why_no_bound": None, "ratio": 611.0641, "status": "holds", "measured": result}
    gap = {**row, "quantity": "mu", "sense": "lower", "bound": None, "ratio": None,
           "why_no_bound": "no layer_x | is 100% regular", "status": "no bound"}
    measurement = {
        "name": "residual", "data": "digits", "arithmetic": "float64 on cpu", "seed": 0,
        "point": "the initial weights (normal, seed 0)", "parameters": 10, "set": "all parameters",
        "plan": [{"part": "outputs", "seconds": 0.1, "bytes": 0}], "rows": [row, gap],
        "other": [{**result, "quantity": "gram_min", "arrays": {"values": [1.0]}}],
        "notes": ["a note with $ and _"], "alarms": [],
    }
    found = {"quantity": "beta", "sense": "upper", "bound": "9.5e+8", "measured": 1.23456789e7,
             "ratio": 76.9500, "holds": True, "searches": 3}
    paper = {"paper": govcheck.with_mode(analysis, "paper")}
    return full(analysis, paper, tightness={"seed": 1, "rows": [found]}, measurement=measurement)
