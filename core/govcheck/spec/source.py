"""Text of an architecture file, refused early where it cannot be one."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from govcheck.errors import InputError, Problem

MAX_BYTES: Final = 1 << 21


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        InputError: if it cannot be read, is larger than 2 MiB or is not UTF-8 text.
    """
    where = str(path)
    try:
        info = path.stat()
        if stat.S_ISDIR(info.st_mode):
            raise _refused("directory", "this is a directory", where, "name the file in it")
        if not stat.S_ISREG(info.st_mode):
            raise _refused("not-a-file", "this is not a regular file", where,
                           "copy its contents into a file")
        if info.st_size > MAX_BYTES:
            raise _too_large(where, info.st_size)
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise _refused("no-file", "there is no such file", where,
                       f"looked in {Path.cwd()}" if not path.is_absolute() else "") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _refused("unreadable", f"the file cannot be read: {reason}", where,
                       "look at its name and permissions") from error
    except ValueError as error:
        raise _refused("no-file", f"this is not a file name: {error}", repr(where)) from error
    if len(raw) > MAX_BYTES:
        raise _too_large(where, len(raw))
    return _decode(raw, where)


def check_text(text: str, where: str) -> str:
    """The text, if it is not too large and can be written in UTF-8.

    Raises:
        InputError: otherwise.
    """
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise _not_utf8(text[: error.start].encode(), where) from error
    if len(raw) > MAX_BYTES:
        raise _too_large(where, len(raw))
    return _decode(raw, where)


def _decode(raw: bytes, where: str) -> str:
    nul = raw.find(b"\0")
    if nul >= 0:
        line, column = _place(raw[:nul])
        raise _refused("binary", "this is a binary file (it contains a NUL byte)",
                       f"{where}:{line}:{column}", "an architecture file is UTF-8 text")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(raw[: error.start], where) from error
    return text


def _place(before: bytes) -> tuple[int, int]:
    line_start = before.rfind(b"\n") + 1
    column = len(before[line_start:].decode("utf-8-sig", errors="replace")) + 1
    return before.count(b"\n") + 1, column


def _not_utf8(before: bytes, where: str) -> InputError:
    line, column = _place(before)
    return _refused("encoding", "this is not UTF-8 text", f"{where}:{line}:{column}",
                    "save the file as UTF-8")


def _too_large(where: str, size: int) -> InputError:
    return _refused("too-large", f"the file has {size} bytes; at most {MAX_BYTES} are read", where,
                    "use repeat for what occurs many times")


def _refused(code: str, message: str, where: str, hint: str = "") -> InputError:
    return InputError(Problem(code, message, where, hint))
