"""Numbers of outputs, loss, layers and steps against direct computation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.func import hessian, jacrev

from govcheck.numeric.measure.dynamics import dynamics, rate, step
from govcheck.numeric.measure.gram import grams
from govcheck.numeric.measure.hessian import hessian_density
from govcheck.numeric.measure.jacobian import input_jacobian, second_derivatives
from govcheck.numeric.measure.record import Budget
from govcheck.numeric.measure.scalars import (
    activation_norms,
    drift,
    loss_numbers,
    output_norms,
)
from govcheck.numeric.norms import Normalise


@pytest.fixture
def net(make_subject):
    generator = torch.Generator().manual_seed(1)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return make_subject(module, torch.randn(5, 3, generator=generator, dtype=torch.float64))


@pytest.fixture
def normed(make_subject):
    generator = torch.Generator().manual_seed(1)
    module = nn.Sequential(
        nn.Linear(3, 4), Normalise((0,), 1e-3, scale=(4,), broadcast=(4,)), nn.Tanh(),
        nn.Linear(4, 2),
    )
    return make_subject(module, torch.randn(5, 3, generator=generator, dtype=torch.float64))


def by_name(found):
    return {m.quantity: m.value for m in found if m.where == "network"}


def test_outputs_and_loss(net):
    z = net.outputs.T
    found = by_name(output_norms(net))
    assert found["out"] == pytest.approx(float(torch.linalg.matrix_norm(z)))
    assert found["out_spec"] == pytest.approx(float(torch.linalg.matrix_norm(z, 2)))
    assert found["out_inj"] == 0.0
    loss = float(net.loss(net.theta))
    gradient = torch.func.grad(net.loss)(net.theta)
    made = loss_numbers(net)
    found = by_name(made)
    assert found["alpha"] == pytest.approx(loss)
    assert found["lipschitz"] == pytest.approx(float(gradient.norm()), rel=1e-12)
    assert found["mu"] == pytest.approx(float(gradient.norm()) ** 2 / loss, rel=1e-12)
    # half the mean square error
    assert found["Gamma_2"] == pytest.approx(1 / 5)
    assert found["mu_gamma"] == pytest.approx(2 / 5)
    layers = {m.where: m.value for m in made if m.quantity == "gradient"}
    assert set(layers) == {"0", "2"}
    assert math.hypot(*layers.values()) == pytest.approx(found["lipschitz"])


def test_layers(net):
    norms = {m.where: m.value for m in activation_norms(net)}
    hidden = net.module[0](net.x).detach()
    assert norms["0"] == pytest.approx(float(hidden.norm()))
    assert norms["1"] == pytest.approx(float(hidden.tanh().norm()))
    start = net.theta.clone()
    start[0] += 3.0
    moved = {m.where: m.value for m in drift(net, start)}
    assert moved == {"0": pytest.approx(3.0), "2": 0.0}


@pytest.mark.parametrize("which", ["net", "normed"])
def test_input_jacobian(which, request):
    s = request.getfixturevalue(which)
    j = jacrev(lambda x: s(s.theta, x).reshape(-1))(s.x).reshape(s.rows, -1)
    sigma = torch.linalg.svdvals(j)
    found = by_name(input_jacobian(s))
    assert found["J"] == pytest.approx(float(sigma[0]), abs=1e-10)
    assert found["sigma_J"] == pytest.approx(float(sigma[-1]), abs=1e-10)
    assert found["J_rows"] == pytest.approx(float(j.norm(dim=1).max()), abs=1e-10)
    free = input_jacobian(s, Budget(max_bytes=10))
    assert abs(free[0].value - float(sigma[0])) <= free[0].error and free[0].side == "at least"


@pytest.mark.parametrize("which", ["net", "normed"])
def test_second_derivatives_come_from_below(which, request):
    s = request.getfixturevalue(which)
    found = by_name(second_derivatives(s, rounds=8, starts=2))
    size = s.parameters

    def joint(a):
        return s(a[:size], a[size:].reshape(s.x.shape)).reshape(-1)

    full = hessian(joint)(torch.cat([s.theta, s.x.reshape(-1)]))
    place = {"t": slice(0, size), "x": slice(size, None)}
    generator = torch.Generator().manual_seed(0)
    for kind in ("xx", "xt", "tt"):
        tensor = full[:, place[kind[0]], place[kind[1]]]
        best = 0.0
        for _ in range(20):
            v = torch.randn(s.rows, generator=generator, dtype=torch.float64)
            for _ in range(20):
                left, values, right = torch.linalg.svd(torch.einsum("o,oij->ij", v, tensor))
                v = torch.einsum("oij,i,j->o", tensor, left[:, 0], right[0])
                v = v / v.norm()
            best = max(best, float(values[0]))
        assert 0.85 * best <= found[kind] <= best * (1 + 1e-8), kind


def test_a_search_without_time_still_says_something(net):
    found = second_derivatives(net, budget=Budget(max_seconds=1e-9))
    assert all(m.value > 0 and m.side == "at least" for m in found)


@pytest.mark.parametrize("which", ["net", "normed"])
def test_dynamics_identity(which, request):
    s = request.getfixturevalue(which)
    eta = 0.05
    gram = grams(s).total.matrix
    residual = (s.targets - s.outputs).reshape(-1)
    taken = step(s, eta)
    after = (s.targets - s(taken.theta)).reshape(-1)
    # half the *mean* square error: the gradient of the cost is -residual/n
    predicted = residual - eta / s.samples * gram @ residual
    assert torch.allclose(after, predicted - taken.remainder, rtol=0, atol=1e-12)
    found = by_name(dynamics(s, 1e-3))
    assert found["I_2"] == pytest.approx(float(step(s, 1e-3).remainder.norm()))
    assert found["I_2_order"] == pytest.approx(2, abs=0.05)


def test_rate_is_what_the_step_does(net):
    measured, taken = rate(net, 0.05)
    assert measured.value == pytest.approx(float(net.loss(taken.theta) / net.loss(net.theta)))
    assert measured.value < 1


def test_density_counts_negative_eigenvalues(normed):
    measured, d = hessian_density(normed, probes=30, steps=40)
    values = torch.linalg.eigvalsh(torch.autograd.functional.hessian(normed.loss, normed.theta))
    share = float((values < -d.resolution).double().mean())
    assert measured.label == "estimate"
    assert abs(measured.value - share) <= measured.error + 0.1
