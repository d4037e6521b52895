"""Who takes runs from the queue: this process, processes on this machine, or torchrun's.

The queue is a counter; with several processes it is one number in a TCPStore, which this
program opens on the local machine or torchrun has opened between machines.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from govcheck.numeric.train.sweep import Counter, Sweep, work
from govcheck.plugin.registry import load_registry

if TYPE_CHECKING:
    from govcheck.plugin.registry import Registry

HOST: Final = "127.0.0.1"
NEXT: Final = "govcheck/next"
LEFT: Final = "govcheck/left"
POLL: Final = 0.1

Interrupted = Callable[[], bool]
Told = Callable[[int], None]


class Store(Protocol):
    """What is needed of a torch store."""

    def add(self, key: str, amount: int, /) -> int:
        """Add to a number that all processes share; what it is then."""


def alone(sweep: Sweep, registry: Registry, interrupted: Interrupted, told: Told) -> None:
    """Do all runs in this process, one after the other."""
    numbers = itertools.count()
    work(sweep, lambda: next(numbers), registry, interrupted=interrupted, told=told)


def together(sweep: Sweep, workers: int, interrupted: Interrupted, told: Told) -> int:
    """Do all runs in processes on this machine.

    Args:
        sweep: prepared.
        workers: number of processes.
        interrupted: asked now and then; True stops all of them with checkpoints.
        told: told the number of a finished run.

    Returns:
        How many processes ended in a way that they should not.
    """
    store = TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    # a forked child would inherit the threads' locks but not the threads
    context = multiprocessing.get_context("spawn")
    children = [
        context.Process(target=_child, args=(sweep, store.port, torch.get_num_threads()))
        for _ in range(workers)
    ]
    finished: set[int] = set()
    try:
        for child in children:
            child.start()
        stopped = False
        while any(c.is_alive() for c in children):
            if interrupted() and not stopped:
                stopped = True
                for c in children:
                    c.terminate()
            _tell(sweep, finished, told)
            time.sleep(POLL)
    finally:
        for c in children:
            if c.is_alive():
                c.terminate()
            c.join()
    _tell(sweep, finished, told)
    return sum(c.exitcode != 0 for c in children)


def _tell(sweep: Sweep, finished: set[int], told: Told) -> None:
    for job in sweep.jobs:
        if job.index not in finished and sweep.finished(job) is not None:
            finished.add(job.index)
            told(job.index)


def _child(sweep: Sweep, port: int, threads: int) -> None:
    asked = False

    def note(number: int, frame: Any) -> None:
        nonlocal asked
        asked = True

    # Ctrl-C reaches the parent as well, which passes it on as SIGTERM
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, note)
    torch.set_num_threads(threads)
    parent = os.getppid()
    store = TCPStore(HOST, port, is_master=False, timeout=timedelta(seconds=60))
    work(sweep, _counter(store), load_registry(),
         interrupted=lambda: asked or os.getppid() != parent)


def _counter(store: Store, key: str = NEXT) -> Counter:
    return lambda: int(store.add(key, 1)) - 1


@dataclass(frozen=True)
class Member:
    """This process among those that torchrun has started."""

    rank: int
    size: int
    store: Store
    attempt: str

    def share(self, sweep: Sweep, registry: Registry, interrupted: Interrupted,
              told: Told) -> None:
        """Take runs until there are no more; the first process then waits for the others."""
        work(sweep, _counter(self.store, f"{NEXT}/{self.attempt}"), registry,
             interrupted=interrupted, told=told)
        left = f"{LEFT}/{self.attempt}"
        count = int(self.store.add(left, 1))
        while self.rank == 0 and count < self.size and not interrupted():
            time.sleep(POLL)
            count = int(self.store.add(left, 0))


def member() -> Member | None:
    """What torchrun says of this process; None where it did not start it."""
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        return None
    store, rank, size = next(rendezvous("env://"))
    # a restarted group finds the counters of the one before it
    return Member(rank, size, store, os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
