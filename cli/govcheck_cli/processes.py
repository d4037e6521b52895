"""A command that all processes started by torchrun run together, and one of them speaks for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Final

from govcheck.errors import InputError

if TYPE_CHECKING:
    from govcheck.numeric.distributed import Processes

FAILED: Final = "govcheck/failed"
GRACE: Final = 1.0
"""Seconds in which the process that speaks can do so before torchrun ends all."""


def run(device: str, body: Callable[[Processes | None], int]) -> int:
    """Run a command, with what this process is among others; None where it is alone.

    Only the first process writes. Where one fails, the first to fail says why, the others end
    in silence: those that wait for it lose their connection.

    Args:
        device: where tensors are, which decides how processes talk.
        body: the command; returns the exit code.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return body(None)
    import torch.distributed as dist

    from govcheck.numeric.distributed import Processes, together
    from govcheck.numeric.train.workers import member
    from govcheck_cli.main import INTERNAL, USAGE

    me = member()
    if me is None:
        return body(None)
    try:
        backend = "gloo" if device.startswith("cpu") else "cpu:gloo,cuda:nccl"
        with _quiet(me.rank != 0):
            dist.init_process_group(
                backend, store=me.store, rank=me.rank, world_size=me.size  # type: ignore[arg-type]
            )
            shared = Processes(me.rank, me.size)
            with together(shared):
                code = body(shared)
        dist.destroy_process_group()
    except BaseException as error:
        if int(me.store.add(f"{FAILED}/{me.attempt}", 1)) == 1:
            raise
        time.sleep(GRACE)
        return USAGE if isinstance(error, InputError) else INTERNAL
    return code


def device_of(name: str, shared: Processes | None) -> str:
    """The device of this process: ``cuda`` is one for each process on a machine."""
    if shared is None or name != "cuda":
        return name
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


def share_of_memory(total: int, shared: Processes | None) -> int:
    """What one process may take of a machine's memory, the same on every machine."""
    if shared is None:
        return total
    from govcheck.numeric.distributed import agreed

    return int(agreed(total // max(1, int(os.environ.get("LOCAL_WORLD_SIZE", shared.size)))))


@contextmanager
def _quiet(silent: bool) -> Iterator[None]:
    if not silent:
        yield
        return
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield
