"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from govcheck.errors import InputError, Problem


@contextmanager
def renamed(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to; the file takes its own when the block ends well.

    Raises:
        OSError: if it cannot; ``path`` is as it was before.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        yield fresh
        fresh.replace(path)
    finally:
        with suppress(OSError):
            fresh.unlink()


@contextmanager
def whole(path: Path | str, code: str = "not-written", hint: str = "") -> Iterator[Path]:
    """`renamed` for files that a user names.

    Args:
        path: of the file.
        code: of the problem, should there be one.
        hint: the way out then.

    Raises:
        InputError: if the file cannot be written.
    """
    path = Path(path)
    if not path.name:
        raise InputError(Problem(code, "a folder is no file to write", str(path), hint))
    try:
        with renamed(path) as fresh:
            yield fresh
    except OSError as error:
        raise InputError(Problem(code, f"it cannot be written: {error.strerror or error}",
                                 str(path), hint)) from None


def write_whole(
    path: Path | str, content: str | bytes, code: str = "not-written", hint: str = ""
) -> None:
    """Write text, in UTF-8, or bytes; see `whole`.

    Raises:
        InputError: if the file cannot be written.
    """
    with whole(path, code, hint) as fresh:
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)


def json_text(value: Any) -> str:
    """JSON as files have it: two spaces of indentation, letters as they are, a last newline."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def finite(x: float) -> float | None:
    """A number as JSON has it, None where it has none."""
    return x if math.isfinite(x) else None
