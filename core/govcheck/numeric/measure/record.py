"""What a measured number is, what it costs, and how much it may cost."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from govcheck.errors import InputError, Problem
from govcheck.writing import finite

Label = Literal["measured", "estimate"]
Side = Literal["both", "at least", "at most"]

DEFAULT_BYTES: Final = 4 * 2**30


@dataclass(frozen=True)
class Cost:
    """What a measurement is expected to take, known before it runs.

    Args:
        seconds: on this machine, from the speed of one matrix product and of one gradient.
        bytes: at the peak, on top of the network itself.
    """

    seconds: float = 0.0
    bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.seconds + other.seconds, max(self.bytes, other.bytes))

    def __str__(self) -> str:
        return f"about {self.seconds:.2g} s and {size(self.bytes)}"


@dataclass(frozen=True, eq=False)
class Measurement:
    """A number about a network at one point of its parameters, on one batch.

    Args:
        quantity: what was measured, by the name the bounds use where there is one.
        where: a parameter or layer by its path, or ``network``.
        value: the number.
        norm: in which norm or unit.
        method: how it was found.
        error: absolute; the number meant lies within, on the sides that `side` says.
        basis: how the error is known.
        side: ``at least`` where the number meant may be larger than the value by more than
            the error (a search, a Rayleigh quotient), ``at most`` where smaller.
        floor: what rounding alone produces; a value below it cannot be told from 0.
        expected: the cost foreseen.
        seconds: what it took.
        dtype: of the arithmetic.
        seed: of what was random, None if nothing was.
        label: ``estimate`` if the error is statistical.
        arrays: more of the result, such as a whole spectrum.
    """

    quantity: str
    where: str
    value: float
    norm: str
    method: str
    error: float
    basis: str
    side: Side = "both"
    floor: float = 0.0
    expected: Cost = field(default_factory=Cost)
    seconds: float = 0.0
    dtype: str = "float64"
    seed: int | None = None
    label: Label = "measured"
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    @property
    def evidence(self) -> bool:
        """Whether the value is a finite number that stands out from rounding."""
        return math.isfinite(self.value) and (self.floor == 0 or abs(self.value) > self.floor)

    @property
    def low(self) -> float:
        """The number meant is at least this."""
        return -math.inf if self.side == "at most" else self.value - self._slack

    @property
    def high(self) -> float:
        """The number meant is at most this."""
        return math.inf if self.side == "at least" else self.value + self._slack

    @property
    def _slack(self) -> float:
        return self.error if self.evidence else max(self.error, self.floor)

    def as_json(self) -> dict[str, Any]:
        """Plain values; what is not finite becomes None."""
        plain: dict[str, Any] = {
            "quantity": self.quantity, "where": self.where, "value": finite(self.value),
            "norm": self.norm, "method": self.method, "error": finite(self.error),
            "error_basis": self.basis, "side": self.side, "floor": self.floor,
            "evidence": self.evidence, "label": self.label, "dtype": self.dtype,
            "seed": self.seed, "seconds": round(self.seconds, 4),
            "expected": {"seconds": float(f"{self.expected.seconds:.3g}"),
                         "bytes": self.expected.bytes},
        }
        if self.arrays:
            plain["arrays"] = {k: np.asarray(v).tolist() for k, v in self.arrays.items()}
        return plain

    def _repr_html_(self) -> str:
        from govcheck.report.jupyter import measurement_html

        return measurement_html(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        from govcheck.report.jupyter import measurement_text

        printer.text(measurement_text(self))


@dataclass(frozen=True)
class Budget:
    """What measurements may take.

    Args:
        max_bytes: of memory for one measurement; above it the measurement is refused.
        max_seconds: after which an iteration stops with the error bars it has.
    """

    max_bytes: int = DEFAULT_BYTES
    max_seconds: float = math.inf

    def check(self, what: str, cost: Cost, instead: str) -> None:
        """Refuse what does not fit into memory.

        Raises:
            InputError: naming a smaller alternative.
        """
        if cost.bytes > self.max_bytes:
            raise InputError(
                Problem(
                    "too-large",
                    f"{what} needs {size(cost.bytes)} of memory, above the limit of "
                    f"{size(self.max_bytes)}",
                    hint=f"{instead}, or raise the limit with --max-memory",
                )
            )


def size(n: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n < 1024:
            return f"{n:.3g} {unit}"
        n /= 1024
    return f"{n:.3g} TiB"


def available_memory() -> int:
    """Half of the machine's memory, or `DEFAULT_BYTES` where that cannot be asked."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return DEFAULT_BYTES


@cache
def speed(dtype: torch.dtype, device: str = "cpu") -> float:
    """Floating-point operations in a second, from one matrix product."""
    n = 384 if device == "cpu" else 4096
    a = torch.ones(n, n, dtype=dtype, device=device)
    best = math.inf
    for _ in range(3):
        with stopwatch(device) as clock:
            a @ a
        best = min(best, clock.seconds)
    return 2 * n**3 / max(best, 1e-9)


class Clock:
    """Seconds that a `with` block took, or has taken so far."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._start = self._now()
        self._end: float | None = None

    def _now(self) -> float:
        if self._device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter()

    def stop(self) -> None:
        """Take the time."""
        self._end = self._now()

    @property
    def seconds(self) -> float:
        """Until `stop`, or until now."""
        return (self._now() if self._end is None else self._end) - self._start


@contextmanager
def stopwatch(device: str = "cpu") -> Iterator[Clock]:
    """Time a block."""
    clock = Clock(device)
    try:
        yield clock
    finally:
        clock.stop()
