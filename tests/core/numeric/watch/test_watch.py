"""The watch: its numbers are those of dense autograd, and training does not notice it."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

import govcheck as gc
from govcheck.errors import InputError
from govcheck.numeric.initial import initialised
from govcheck.numeric.watch import loop, watch

torch.set_num_threads(1)


def network(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Dropout(0.0), nn.Linear(7, 2),
    ).to(dtype)


def batch(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    return (torch.randn(6, 5, generator=g, dtype=torch.float64).to(dtype),
            torch.randn(6, 2, generator=g, dtype=torch.float64).to(dtype))


def dense(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Hessian of the loss and derivative of all outputs in the parameters, by autograd alone."""
    model = copy.deepcopy(model)
    names = [n for n, _ in model.named_parameters()]
    shapes = [p.shape for p in model.parameters()]
    theta = torch.cat([p.detach().reshape(-1) for p in model.parameters()])

    def outputs(flat: torch.Tensor) -> torch.Tensor:
        parts = flat.split([s.numel() for s in shapes])
        state = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        buffers = {n: b.clone() for n, b in model.named_buffers()}
        return torch.func.functional_call(model, {**state, **buffers}, (x,))

    hessian = torch.autograd.functional.hessian(lambda t: mse_loss(outputs(t), y), theta)
    jacobian = torch.autograd.functional.jacobian(outputs, theta)
    return hessian, jacobian.reshape(-1, theta.numel())


@pytest.mark.parametrize("training", [True, False])
def test_the_numbers_are_those_of_dense_autograd(training: bool) -> None:
    model, (x, y) = network().train(training), batch()
    hessian, jacobian = dense(model, x, y)
    watched = watch(model, mse_loss, (x, y), step_size=0.1, sigma_rows=9, tolerance=1e-9,
                    max_products=200)
    found = watched.measure()
    values = torch.linalg.eigvalsh(hessian)
    assert found.lambda_max == pytest.approx(float(values[-1]), rel=1e-10)
    sigma = torch.linalg.svdvals(jacobian[:9])
    assert found.sigma_max == pytest.approx(float(sigma[0]), rel=1e-10)
    assert found.sigma_min == pytest.approx(float(sigma[-1]), abs=found.sigma_floor, rel=1e-8)
    assert found.threshold == 20


def test_the_error_holds_when_it_stops_early() -> None:
    model, (x, y) = network(), batch()
    values = torch.linalg.eigvalsh(dense(model, x, y)[0])
    for products in (1, 2, 3, 5):
        watched = watch(model, mse_loss, (x, y), step_size=0.1, tolerance=0.0,
                        max_products=products)
        found = watched.measure()
        assert found.lambda_max <= float(values[-1]) * (1 + 1e-12)
        assert float((values - found.lambda_max).abs().min()) <= found.error


def train(model: nn.Module, watched_every: int | None) -> tuple[list[torch.Tensor], list[float]]:
    x, y = batch(torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.5)
    torch.manual_seed(7)
    losses = []

    def steps() -> None:
        for _ in range(12):
            optimizer.zero_grad()
            loss = mse_loss(model(x) + 0.01 * torch.randn(6, 2), y)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))

    if watched_every is None:
        steps()
    else:
        with watch(model, mse_loss, (x, y), optimizer=optimizer, every=watched_every,
                   sigma_rows=4) as watched:
            steps()
        assert [r.step for r in watched.records] == list(range(watched_every, 13, watched_every))
    return [*model.state_dict().values()], losses


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_training_is_the_same_to_the_bit(dropout: float) -> None:
    models = [network(torch.float32) for _ in range(2)]
    for m in models:
        m[3].p = dropout
    plain, losses = train(models[0], None)
    seen, again = train(models[1], 3)
    assert losses == again
    assert all(torch.equal(a, b) for a, b in zip(plain, seen, strict=True))


def test_the_optimizer_is_let_go(tmp_path: Path) -> None:
    model, (x, y) = network(), batch()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, mse_loss, (x, y), optimizer=optimizer, every=1) as watched:
        mse_loss(model(x), y).backward()
        optimizer.step()
    optimizer.step()
    assert watched.steps == 1 and len(watched.records) == 1


def test_records_are_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "watch.jsonl"
    model, (x, y) = network(), batch()
    watched = watch(model, mse_loss, (x, y), step_size=0.1, every=2, path=path)
    for _ in range(4):
        watched.step()
        kept = path.read_text().splitlines() if path.exists() else []
        assert len(kept) == len(watched.records)
    assert [json.loads(line)["step"] for line in kept] == [2, 4]
    assert json.loads(kept[0])["lambda_max"] == watched.records[0].lambda_max


@pytest.mark.parametrize(("factor", "edge"), [(0.5, "stable"), (0.95, "edge"), (1.05, "beyond")])
def test_the_edge_of_stability(factor: float, edge: str) -> None:
    model, (x, y) = network(), batch()
    top = float(torch.linalg.eigvalsh(dense(model, x, y)[0])[-1])
    watched = watch(model, mse_loss, (x, y), step_size=factor * 2 / top, tolerance=1e-8,
                    max_products=100)
    assert watched.measure().edge == edge


