"""Samples shared by processes: the same numbers as one process finds."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from govcheck.errors import InputError
from govcheck.numeric.distributed import Processes, agreed, batch_mean, together
from govcheck.numeric.measure.sharded import Sharded

SCRIPT = Path(__file__).with_name("shares.py")
CLOSE = 1e-12
"""Sums over samples are taken in another order."""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Numbers of one process, and of each of two, of which one has 2 samples and one 3."""
    folder = tmp_path_factory.mktemp("shares")
    started = [
        subprocess.Popen(
            [sys.executable, SCRIPT, folder / f"{rank}.npz", folder / "rendezvous", str(rank), "2"],
            stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]
    alone = runpy.run_path(str(SCRIPT))["everything"]()
    for process in started:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    return alone, [dict(np.load(folder / f"{rank}.npz")) for rank in range(2)]


def test_two_processes_find_the_numbers_of_one(found):
    alone, both = found
    assert len(alone) > 80
    wrong = {
        name: float(np.abs(both[0][name] - a).max() / max(np.abs(a).max(), 1e-300))
        for name, a in alone.items()
        if not np.allclose(both[0][name], a, rtol=0, atol=CLOSE * np.abs(a).max())
    }
    assert not wrong


def test_both_processes_have_the_same_bits(found):
    _, both = found
    assert [n for n in both[0] if not np.array_equal(both[0][n], both[1][n])] == []


def test_derivatives_go_through_the_statistics_of_the_other_process(found):
    # the input derivative of each sample's outputs reaches all samples through batch norm
    alone, _ = found
    assert alone["norm x jv"].all() and alone["norm hv"].any()


def test_shares_cover_all_samples_once():
    for size in (1, 2, 3, 5):
        for n in range(size, 12):
            places = [Processes(rank, size).place(n) for rank in range(size)]
            assert [i for p in places for i in range(n)[p]] == list(range(n))
            lengths = [p.stop - p.start for p in places]
            assert max(lengths) - min(lengths) <= 1


def test_more_processes_than_samples_are_refused(make_subject):
    s = make_subject(nn.Linear(2, 2), torch.ones(2, 2, dtype=torch.float64))
    with pytest.raises(InputError, match="2 samples cannot be shared by 3 processes"):
        Sharded(s, Processes(0, 3))


def test_torch_batch_norm_in_train_mode_is_refused(make_subject):
    net = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
    s = make_subject(net, torch.ones(4, 2, 3, 3, dtype=torch.float64))
    with pytest.raises(InputError, match=r"1: torch's batch norm .* of its own process"):
        Sharded(s, Processes(0, 2))


def test_alone_nothing_is_shared():
    x = torch.arange(12.0, dtype=torch.float64).reshape(3, 4)
    assert torch.equal(batch_mean(x, (0,)), x.mean(0, keepdim=True))
    assert agreed(0.5) == 0.5
    with together(Processes(0, 1)):
        assert agreed(0.25) == 0.25
