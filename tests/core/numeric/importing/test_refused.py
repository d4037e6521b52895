"""What cannot be imported is named, all at once, with its place."""

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import pytest
import torch
from torch import nn

import govcheck as gc
from govcheck.errors import InputError
from govcheck.numeric.importing import NotClaimedError, from_torch
from govcheck.plugin import Claim, Importer, hookimpl
from govcheck_plugins.layers.softplus import Softplus


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.b = nn.PReLU()
        self.c = nn.ReLU6()

    def forward(self, x):
        x = self.b(self.a(x))
        x = self.c(torch.cumsum(x, 1))
        return torch.sort(self.a(x))[0]


def test_everything_unmatched_is_listed_with_its_line(imports):
    with pytest.raises(NotClaimedError) as error:
        imports(Odd(), 1, 4)
    first = Odd.forward.__code__.co_firstlineno
    found = [(i.path, i.what, int(i.where.rsplit(":", 1)[1]) - first) for i in error.value.items]
    assert found == [("b", "PReLU", 1), ("", "cumsum", 2), ("c", "ReLU6", 2), ("", "sort", 3)]


def shared():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.Tanh(), layer)


def frozen():
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    net[0].weight.requires_grad_(False)
    return net


def hooked():
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    net[1].register_forward_hook(lambda m, i, o: 2 * o)
    return net


def half_used():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(3, 4))

        def forward(self, x):
            return nn.functional.linear(x, self.w[:2])

    return Net()


def other_weight_norm():
    return nn.utils.parametrizations.weight_norm(nn.Linear(4, 4), dim=1)


def squared_weight():
    class Net(nn.Linear):
        def forward(self, x):
            return nn.functional.linear(x, self.weight**2, self.bias)

    return Net(4, 4)


def two_inputs():
    class Net(nn.Module):
        def forward(self, x, y):
            return x + y

    return Net()


def depends_on_values():
    class Net(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    return Net()


REFUSED = {
    shared: r"0.weight: tied weight: it is used by affine.weight and affine_2.weight",
    frozen: r"0: Linear: its weight is not trained",
    hooked: r"1: Tanh: it has hooks",
    half_used: r"w: parameter: only a part of it is used",
    other_weight_norm: r"weight_norm along dimension 1, not 0",
    squared_weight: r"its weight is computed from parameters \(Pow\)",
    two_inputs: r"forward takes a second input, y",
    depends_on_values: r"the module cannot be traced",
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda f: f.__name__)
def test_refused_with_the_reason(make, imports):
    with pytest.raises(InputError, match=REFUSED[make]):
        imports(make(), 1, 4)


def test_weights_by_the_deprecated_hooks_are_refused(imports):
    with pytest.warns(FutureWarning):
        module = nn.utils.weight_norm(nn.Linear(4, 4))
    with pytest.raises(InputError, match="parametrizations"):
        imports(module, 1, 4)


class Gate(nn.Module):
    def __init__(self, beta):
        super().__init__()
        self.beta = beta

    def forward(self, x):
        return torch.log1p(torch.exp(self.beta * x)) / self.beta


@dataclass(frozen=True)
class Claiming(Softplus):
    """Claims a module in three lines."""

    name: ClassVar[str] = "gate"

    @classmethod
    def from_module(cls, module):
        return Claim(settings={"beta": module.beta}) if isinstance(module, Gate) else None


class Wrong(Importer):
    """Claims SiLU as the identity."""

    name: ClassVar[str] = "wrong"
    modules: ClassVar[tuple[str, ...]] = (f"{__name__}.Lied",)

    def claims(self, call):
        return ()


class Lied(nn.Module):
    def forward(self, x):
        return x + 1e-3 * x**3


@pytest.fixture
def with_plugin(monkeypatch):
    plugin = ModuleType("third_party")
    plugin.govcheck_layers = hookimpl(lambda: [Claiming])
    plugin.govcheck_importers = hookimpl(lambda: [Wrong])
    plugin.govcheck_layers.__name__ = "govcheck_layers"
    monkeypatch.setitem(sys.modules, "third_party", plugin)
    return gc.load_registry(extra=[plugin])


def test_a_layer_claims_its_module(with_plugin):
    net = nn.Sequential(nn.Linear(4, 4), Gate(2.0), nn.Linear(4, 1))
    found = from_torch(net, (1, 4), registry=with_plugin)
    assert "- gate: {beta: 2.0}  # 1" in found.text
    assert found.check.passed


def test_without_the_plugin_its_calls_are_seen(imports):
    with pytest.raises(NotClaimedError, match="exp"):
        imports(nn.Sequential(nn.Linear(4, 4), Gate(2.0)), 1, 4)


def test_the_check_sees_a_false_claim_even_behind_a_factor_that_begins_at_0(with_plugin):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.lied = nn.Linear(4, 4), Lied()
            self.gain = nn.Parameter(torch.zeros(()))

        def forward(self, x):
            return x + self.gain * self.lied(self.a(x))

    assert from_torch(Net(), (1, 4), registry=with_plugin, check=False)
    with pytest.raises(InputError, match="computes something else"):
        from_torch(Net(), (1, 4), registry=with_plugin)
