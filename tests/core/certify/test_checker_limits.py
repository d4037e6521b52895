"""Files that ask for too much are refused before anything of that size is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from govcheck.certify import checker


def _parameters(**shapes: tuple[int, ...]) -> dict[str, checker.Array]:
    return {k: checker.Array(s, [1.0]) for k, s in shapes.items()}


def _scale(source: int, parameter: str | None = None) -> dict[str, Any]:
    return {"op": "scale", "from": [source], "factor": (1.0).hex(), "parameter": parameter}


def _window(kernel: int, padding: int = 0) -> dict[str, Any]:
    return {"kernel": [kernel], "stride": [1], "padding": [padding] * 2, "dilation": [1]}


def test_windows_of_all_operations_share_one_budget() -> None:
    pool = {"op": "average", "window": _window(500)}
    program = [_scale(0, "s"), *({**pool, "from": [1]} for _ in range(1000))]
    with pytest.raises(checker.MalformedError, match="too many windows"):
        checker.program(program, (1, 1000), _parameters(s=()))
    fine = checker.program(program[:2], (1, 1000), _parameters(s=()))
    assert fine[-1].taps == 500 * 501


@pytest.mark.parametrize("window", [
    _window(10**6), _window(1, 10**6), _window(10**6, 10**6), _window(0), _window(-1),
    {**_window(2), "stride": [0]}, {**_window(2), "dilation": [10**6]},
    {**_window(2), "kernel": [2, 2]}, {**_window(2), "kernel": []}, {**_window(2), "padding": [0]},
])
def test_windows_that_cannot_be(window: dict[str, Any]) -> None:
    program = [_scale(0, "s"), {"op": "average", "from": [1], "window": window}]
    with pytest.raises(checker.MalformedError):
        checker.program(program, (1, 8), _parameters(s=()))


def test_nodes_that_double_are_refused() -> None:
    program = [_scale(0, "s"), *({"op": "concat", "from": [k, k]} for k in range(1, 60))]
    with pytest.raises(checker.MalformedError, match="too large"):
        checker.program(program, (1,), _parameters(s=()))


@pytest.mark.parametrize("text", [
    b"[" * 10**6, b"[" + b"[]," * 10**6 + b"[]]", b'{"a":' + b"1" * 10**6 + b"}",
    b'{"a":' + b"-" * 10**6 + b"}", b'"' + b"x" * 10**6, b'{"a":1,"a":1}', b"\xef\xbb\xbf{}",
    b" " * (checker.MAX_BYTES + 1), b'{"\\ud800": 1}', b'{"a": 1e400}', b'{"a": -Infinity}',
    b"\x00", b"{} {}",
])
def test_texts_that_are_no_certificate(text: bytes) -> None:
    with pytest.raises(checker.MalformedError):
        checker.check(checker.read(text))


def test_an_endless_file_is_read_to_the_limit() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("there is no endless file here")
    found = subprocess.run([sys.executable, "-I", "-S", str(checker.__file__), "/dev/zero"],
                           capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "more than" in found.stderr
