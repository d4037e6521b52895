"""The conformance kit on every built-in layer and theorem."""

from dataclasses import replace
from importlib.metadata import entry_points

import pytest
import torch

from govcheck.plugin.registry import GROUP, load_registry
from govcheck.plugin.testing import QUICK, STANDARD, THOROUGH, check_layer, check_theorem

torch.set_num_threads(1)

REGISTRY = load_registry([e for e in entry_points(group=GROUP) if e.dist.name == "govcheck"])
LAYERS = REGISTRY.layers


def faults(records):
    return [f"{r.subject}, {r.check}: {r.message}" for r in records if r.bad]


@pytest.mark.parametrize("name", LAYERS)
def test_layer_conforms(name):
    records = check_layer(LAYERS[name], effort=QUICK)
    assert not faults(records), "\n".join(faults(records))
    # nothing is skipped for want of examples
    assert sum(r.status == "passed" for r in records) >= 15


@pytest.mark.parametrize("name", REGISTRY.theorems)
def test_theorem_conforms(name):
    """A conclusion is measured on a tiny valid network; each hypothesis is violated in turn."""
    records = check_theorem(REGISTRY.theorems[name], registry=REGISTRY)
    assert {r.status for r in records} == {"passed"}, "\n".join(faults(records))
    (valid,) = (r for r in records if r.subject.endswith("example 0"))
    assert " against " in valid.message


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_layer_conforms_on_all_examples(name):
    records = check_layer(LAYERS[name], effort=replace(STANDARD, examples=1000))
    assert not faults(records), "\n".join(faults(records))


@pytest.mark.slow  # half a minute for each layer
@pytest.mark.parametrize("name", LAYERS)
def test_layer_withstands_a_thorough_search(name):
    records = check_layer(LAYERS[name], effort=replace(THOROUGH, examples=1))
    assert not faults(records), "\n".join(faults(records))
