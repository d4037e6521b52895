"""Batch normalisation and other groups in certificates, against the network itself in torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import govcheck
from govcheck.certify import checker
from govcheck.certify.checkpoint import checkpoint
from govcheck.certify.program import Task, task
from govcheck.certify.search import certify
from govcheck.errors import InputError
from govcheck.graph.architecture import Architecture
from govcheck.graph.weights import placed_name
from govcheck.numeric.build import build
from govcheck.numeric.derivatives import Function, jacobians

torch.set_num_threads(1)
KINDS = ("batch norm", "batch norm of images", "groups")
HEAD = ("govcheck: 1\ninput: [3]\ncost: {}\n"
        "data: {{sphere: {{n: 4, classes: 2, seed: 0}}}}\nlayers: ")


class Case(NamedTuple):
    """A task and the architecture it was made of."""

    task: Task
    arch: Architecture


class Network:
    """The torch network of a case on its data, outputs ordered as the program has them."""

    def __init__(self, case: Any) -> None:
        self.f = Function(build(case.arch))
        own, x = case.task, case.task.inputs
        self.batch = own.batch
        self.x = torch.as_tensor(np.moveaxis(x[0], -1, 0).copy() if own.batch else x)
        self.theta = self.f.theta.clone()
        for name, place in self.f.slices.items():
            w = own.parameters[".".join(placed_name(name))]
            self.theta[place] = torch.as_tensor(w).reshape(-1)

    def __call__(self, theta: Tensor) -> Tensor:
        out = self.f(theta, self.x)
        return (out.T if self.batch else out).reshape(-1)

    def hessian(self, c: Tensor) -> Tensor:
        """Second derivative of ``<c, F>`` at the parameters."""
        t = self.theta.clone().requires_grad_()
        (first,) = torch.autograd.grad(c @ self(t), t, create_graph=True)
        return torch.stack([torch.autograd.grad(g, t, retain_graph=True)[0] for g in first])

    def second(self, theta: Tensor, h: Tensor, c: Tensor) -> Tensor:
        """``<c, D^2F[h, h]>``, differentiable."""
        t = torch.zeros((), dtype=torch.float64, requires_grad=True)
        value = c @ self(theta + t * h)
        (first,) = torch.autograd.grad(value, t, create_graph=True)
        return torch.autograd.grad(first, t, create_graph=True)[0]


def _checked(case: Any, bits: int = 128) -> checker.Network:
    def array(a: NDArray[np.float64]) -> checker.Array:
        return checker.Array(a.shape, [float(v) for v in a.ravel()])

    g, own = checker.Grid(bits), case.task
    parameters = {k: array(w) for k, w in own.parameters.items()}
    nodes = checker.program(own.operations, own.inputs.shape[1:], parameters)
    return checker.Network(g, nodes, checker.hold(g, parameters),
                           checker.samples_of(g, array(own.inputs)))


def _bound(case: Any, radius: float) -> float:
    net = _checked(case)
    found = checker.second_order(net, net.adjoints(), net.g.up(Fraction(radius)))
    return found / net.g.one


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gram_matrix_are_those_of_the_network(
    make_case: Callable[..., Any], kind: str
) -> None:
    case = make_case(kind, seed=3, size=1.1)
    network, net = Network(case), _checked(case)
    out = np.array([v for row in net.values[-1].rows for v in row], dtype=object) / net.g.one
    np.testing.assert_allclose(out.astype(float), network(network.theta).detach(), atol=1e-11)
    _, d = jacobians(network.f, network.theta, network.x)
    d = d.reshape(len(network.x), -1, d.shape[-1])
    rows = (d.transpose(0, 1) if network.batch else d).reshape(-1, d.shape[-1])
    gram = np.array(checker.jacobian_gram(net, net.adjoints()).rows, dtype=object) / net.g.one
    np.testing.assert_allclose(gram.astype(float), rows @ rows.T, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_hessians_never_exceed_the_bound(make_case: Callable[..., Any], kind: str) -> None:
    rng = np.random.default_rng(0)
    for seed, size in ((0, 0.3), (1, 1.2)):
        case = make_case(kind, samples=4, seed=seed, size=size)
        network, bound = Network(case), _bound(case, 0.0)
        for _ in range(3):
            c = torch.as_tensor(rng.standard_normal(len(network(network.theta))))
            c /= c.norm()
            assert torch.linalg.matrix_norm(network.hessian(c), 2) <= bound * (1 + 1e-9)


def _ascend(network: Network, radius: float, steps: int = 40, starts: int = 2) -> float:
    """Largest ``|<c, D^2F[h, h]>|`` that gradient ascent finds in the ball."""
    best, outputs = 0.0, len(network(network.theta))
    for start in range(starts):
        torch.manual_seed(start)
        u, h = torch.randn(2, len(network.theta), dtype=torch.float64).unbind()
        c = torch.randn(outputs, dtype=torch.float64)
        free = [v.clone().requires_grad_() for v in (u / u.norm(), h / h.norm(), c / c.norm())]
        ascent = torch.optim.Adam(free, lr=0.1, maximize=True)
        for _ in range(steps):
            u, h, c = free
            at = network.theta + radius * u / torch.clamp(u.norm(), min=1)
            value = network.second(at, h / h.norm(), c / c.norm()).abs()
            best = max(best, value.item())
            for v, gradient in zip(free, torch.autograd.grad(value, free), strict=True):
                v.grad = gradient
            ascent.step()
    return best


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("radius", [0.0, 0.1, 0.6])
def test_ascent_over_the_ball_never_exceeds_the_bound(
    make_case: Callable[..., Any], kind: str, radius: float
) -> None:
    case = make_case(kind, samples=3, seed=5, size=0.8)
    bound, best = _bound(case, radius), _ascend(Network(case), radius)
    assert best <= bound * (1 + 1e-9)
    assert radius or bound <= 2000 * best, "the bound is useless"


def test_one_layer_is_bounded_tightly() -> None:
    arch = govcheck.loads(HEAD.format("summed_square") + (
        "[{affine: {out: 2, bias: false}}, {batch_norm: {eps: 1/4, affine: false}}]"))
    case = Case(task(arch), arch)
    rng = np.random.default_rng(0)
    ratios = []
    for size in (0.5, 1.0, 2.0):
        case.task.parameters.update({k: size * rng.standard_normal(w.shape)
                                     for k, w in case.task.parameters.items()})
        ratios.append(_bound(case, 0.0) / _ascend(Network(case), 0.0, steps=80))
    assert min(ratios) >= 1 - 1e-9
    assert min(ratios) < 2


def test_descent_on_the_network_keeps_what_is_certified() -> None:
    arch = govcheck.loads(HEAD.format("summed_square") + (
        "[{affine: {out: 6, bias: false}}, {batch_norm: {eps: 1/4}}, tanh, {affine: {out: 1}}]"))
    own = task(arch)
    found = certify(own)
    assert found.file is not None
    network, claims = Network(Case(own, arch)), found.file["claims"]
    for name, place in network.f.slices.items():
        values = found.file["parameters"][".".join(placed_name(name))]["values"]
        network.theta[place] = torch.tensor([float.fromhex(v) for v in values],
                                            dtype=torch.float64)
    theta, y = network.theta.clone(), torch.as_tensor(own.targets[0])
    step, rate = float.fromhex(found.file["step"]), float.fromhex(claims["rate"])
    before = math.inf
    for _ in range(300):
        t = theta.clone().requires_grad_()
        loss = ((network(t) - y) ** 2).sum() / 2
        assert float(loss) <= rate * before * (1 + 1e-9) + 1e-28
        before = float(loss)
        theta = theta - step * 2 * torch.autograd.grad(loss, t)[0]
        assert (theta - network.theta).norm() <= float.fromhex(claims["radius"])
    assert before < 1e-6


@pytest.mark.parametrize(("cost", "layers", "reason"), [
    ("cross_entropy", "[{affine: {out: 2}}, batch_norm]", "not with cross-entropy"),
    ("summed_square", "[{affine: {out: 2}}, batch_norm, layer_norm, {affine: {out: 1}}]",
     "beside a normalisation of each sample"),
    ("summed_square", "[{affine: {out: 2}}, {batch_norm: {mode: eval}}, {affine: {out: 1}}]",
     "bounds of its statistics"),
    ("summed_square", "[{affine: {out: 2}}, rms_norm, {affine: {out: 1}}]", "know no rms_norm"),
])
def test_what_is_not_covered_is_refused_with_a_reason(
    cost: str, layers: str, reason: str
) -> None:
    arch = govcheck.loads(HEAD.format(cost) + layers)
    with pytest.raises(InputError, match=reason):
        task(arch)


def test_weights_of_a_checkpoint_keep_their_shapes(
    make_case: Callable[..., Any], tmp_path: Path
) -> None:
    case = make_case("batch norm of images", seed=1)
    network = Network(case)
    shapes = {".".join(placed_name(n)): p.shape
              for n, p in network.f.module.named_parameters()}
    path = tmp_path / "weights.npz"
    np.savez(path, **{n: w.reshape(shapes[n]) for n, w in case.task.parameters.items()})
    found = checkpoint(str(path), case.task)
    for name, w in case.task.parameters.items():
        np.testing.assert_array_equal(found[name], w)


def test_malformed_groups_are_refused() -> None:
    one = (1.0).hex()

    def program(*ops: dict[str, Any], shape: tuple[int, ...] = (6, 2),
                own: tuple[int, ...] | None = None) -> None:
        arrays = {} if own is None else {"s": checker.Array(own, [])}
        checker.program([{"from": [k], **o} for k, o in enumerate(ops)], shape, arrays)

    program({"op": "normalise", "eps": one, "groups": 4}, {"op": "merge"})
    program({"op": "scale", "factor": one, "parameter": "s"}, own=(6,))
    for groups in (0, -1, 5, 13, True, one, None):
        with pytest.raises(checker.MalformedError, match="groups"):
            program({"op": "normalise", "eps": one, "groups": groups})
    with pytest.raises(checker.MalformedError, match="unknown key 'groups'"):
        program({"op": "flatten", "groups": 2})
    with pytest.raises(checker.MalformedError, match="two dimensions"):
        program({"op": "merge"}, shape=(6,))
    for shape in ((2,), (6, 1), (6, 2, 1), (1,)):
        with pytest.raises(checker.MalformedError, match="has shape"):
            program({"op": "scale", "factor": one, "parameter": "s"}, own=shape)
