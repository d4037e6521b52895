"""Derivatives against those of torch.func, and attacks on maps with known extremes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.func import hessian, jacrev

from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.derivatives import (
    Function,
    bilinear,
    jacobians,
    largest_bilinear,
    quantities,
    smallest_on_units,
    surjectivity,
)

torch.set_num_threads(1)


def two_layers():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype))
    x = torch.randn(2, 2, generator=generator, dtype=torch.float64)
    return Function(net), x


def test_first_derivatives():
    f, x = two_layers()
    j, d = jacobians(f, f.theta, x)
    expected = jacrev(lambda z: f(f.theta, z).reshape(-1))(x).reshape(4, 4)
    assert torch.allclose(j, expected, atol=1e-14)
    assert torch.allclose(d, jacrev(lambda t: f(t, x).reshape(-1))(f.theta), atol=1e-14)


@pytest.mark.parametrize("kind", ["xx", "xt", "tt"])
def test_second_derivatives(kind):
    f, x = two_layers()

    def flat(t, z):
        return f(t, z.reshape(2, 2)).reshape(-1)

    slots = {"x": 1, "t": 0}
    full = hessian(flat, argnums=(0, 1))(f.theta, x.reshape(-1))
    tensor = full[slots[kind[0]]][slots[kind[1]]]
    generator = torch.Generator().manual_seed(3)
    h, k = (torch.randn(n, generator=generator, dtype=torch.float64) for n in tensor.shape[1:])
    shaped = {"x": (2, 2), "t": (f.size,)}
    value = bilinear(f, kind, f.theta, x, h.reshape(shaped[kind[0]]), k.reshape(shaped[kind[1]]))
    assert torch.allclose(value.reshape(-1), torch.einsum("oij,i,j->o", tensor, h, k))
    # the norm lies between the largest slice and the norm of the unfolding
    best = largest_bilinear(f, kind, f.theta, x)
    assert best <= float(torch.linalg.matrix_norm(tensor.reshape(4, -1), 2)) * (1 + 1e-12)
    for i in range(tensor.shape[1]):
        assert best >= float(torch.linalg.matrix_norm(tensor[:, i], 2)) * (1 - 1e-6)


def test_surjectivity_is_0_for_more_rows_than_columns():
    a = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]], dtype=torch.float64)
    assert float(surjectivity(a)) == 0
    assert float(smallest_on_units(a)) == pytest.approx(torch.linalg.svdvals(a)[-1].item())
    assert float(surjectivity(a.T)) == float(smallest_on_units(a))


def test_all_quantities_of_a_linear_map():
    layer = nn.Linear(2, 2, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(torch.diag(torch.tensor([3.0, 0.5])))
    f = Function(layer)
    x = torch.diag(torch.tensor([2.0, 1.0], dtype=torch.float64))
    found = quantities(f, f.theta, x)
    expected = {
        "out": math.sqrt(36.25), "out_spec": 6, "out_inj": 0.5, "out_max": 6,
        "J": 3, "sigma_J": 0.5, "J_rows": 3, "D": 2, "sigma_D": 1, "D_rows": 2,
        "xx": 0, "xt": 1, "tt": 0,
    }
    assert found == pytest.approx(expected, rel=1e-9)


class Sine(nn.Module):
    """``sin(a x)`` entrywise with one trained number."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x):
        return torch.sin(self.a * x)


@pytest.mark.parametrize(
    ("quantity", "expected"),
    # |a| <= 2, |x| <= 1: a, x, a^2 and x^2 where a x = pi/2, and a cos(a x) at a = 0
    [("J", 2.0), ("D", 1.0), ("xx", 4.0), ("tt", 1.0), ("sigma_J", 0.0)],
)
def test_attack_reaches_extremes_of_a_known_map(quantity, expected):
    found = attack(Sine(), quantity, Inputs((1, 1), 1.0), Weights(2.0), starts=6, steps=80)
    assert found.value == pytest.approx(expected, rel=1e-2, abs=2e-2)
    assert abs(float(found.theta)) <= 2 * (1 + 1e-12)
    assert abs(float(found.x)) <= 1 + 1e-12


def test_attack_is_deterministic():
    f, _ = two_layers()
    runs = [attack(f, "D", Inputs((2, 2), 1.0), Weights(1.0), starts=2, steps=5) for _ in "ab"]
    assert runs[0].value == runs[1].value
    assert torch.equal(runs[0].theta, runs[1].theta)


def test_points_stay_in_their_sets():
    f, _ = two_layers()
    inputs = Inputs((2, 2), 1.0, 0.8, 0.3)
    weights = Weights(0.5, f.theta, {"2": 0.1})
    found = attack(f, "out", inputs, weights, starts=3, steps=20)
    s = torch.linalg.svdvals(found.x.reshape(2, 2))
    assert float(torch.linalg.vector_norm(s)) <= 1 + 1e-12
    assert float(s[-1]) >= 0.3 - 1e-12 and float(s[0]) <= 0.8 + 1e-12
    for places, radius in weights.balls(f):
        way = torch.linalg.vector_norm((found.theta - f.theta)[places])
        assert float(way) <= radius * (1 + 1e-12)


def test_sets_that_are_empty_and_quantities_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="no batch"):
        Inputs((2, 2), 1.0, 1.0, 0.9)
    with pytest.raises(ValueError, match="no batch"):
        Inputs((3, 2), 1.0, 1.0, 0.1)
    with pytest.raises(ValueError, match="no quantity"):
        attack(Sine(), "JJ", Inputs((1, 1), 1.0))
