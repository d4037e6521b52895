import pytest

import govcheck
from govcheck.report.document import document

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
