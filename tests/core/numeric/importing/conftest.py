import importlib
import sys
from pathlib import Path

import pytest
import torch

from govcheck.numeric.importing import from_torch

torch.set_num_threads(1)
EXAMPLES = Path(__file__).parents[4] / "examples"


@pytest.fixture(scope="session")
def families():
    """The module examples/torch_families.py."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        return importlib.import_module("torch_families")
    finally:
        sys.path.remove(str(EXAMPLES))


@pytest.fixture
def imports(registry):
    """`from_torch` with the built-in plugin, at seed 0."""
    def run(module, *shape, **options):
        return from_torch(module, shape, registry=registry, **options)

    return run


@pytest.fixture
def agrees():
    """Largest relative difference of outputs and gradients, found independently of the check."""
    def compare(module, imported, x):
        module = module.double()
        network = imported.network()
        wanted, found = module(x), network(x)
        along = torch.linspace(-1, 2, wanted.numel(), dtype=torch.float64).reshape(wanted.shape)
        own = dict(zip(
            dict(module.named_parameters()),
            torch.autograd.grad((wanted * along).sum(), list(module.parameters())), strict=True))
        built = dict(zip(
            dict(network.named_parameters()),
            torch.autograd.grad((found * along).sum(), list(network.parameters())), strict=True))
        # entries are only moved, so sums of squares agree where a parameter is cut in pieces
        pieces = dict.fromkeys(own, 0.0)
        for name, sources in imported.names.items():
            (source,) = sources
            pieces[source] += float(built[name].square().sum())
        total = sum(float(g.square().sum()) for g in own.values())
        worst = max(abs(pieces[n] - float(g.square().sum())) / max(
            float(g.square().sum()), 1e-6 * total) for n, g in own.items())
        output = float((wanted - found).detach().abs().max() / wanted.detach().abs().max())
        return max(output, worst)

    return compare
