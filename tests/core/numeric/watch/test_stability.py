"""Thresholds: just below them a quadratic converges, just above it diverges."""

from __future__ import annotations

import pytest
import torch

from govcheck.numeric.watch.stability import threshold

CASES = [
    {}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"momentum": 0.5},
    {"weight_decay": 0.3}, {"momentum": 0.7, "nesterov": True, "weight_decay": 0.2},
]


def run(curvature: float, lr: float, options: dict[str, object]) -> float:
    w = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = torch.optim.SGD([w], lr=lr, **options)
    for _ in range(1200):
        optimizer.zero_grad()
        (0.5 * curvature * w**2).sum().backward()
        optimizer.step()
    return float(w.detach().abs())


@pytest.mark.parametrize("options", CASES, ids=str)
@pytest.mark.parametrize("lr", [0.1, 1.7])
def test_a_quadratic_on_both_sides(options: dict[str, object], lr: float) -> None:
    w = torch.nn.Parameter(torch.zeros(1))
    limit = threshold(torch.optim.SGD([w], lr=lr, **options)).value
    assert limit is not None
    assert run(0.95 * limit, lr, options) < 1
    assert not run(1.05 * limit, lr, options) < 1e3


def test_the_tightest_group_counts() -> None:
    a, b = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [a], "lr": 0.1}, {"params": [b], "lr": 0.5}], lr=1)
    found = threshold(optimizer)
    assert found.value == 4 and found.step_size == 0.5


@pytest.mark.parametrize(("make", "why"), [
    (lambda p: torch.optim.Adam(p, lr=0.1), "Adam rescales"),
    (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5), "dampening"),
    (lambda p: torch.optim.SGD(p, lr=0.1, maximize=True), "ascends"),
    (lambda p: torch.optim.SGD(p, lr=0.0), "step size is 0"),
])
def test_where_no_threshold_is_known_it_says_why(make, why: str) -> None:
    found = threshold(make([torch.nn.Parameter(torch.zeros(1))]))
    assert found.value is None and why in found.rule


def test_a_step_size_of_ones_own() -> None:
    assert threshold(None, 0.25).value == 8
    assert threshold(None).value is None
