"""Single modules and functions, each checked at random weights by `from_torch` itself."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from govcheck.graph.blocks import leaves


class Calls(nn.Module):
    """A function between two trained maps, so that gradients pass through it."""

    def __init__(self, f, image=False):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1) if image else nn.Linear(6, 6)
        self.f = f

    def forward(self, x):
        return self.f(self.first(x))


VECTORS = {
    "relu": (F.relu, ["relu"]),
    "torch.relu": (torch.relu, ["relu"]),
    "method": (lambda x: x.tanh(), ["tanh"]),
    "gelu": (lambda x: F.gelu(x, approximate="tanh"), ["gelu_tanh"]),
    "leaky": (lambda x: F.leaky_relu(x, 0.2), ["leaky_relu"]),
    "elu": (lambda x: F.elu(x, alpha=0.5), ["elu"]),
    "times": (lambda x: 0.3 * x, ["scale"]),
    "over": (lambda x: x / math.sqrt(6), ["scale"]),
    "minus": (lambda x: -x, ["scale"]),
    "dropout": (lambda x: F.dropout(x, 0.5, training=False), []),
    "softmax": (lambda x: x.softmax(-1), ["softmax"]),
    "reshape": (lambda x: x.view(x.size(0), 2, 3).reshape(-1, 3, 2).flatten(1), []),
    "transpose": (lambda x: x.unflatten(1, (2, 3)).transpose(1, 2).transpose(-1, -2), ["reshape"]),
    "layer_norm": (lambda x: F.layer_norm(x, (6,)), ["layer_norm"]),
    "token": (lambda x: x.reshape(-1, 2, 3)[:, -1], ["reshape", "take_token"]),
}
IMAGES = {
    "max_pool": (lambda x: F.max_pool2d(x, 3, 2, 1), ["max_pool"]),
    "avg_pool": (lambda x: F.avg_pool2d(x, 2), ["avg_pool"]),
    "padded_pool": (lambda x: F.avg_pool2d(x, 3, 2, 1), ["zero_pad", "avg_pool"]),
    "adaptive": (lambda x: F.adaptive_avg_pool2d(x, 4), ["avg_pool"]),
    "mean": (lambda x: x.mean((-2, -1)), ["global_avg_pool"]),
    "mean_kept": (lambda x: x.mean([2, 3], keepdim=True), ["global_avg_pool", "reshape"]),
    "mean_last": (lambda x: x.permute(0, 2, 3, 1).mean((1, 2)), None),
    "pad": (lambda x: F.pad(x, (1, 1, 1, 1)), ["zero_pad"]),
    "group_norm": (lambda x: F.group_norm(x, 2), ["group_norm"]),
    "rotate": (lambda x: x.permute(0, 2, 3, 1), ["reshape", "transpose", "reshape"]),
    "cat": (lambda x: torch.cat([x, F.relu(x)], 1), ["relu"]),
    "twice": (lambda x: x + x, []),
}


@pytest.mark.parametrize("name", VECTORS)
def test_functions_of_vectors(name, imports):
    f, layers = VECTORS[name]
    found = imports(Calls(f), 1, 6)
    assert [leaf.layer.name for leaf in leaves(found.architecture.body)][1:] == layers
    assert found.check.passed


@pytest.mark.parametrize("name", IMAGES)
def test_functions_of_images(name, imports):
    f, layers = IMAGES[name]
    found = imports(Calls(f, image=True), 1, 2, 8, 8)
    if layers is not None:
        assert [leaf.layer.name for leaf in leaves(found.architecture.body)][1:] == layers
    assert found.check.passed


MODULES = [
    nn.Softplus(beta=2.0), nn.SiLU(), nn.Hardswish(), nn.Mish(), nn.SELU(), nn.LogSigmoid(),
    nn.RMSNorm(6, eps=1e-4), nn.LayerNorm(6, elementwise_affine=False), nn.BatchNorm1d(6),
]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: type(m).__name__)
def test_modules(module, imports):
    assert imports(nn.Sequential(nn.Linear(6, 6), module), 1, 6).check.passed


def test_a_subclass_that_only_adds_a_constructor_is_the_same(imports):
    class Mine(nn.Linear):
        def __init__(self):
            super().__init__(6, 3)

    assert "affine: {out: 3}" in imports(Mine(), 1, 6).text


PARAMETRISED = {
    "weight_norm": (lambda: parametrizations.weight_norm(nn.Linear(6, 4)), (6,)),
    "weight_norm_conv": (lambda: parametrizations.weight_norm(nn.Conv2d(2, 3, 3)), (2, 5, 5)),
    "spectral_norm": (lambda: parametrizations.spectral_norm(nn.Linear(6, 4)), (6,)),
    "spectral_norm_conv": (
        lambda: parametrizations.spectral_norm(nn.Conv2d(2, 3, 3)), (2, 5, 5)),
}


@pytest.mark.parametrize("name", PARAMETRISED)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_parametrised_weights(name, mode, imports):
    make, shape = PARAMETRISED[name]
    found = imports(make(), 1, *shape, mode=mode)
    assert found.check.passed
    kind = "spectral" if "spectral" in name else "torch_weight_norm"
    assert f"weight: {kind}" in found.text
    assert bool(found.notes) == (kind == "spectral")


class Heads(nn.Module):
    """Separate projections, the softmax written out."""

    def __init__(self, scale):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(6, 6) for _ in range(4))
        self.scale = scale

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = (m(x).view(n, t, 2, 3).transpose(1, 2) for m in (self.q, self.k, self.v))
        w = torch.softmax(q @ k.transpose(-2, -1) * self.scale, dim=-1)
        return self.o((w @ v).transpose(1, 2).reshape(n, t, d)) + x


def test_attention_written_out(imports):
    found = imports(Heads(3**-0.5), 1, 4, 6)
    assert "residual" in found.text
    assert "multihead_attention: {heads: 2, head: 3" in found.text
    assert found.names["repeat.0.query" if "repeat" in found.text else
                       "multihead_attention.query"] == ("q.weight",)


def test_attention_module(imports):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, x):
            return x + self.a(x, x, x, need_weights=False)[0]

    assert imports(Net(), 1, 4, 6).check.passed


def test_attention_of_another_scale_is_not_claimed(imports):
    from govcheck.numeric.importing import NotClaimedError

    with pytest.raises(NotClaimedError, match="its scale is not one over the root"):
        imports(Heads(0.7), 1, 4, 6)


class Std(nn.Conv2d):
    def __init__(self, eps, scale=1.0, power=1.0):
        super().__init__(2, 5, 3)
        self.eps, self.times, self.power = eps, scale, power

    def forward(self, x):
        w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        size = (w.square().sum((1, 2, 3), keepdim=True) + self.eps) ** (self.power / 2)
        return F.conv2d(x, self.times * w / size, self.bias)


def test_standardised_kernels_are_recognised_by_their_values(imports):
    found = imports(Std(0.03, 1.7), 1, 2, 6, 6)
    assert "weight: standardised, eps: 0.03, scale: 17/10" in found.text


@pytest.mark.parametrize("other", [Std(0.0), Std(0.03, power=2.0), Std(0.03, -1.0)])
def test_what_is_nearly_a_standardised_kernel_is_not_claimed(other, imports):
    from govcheck.numeric.importing import NotClaimedError

    with pytest.raises(NotClaimedError, match="its weight is computed from parameters"):
        imports(other, 1, 2, 6, 6)


def test_extremes_of_running_statistics_enclose_them(imports):
    from fractions import Fraction

    net = nn.Sequential(nn.BatchNorm1d(4))
    net[0].running_var = torch.tensor([0.1, 0.3, 0.7, 1.1], dtype=torch.float64)
    net[0].running_mean = torch.tensor([0.1, -0.7, 0.2, 0.3], dtype=torch.float64)
    (leaf,) = leaves(imports(net, 1, 4, mode="eval").architecture.body)
    assert leaf.layer.running_var.number <= Fraction(0.1)
    assert leaf.layer.running_var_max.number >= Fraction(1.1)
    assert leaf.layer.running_mean.number >= Fraction(0.7)


def test_unused_parameters_are_noted(imports):
    net = Calls(F.relu)
    net.spare = nn.Linear(2, 2)
    found = imports(net, 1, 6)
    assert "spare.weight: the module does not use this parameter" in found.notes
