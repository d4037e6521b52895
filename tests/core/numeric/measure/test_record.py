"""What a measurement says about itself, and what a budget refuses."""

from __future__ import annotations

import math

import pytest
import torch

from govcheck.errors import InputError
from govcheck.numeric.measure.record import Budget, Cost, Measurement, size, speed, stopwatch


def measured(value, **more):
    given = {"error": 0.1, "basis": "a test"} | more
    return Measurement("D", "network", value, "operator norm", "by hand", **given)


def test_sides():
    assert (measured(2.0).low, measured(2.0).high) == (1.9, 2.1)
    assert measured(2.0, side="at least").high == math.inf
    assert measured(2.0, side="at most").low == -math.inf


def test_below_the_floor_is_no_evidence():
    m = measured(1e-3, error=1e-9, floor=0.5)
    assert not m.evidence and m.high == pytest.approx(0.501)
    assert measured(1.0, floor=0.5).evidence
    assert not measured(math.nan).evidence
    assert measured(0.0).evidence


def test_json_is_plain():
    m = measured(math.inf, arrays={"nodes": torch.arange(2.0).numpy()})
    plain = m.as_json()
    assert plain["value"] is None and plain["arrays"] == {"nodes": [0.0, 1.0]}
    assert plain["label"] == "measured" and plain["expected"] == {"seconds": 0.0, "bytes": 0}


def test_the_budget_names_a_smaller_way():
    Budget(1000).check("this", Cost(1.0, 1000), "that")
    with pytest.raises(InputError) as caught:
        Budget(1000).check("this", Cost(1.0, 2**31), "use that")
    text = str(caught.value)
    assert "2 GiB" in text and "use that" in text and "--max-memory" in text


def test_costs_add_up_and_show():
    total = Cost(1.0, 2048) + Cost(2.0, 1024)
    assert (total.seconds, total.bytes) == (3.0, 2048)
    assert str(total) == "about 3 s and 2 KiB"
    assert size(5) == "5 B" and size(3 * 2**40) == "3 TiB"


def test_clock_and_speed():
    with stopwatch() as clock:
        assert clock.seconds >= 0
    kept = clock.seconds
    assert clock.seconds == kept and speed(torch.float64) > 1e6
