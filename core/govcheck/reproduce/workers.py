"""Keys computed side by side, each worker a process of its own on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from types import FrameType
from typing import Any, Final, Protocol

from govcheck.errors import InputError
from govcheck.reproduce import record, runner
from govcheck.reproduce.protocol import Report, Reproduction

DEBUG: Final = "GOVCHECK_DEBUG"
PATIENCE: Final = 10.0
"""Seconds for a worker to end by itself before it is killed."""
TICK: Final = 0.2
"""Seconds between two messages about progress."""


class Listener(Protocol):
    """Who is told what happens."""

    def begun(self, key: str) -> None:
        """A key has begun."""

    def parts(self, key: str, done: int, of: int) -> None:
        """So many of its parts are done."""

    def ended(self, key: str, found: Report | str) -> None:
        """A key's report is written; or why there is none."""


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    key: str | None = None


def _why(error: Exception) -> str:
    """An error in one line."""
    if os.environ.get(DEBUG, "") not in ("", "0"):
        traceback.print_exception(error)
    what = str(error) if isinstance(error, InputError) else f"{error!r}"
    return " ".join(what.split())


def alone(
    classes: Sequence[type[Reproduction]], settings: runner.Settings, told: Listener
) -> None:
    """Run keys in this process, one after the other; one that fails keeps no other from running.

    Raises:
        KeyboardInterrupt: as it comes; reports written so far stay.
    """
    for cls in classes:
        told.begun(cls.name)

        def parts(done: int, of: int, key: str = cls.name) -> None:
            told.parts(key, done, of)

        try:
            found: Report | str = runner.run(cls, settings, parts)
        except Exception as error:
            found = _why(error)
        told.ended(cls.name, found)


def together(
    classes: Sequence[type[Reproduction]], settings: runner.Settings, workers: int,
    told: Listener,
) -> None:
    """Run keys in processes of this machine, those that take longest first.

    A report does not depend on the number of processes. Classes must be importable by module
    and name.

    Args:
        classes: of the keys.
        settings: how they are run.
        workers: number of processes.
        told: what happens, in this process.

    Raises:
        KeyboardInterrupt: after Ctrl-C or SIGTERM, when all workers have ended; reports written
            so far stay, and what unfinished keys have kept.
    """
    context = multiprocessing.get_context("spawn")
    length = {c.name: c.quick_seconds if settings.quick else c.full_seconds for c in classes}
    waiting = deque(sorted(classes, key=lambda c: -length[c.name]))
    running: dict[Connection, _Worker] = {}

    def more() -> None:
        worker = _start(context, settings)
        running[worker.pipe] = worker
        _give(worker, waiting, told)

    with _term_interrupts():
        try:
            for _ in range(min(workers, len(classes))):
                more()
            while running:
                for pipe in wait(list(running)):
                    assert isinstance(pipe, Connection)
                    worker = running[pipe]
                    if _hear(worker, waiting, settings, told):
                        continue
                    del running[pipe]
                    if waiting:
                        more()
        finally:
            _end(list(running.values()))


def _start(context: SpawnContext, settings: runner.Settings) -> _Worker:
    here, there = context.Pipe()
    process = context.Process(target=_child, args=(there, settings), daemon=True)
    with _held_back(signal.SIGINT):
        # Ctrl-C reaches all processes of a terminal; workers inherit that they leave it to us
        process.start()
    there.close()
    return _Worker(process, here)


def _give(
    worker: _Worker, waiting: deque[type[Reproduction]], told: Listener
) -> None:
    cls = waiting.popleft() if waiting else None
    worker.key = None if cls is None else cls.name
    if cls is not None:
        told.begun(cls.name)
    with suppress(OSError):
        # a worker that has died is noticed when it is listened to
        worker.pipe.send(cls)


def _hear(
    worker: _Worker, waiting: deque[type[Reproduction]], settings: runner.Settings,
    told: Listener,
) -> bool:
    """Take one message; false when the worker has ended."""
    try:
        message: tuple[int, int] | str | None = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        worker.pipe.close()
        if worker.key is not None:
            code = worker.process.exitcode
            told.ended(worker.key, f"its process ended with code {code}" + (
                ", killed, perhaps for want of memory" if code == -signal.SIGKILL else ""))
        return False
    assert worker.key is not None
    if isinstance(message, tuple):
        told.parts(worker.key, *message)
        return True
    found: Report | str = (
        record.read(settings.folder / f"{worker.key}.json") if message is None else message)
    told.ended(worker.key, found)
    _give(worker, waiting, told)
    return True


def _end(workers: Sequence[_Worker]) -> None:
    """Stop all: a wish first, after a while by force; what is written is whole either way."""
    for w in workers:
        w.process.terminate()
    until = time.monotonic() + PATIENCE
    for w in workers:
        w.process.join(max(0.0, until - time.monotonic()))
        if w.process.is_alive():
            w.process.kill()
            w.process.join()
        w.pipe.close()


def _child(pipe: Connection, settings: runner.Settings) -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_follow, daemon=True).start()
    with suppress(KeyboardInterrupt, EOFError, OSError):
        while True:
            cls: type[Reproduction] | None = pipe.recv()
            if cls is None:
                return
            pipe.send(_run(cls, settings, pipe.send))


def _run(
    cls: type[Reproduction], settings: runner.Settings, send: Callable[[tuple[int, int]], None]
) -> str | None:
    """Run one key; what went wrong, or None."""
    last = -TICK

    def parts(done: int, of: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= TICK:
            last = now
            with suppress(OSError):
                # nobody listens any more; `_follow` ends this process
                send((done, of))

    try:
        runner.run(cls, settings, parts)
    except Exception as error:
        return _why(error)
    return None


def _follow() -> None:
    """End with the process that has started this one, however it ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _handled(number: signal.Signals, handler: Any) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        # only there can handlers be set
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    """Blocked in processes that are started here; what comes for this one waits for the end."""
    # else the first start would begin it, which unblocks signals
    resource_tracker.ensure_running()
    came = []
    with _handled(number, lambda *_: came.append(number)):
        # processes inherit what this thread blocks; another thread may still take the signal
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if came:
        signal.raise_signal(number)


def _term_interrupts() -> Any:
    return _handled(signal.SIGTERM, _interrupt)
