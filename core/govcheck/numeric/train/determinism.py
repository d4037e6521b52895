"""The same bits every time: torch's switches and random states for one run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def own_random(device: str) -> Iterator[None]:
    """Random states and switches of torch as they were, afterwards."""
    cuda = device.startswith("cuda")
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.allow_tf32
    if cuda:
        # read when the first product runs on the device
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.allow_tf32 = False
    torch.use_deterministic_algorithms(True, warn_only=cuda)
    try:
        with torch.random.fork_rng(devices=[torch.device(device)] if cuda else []):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
