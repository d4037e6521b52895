"""Depth and the scale of residual branches, in both senses of the Jacobian."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from govcheck.certify.floats import FUNCTIONS
from govcheck.kernels.scaling import branch_scale, input_extremes, input_jacobian

C = {"softplus": 1.08548650298834, "tanh": 2.53617543321745}
TABLE = {
    ("softplus", "0"): ((3.87, 0.093), (359, 0.000497)),
    ("softplus", "1/2"): ((2.77, 0.229), (6.9, 0.181)),
    ("softplus", "1"): ((2.13, 0.381), (1.85, 0.584)),
    ("tanh", "0"): ((4.61, 0.0365), (88.3, 0.00211)),
    ("tanh", "1/2"): ((3.2, 0.144), (5.44, 0.157)),
    ("tanh", "1"): ((2.39, 0.291), (1.86, 0.527)),
}


def extremes(act, power, H):
    value, slope = (lambda z, i=i: FUNCTIONS[act](z)[i] for i in (0, 1))
    return input_extremes(H, Fraction(power), value, slope, C[act])


@pytest.mark.parametrize(("act", "power"), TABLE)
def test_means_of_two_networks_are_near_published_ones(act, power):
    # other draws of two networks of 200 units: 20 percent at the large end, the small end,
    # which is a smallest singular value squared, within a factor of 1.6
    for H, (largest, smallest) in zip((2, 8), TABLE[act, power], strict=True):
        found = extremes(act, power, H)
        assert found.largest == pytest.approx(largest, rel=0.2)
        assert 1 / 1.6 < found.smallest / smallest < 1.6


@pytest.mark.parametrize("power", ["0", "1/2"])
def test_the_jacobian_against_automatic_differentiation(power):
    torch.set_num_threads(1)
    H, m, p = 4, 12, Fraction(power)
    J = input_jacobian(H, p, lambda z: FUNCTIONS["tanh"](z)[0], lambda z: FUNCTIONS["tanh"](z)[1],
                       C["tanh"], m, 5)
    draw = np.random.default_rng(5)
    x = torch.as_tensor(np.sqrt(C["tanh"] / m) * np.tanh(draw.standard_normal(m)))
    weights = [torch.as_tensor(draw.standard_normal((m, m))) for _ in range(H - 1)]

    def forward(z):
        for w in weights:
            z = z + branch_scale(H, p) / m**0.5 * torch.tanh(w @ z)
        return z

    np.testing.assert_allclose(J, torch.autograd.functional.jacobian(forward, x), atol=1e-13)


def test_one_over_depth_keeps_both_ends():
    found = [extremes("softplus", "1", H) for H in (4, 8, 16)]
    assert max(e.condition for e in found) < 6