def test_descent_goes_to_the_edge_and_stays_there() -> None:
    """Progressive sharpening (Cohen et al. 2021): the curvature settles at 2/eta."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(10, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 3)).double()
    x, y = torch.randn(32, 10).double(), torch.randn(32, 3).double()
    at_start = watch(model, mse_loss, (x, y), step_size=0.3).measure()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    with watch(model, mse_loss, (x, y), optimizer=optimizer, every=100) as watched:
        for _ in range(700):
            optimizer.zero_grad()
            mse_loss(model(x), y).backward()
            optimizer.step()
    ends = [r.lambda_max / r.threshold for r in watched.records[-4:]]
    assert at_start.lambda_max < 0.5 * watched.records[-1].lambda_max
    assert all(0.95 < e < 1.05 for e in ends), ends


NET = """
govcheck: 1
symbols: {m: 6, eps: 1}
input: [5]
layers:
  - affine: {out: m, weight: entrywise, eps: eps, bias: false}
  - residual:
      - affine: {out: m, weight: weight_norm, eps: eps, bias: false, scale: 1/2/sqrt(m)}
      - tanh
cost: half_square
data: {sphere: {n: 4}}
"""


def test_proven_bounds_hold_and_are_those_of_the_probe() -> None:
    analysis = gc.analyze(gc.loads(NET))
    model = initialised(analysis, dtype=torch.float64)
    g = torch.Generator().manual_seed(2)
    x = torch.randn(3, 5, generator=g, dtype=torch.float64)
    y = torch.randn(3, 6, generator=g, dtype=torch.float64)

    def half_square(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return ((z - t) ** 2).sum() / (2 * len(z))

    watched = watch(model, half_square, (x, y), step_size=0.1, bounds=analysis, sigma_rows=18)
    record = watched.measure()
    assert set(watched.upper) == {"beta", "lipschitz", "alpha", "D"}
    assert not record.alarms
    assert record.lambda_max < watched.upper["beta"]
    assert record.sigma_max < watched.upper["D"]
    assert record.loss < watched.upper["alpha"]
    ten_times = watch(model, half_square, (10 * x, 10 * y), step_size=0.1, bounds=analysis)
    assert ten_times.upper["beta"] > 10 * watched.upper["beta"]


def test_another_loss_than_the_bounds_are_of_is_refused() -> None:
    analysis = gc.analyze(gc.loads(NET))
    model = initialised(analysis, dtype=torch.float64)
    x, y = torch.ones(3, 5).double(), torch.ones(3, 6).double()
    watched = watch(model, mse_loss, (x, y), step_size=0.1, bounds=analysis)
    with pytest.raises(InputError, match="bounds of one say nothing about the other"):
        watched.measure()


def test_a_measurement_above_a_bound_is_an_alarm() -> None:
    model, (x, y) = network(), batch()
    free = watch(model, mse_loss, (x, y), step_size=0.1, sigma_rows=4, tolerance=1e-8,
                 max_products=100).measure()
    exact = {"beta": free.lambda_max, "D": free.sigma_max, "alpha": free.loss,
             "lipschitz": free.gradient_norm}
    for name, value in exact.items():
        for factor, alarms in ((1.0, 0), (1 - 1e-9, 1)):
            watched = watch(model, mse_loss, (x, y), step_size=0.1, sigma_rows=4,
                            tolerance=1e-8, max_products=100, bounds={name: factor * value})
            assert len(watched.measure().alarms) == alarms, name
    assert "ALARM" in watched.table()


def test_the_default_cadence_keeps_to_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock of our own: a step takes 1, a record 5, and at most 4 % go to records."""
    now = [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])
    model, (x, y) = network(), batch()
    watched = watch(model, mse_loss, (x, y), step_size=0.1)
    curvature = watched.probe.curvature

    def slow(*args: object):
        now[0] += 5
        return curvature(*args)

    monkeypatch.setattr(watched.probe, "curvature", slow)
    monkeypatch.setattr(watched.probe, "seconds_of_a_gradient", lambda: 5 / loop.TYPICAL)
    with watched:
        for _ in range(1000):
            now[0] += 1
            watched.step()
            assert watched.spent <= 0.04 * (now[0] - watched.spent) + 1e-9
    assert len(watched.records) == 8
    assert watched.overhead == pytest.approx(0.04)


def test_before_any_step_the_overhead_is_none() -> None:
    model, (x, y) = network(), batch()
    watched = watch(model, mse_loss, (x, y), step_size=0.1)
    assert watched.overhead == 0.0 and not math.isnan(watched.overhead)


def test_an_objective_of_ones_own() -> None:
    model, (x, y) = network(), batch()
    a = watch(model, mse_loss, (x, y), step_size=0.1).measure()
    b = watch(model, objective=lambda call: mse_loss(call(x), y), outputs=lambda call: call(x),
              step_size=0.1).measure()
    assert a.lambda_max == b.lambda_max and a.loss == b.loss


@pytest.mark.parametrize(("arguments", "said"), [
    ({}, "loss and probe, or else objective"),
    ({"loss": mse_loss}, "loss and probe, or else objective"),
    ({"loss": mse_loss, "probe": batch(), "every": 0}, "steps from 1 on"),
    ({"loss": mse_loss, "probe": batch(), "bounds": {"mu": 1.0}}, "no measurement for mu"),
])
def test_wrong_arguments(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        watch(network(), **arguments)


def test_bounds_on_a_set_that_weights_leave_are_refused() -> None:
    analysis = gc.analyze(gc.loads(NET + "domain: {ball: 1}\n"))
    model = initialised(analysis, dtype=torch.float64)
    with pytest.raises(InputError, match="which training may leave"):
        watch(model, mse_loss, (torch.ones(2, 5), torch.ones(2, 6)), bounds=analysis)
