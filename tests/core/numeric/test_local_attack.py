"""Searches that the conformance kit adds, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import govcheck as gc
from govcheck.numeric.attack import Inputs, Weights, attack
from govcheck.numeric.attack_local import local_first_order
from govcheck.numeric.derivatives import Function, jacobians
from govcheck.numeric.differences import steepest, steepest_of
from govcheck.numeric.initial import initialised
from govcheck.numeric.network import extreme
from govcheck.numeric.scalars import derivatives, largest

torch.set_num_threads(1)

MATRIX = torch.tensor([[1.0, -2.0], [3.0, 0.5]], dtype=torch.float64)


class Linear(nn.Module):
    """``X -> X A^T`` with a fixed A."""

    def forward(self, x):
        return x @ MATRIX.T


class Sine(nn.Module):
    def forward(self, x):
        return torch.sin(x)


class Product(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(n, dtype=torch.float64))

    def forward(self, x):
        return self.w * x


def test_max_norm_and_skip_of_a_matrix():
    inputs = Inputs((1, 2), 1.0)
    assert attack(Linear(), "J_inf", inputs, steps=2).value == pytest.approx(3.5, rel=1e-12)
    expected = torch.linalg.svdvals(MATRIX + torch.eye(2))[-1].item()
    assert attack(Linear(), "sigma_skip", inputs, steps=2).value == pytest.approx(expected)


def test_sizes_that_differ_have_no_skip():
    j, _ = jacobians(Function(nn.Flatten()), torch.zeros(0), torch.ones(1, 2, 2))
    assert "sigma_skip" in local_first_order(j)
    assert "sigma_skip" not in local_first_order(j[:2])


def test_second_derivative_from_the_max_norm():
    """sin: ``|D2[h, k]|_2 <= max|sin| |h|_max |k|_2``, attained with all of k in one entry."""
    found = attack(Sine(), "xx_inf", Inputs((1, 2), 3.0), starts=4, steps=60)
    assert 0.999 <= found.value <= 1 + 1e-12


def test_smallest_skip_of_the_sine():
    found = attack(Sine(), "sigma_skip", Inputs((1, 1), 4.0), starts=4, steps=60)
    assert found.value == pytest.approx(0, abs=1e-3)


def test_weights_and_input_meet_in_one_entry():
    """``|w * x| <= |w| |x|`` with equality in one entry; equal entries give half of it."""
    found = attack(Product(4), "out", Inputs((1, 4), 1.0), Weights(1.0), starts=3, steps=60)
    assert 0.98 <= found.value <= 1 + 1e-12


def test_a_jump_makes_differences_grow_without_bound():
    ends = torch.tensor([-1.0, 0.3], dtype=torch.float64), torch.tensor(
        [0.7, 0.4], dtype=torch.float64)
    smooth = steepest(torch.sin, *ends)
    assert smooth.value - smooth.error <= 1 + 1e-9
    jump = steepest(torch.sign, *ends)
    assert jump.value > 1e4 and jump.error < 1e-3 * jump.value


@pytest.mark.parametrize(("quantity", "low", "high"), [
    ("J", 0.5, 1), ("xx", 1e3, math.inf), ("D", 0, 0)])
def test_differences_of_relu(quantity, low, high):
    f = Function(nn.ReLU())
    generator = torch.Generator().manual_seed(0)
    points = [(f.theta, torch.randn(2, 3, generator=generator, dtype=torch.float64))
              for _ in range(3)]
    found = steepest_of(f, quantity, points)
    assert low <= found.value - found.error <= high * (1 + 1e-9)


def test_differences_in_parameters():
    f = Function(Product(3))
    x = torch.tensor([[1.0, 2.0, -3.0]], dtype=torch.float64)
    points = [(torch.eye(3, dtype=torch.float64)[i], x) for i in range(3)]
    assert 2 < steepest_of(f, "D", points).value <= 3 + 1e-9
    assert steepest_of(f, "xt", points).value <= 1 + 1e-9
    assert steepest_of(f, "tt", points).value <= 1e-9


def test_the_line_is_searched_far_out():
    value, place = largest(lambda x: 1 / (1 + (x - 877.123) ** 2))
    assert value == pytest.approx(1, rel=1e-9) and place == pytest.approx(877.123, abs=1e-4)
    value, place = largest(lambda x: -((x - math.sqrt(2)) ** 2))
    assert place == pytest.approx(math.sqrt(2), abs=1e-6)


def test_nan_counts_as_the_largest_value():
    assert largest(lambda x: torch.where(x > 500, torch.nan, 0.0))[0] == math.inf


def test_derivatives_of_a_scalar_function():
    x = torch.tensor([0.3, -2.0], dtype=torch.float64)
    for found, expected in zip(
        derivatives(torch.sin, x, 3), (x.sin(), x.cos(), -x.sin(), -x.cos()), strict=True
    ):
        assert torch.allclose(found, expected, rtol=1e-12)
    assert not derivatives(torch.sign, x, 2)[2].any()


NET = """
govcheck: 1
name: net
input: [2]
layers:
  - affine: {{out: 2, bias: false}}
data: {data}
domain: {domain}
"""


def analysis(registry, domain, data="{orthonormal: {n: 2}}"):
    arch = gc.loads(NET.format(domain=domain, data=data), registry=registry)
    return gc.analyze(arch, registry=registry)


def test_extremes_of_a_network_on_its_data(registry):
    ball = analysis(registry, "{ball: 3}")
    assert extreme(ball, "J", starts=2, steps=60) == pytest.approx(3, rel=2e-3)
    assert extreme(ball, "D", starts=1, steps=5) == pytest.approx(1)
    everywhere = analysis(registry, "everything")
    assert extreme(everywhere, "sigma_D", starts=1, steps=5) == pytest.approx(1)
    around = analysis(registry, "{around_init: 1}\ninit: {normal: {seed: 0}}")
    (weight,) = initialised(around).state_dict().values()
    norm = float(torch.linalg.matrix_norm(weight, 2))
    assert extreme(around, "J", starts=2, steps=300) == pytest.approx(norm + 1, rel=2e-3)
