"""Progress of long work, on stderr: a line that is rewritten, or now and then a new one."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, TextIO

TERMINAL_SECONDS: Final = 0.2
FILE_SECONDS: Final = 10.0


class Progress:
    """Says how much is done and how long the rest will take; nothing for quick work.

    Call it with the number of finished parts and of all parts.

    Args:
        label: what is done.
        stream: stderr unless given.
    """

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self.label = label
        self.stream = sys.stderr if stream is None else stream
        self.terminal = self.stream.isatty()
        self.begin = self.last = time.monotonic()
        self.first: int | None = None
        self.shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the line off the terminal, for others to write there."""
        if self.terminal and self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.begin

    def __call__(self, done: int, of: int) -> None:
        """Tell that `done` of `of` parts are finished."""
        if self.first is None:
            # what an earlier run did took none of this run's time
            self.first = done - 1
        rate = (done - self.first) / max(self.elapsed(), 1e-9)
        self.say(f"{self.label}: {done} of {of} ({100 * done // of} %), "
                 f"about {duration((of - done) / rate)} left")

    def say(self, what: str) -> None:
        """Show a line, unless the last one has just been shown."""
        now = time.monotonic()
        if now - self.last < (TERMINAL_SECONDS if self.terminal else FILE_SECONDS):
            return
        self.last = now
        text = f"govcheck: {what}"
        self.stream.write(f"\r\x1b[K{text}" if self.terminal else f"{text}\n")
        self.stream.flush()
        self.shown = True


def duration(seconds: float) -> str:
    """A time as people say it."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
