"""Reports of the example architectures stay small and valid."""

from pathlib import Path

import pytest

import govcheck
from govcheck.report.derivations import derivations
from govcheck.report.document import document
from govcheck.report.html import render

EXAMPLES = Path(__file__).parents[4] / "examples"
LARGEST = 2_000_000
SLOW = pytest.mark.slow(reason="several seconds each")
NAMES = ["vgg11", *(pytest.param(n, marks=SLOW) for n in (
    "resnet18", "resnet18_modified", "preact_resnet18", "nf_resnet", "vit_tiny", "mlp_mixer"))]


@pytest.mark.parametrize("name", NAMES)
def test_under_two_megabytes(registry, parse, name):
    arch = govcheck.load(EXAMPLES / f"{name}.yaml", registry=registry)
    analysis = govcheck.analyze(arch, registry=registry)
    doc = document(analysis, {"paper": govcheck.with_mode(analysis, "paper")})
    page = render(doc | {"derivations": derivations(analysis)})
    assert len(page.encode()) < LARGEST
    tree = parse(page)
    names = {step["node"] for step in doc["layers"]}
    boxes = [e for e in tree.iter() if "gc-box" in (e.get("class") or "").split()]
    assert len(boxes) == len(names) + 2
