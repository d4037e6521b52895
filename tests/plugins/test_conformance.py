"""The conformance kit on every built-in layer."""

from dataclasses import replace
from importlib.metadata import entry_points

import pytest
import torch

from govcheck.plugin.registry import GROUP, load_registry
from govcheck.plugin.testing import QUICK, STANDARD, check_layer

torch.set_num_threads(1)

LAYERS = load_registry([e for e in entry_points(group=GROUP) if e.dist.name == "govcheck"]).layers


def faults(records):
    return [f"{r.subject}, {r.check}: {r.message}" for r in records if r.bad]


@pytest.mark.parametrize("name", LAYERS)
def test_layer_conforms(name):
    records = check_layer(LAYERS[name], effort=QUICK)
    assert not faults(records), "\n".join(faults(records))
    # nothing is skipped for want of examples
    assert sum(r.status == "passed" for r in records) >= 15


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_layer_conforms_on_all_examples(name):
    records = check_layer(LAYERS[name], effort=replace(STANDARD, examples=1000))
    assert not faults(records), "\n".join(faults(records))
