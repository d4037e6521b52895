"""Progress on stderr: rewritten on a terminal, now and then elsewhere, never for quick work."""

import io

import pytest

from govcheck_cli import progress
from govcheck_cli.progress import Progress, duration


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    return found


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_quick_work_says_nothing(clock):
    for stream in (io.StringIO(), Terminal()):
        with Progress("tiles", stream) as told:
            for i in range(10):
                told(i + 1, 10)
        assert stream.getvalue() == ""


def test_slow_work_in_a_file(clock):
    stream = io.StringIO()
    with Progress("tiles", stream) as told:
        for i in range(40):
            clock.now += 1
            told(i + 1, 40)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "govcheck: tiles: 10 of 40 (25 %), about 30 s left"
    assert len(lines) == 4 and lines[-1].endswith("about 0 s left")


def test_work_of_an_earlier_run_does_not_count(clock):
    stream = io.StringIO()
    with Progress("tiles", stream) as told:
        for i in range(100, 140):
            clock.now += 1
            told(i + 1, 200)
    assert "110 of 200 (55 %), about 1 min 30 s left" in stream.getvalue()


def test_slow_work_on_a_terminal_leaves_no_trace(clock):
    stream = Terminal()
    with Progress("tiles", stream) as told:
        for i in range(3):
            clock.now += 1
            told(i + 1, 3)
    text = stream.getvalue()
    assert "\n" not in text and text.count("\r") == 4 and text.endswith("\r\x1b[K")


@pytest.mark.parametrize("seconds, text", [
    (0.2, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7260, "2 h 1 min"),
])
def test_durations(seconds, text):
    assert duration(seconds) == text
