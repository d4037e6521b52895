"""Small networks of many layer kinds, with random weights."""

from __future__ import annotations

import pytest
import torch

from govcheck.bounds.evaluate import ball
from govcheck.numeric.build import values_in
from govcheck.numeric.measure.subject import Subject

torch.set_num_threads(1)


def square(outputs, targets):
    return (outputs - targets.reshape(outputs.shape)).square().sum() / (2 * len(outputs))


def randomised(module, seed=0, spread=0.7):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(spread * torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return module.double()


@pytest.fixture
def make_subject():
    def make(module, x, seed=0):
        module = randomised(module, seed)
        generator = torch.Generator().manual_seed(seed + 1)
        y = torch.randn(module(x).shape, generator=generator, dtype=torch.float64)
        return Subject(module, x, y, square)

    return make


@pytest.fixture
def example_subjects(registry, make_subject):
    """Up to a few examples of a layer, followed by a smooth map so that the loss is curved."""

    def make(name, most):
        found = []
        for example in registry.layers[name].examples():
            values = values_in({s: ball(v) for s, v in example.values.items()})
            module = example.layer.module(example.shape, values)
            if next(module.parameters(), None) is None:
                continue
            generator = torch.Generator().manual_seed(5)
            x = torch.randn(3, *example.shape, generator=generator, dtype=torch.float64)
            found.append(make_subject(module, x, seed=len(found)))
            if len(found) == most:
                break
        return found

    return make
