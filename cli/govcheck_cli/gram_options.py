"""Sizes, lists and files among the options of ``govcheck gram``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from govcheck.errors import InputError, Problem
from govcheck.spec.names import shown

UNITS: Final = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
FORMATS: Final = (".svg", ".png", ".pdf")


def size(text: str, option: str) -> int:
    """A number of bytes such as ``500M`` or ``2GiB``; units are powers of 1024.

    Raises:
        InputError: for anything else.
    """
    found = re.fullmatch(r"([0-9]{1,12})(\.[0-9]{1,6})?\s*([kmgt]?)(i?b)?", text.strip().lower())
    if found is None:
        raise _wrong(option, f"{shown(text)} is not a size", "write 500M or 2GiB")
    value = float(found[1] + (found[2] or "")) * 2.0 ** UNITS[found[3]]
    if value < 1:
        raise _wrong(option, "the size must be positive", "write 500M or 2GiB")
    return int(value)


def numbers(text: str, option: str, least: int = 1) -> list[int]:
    """Whole numbers between commas, in rising order, each once.

    Raises:
        InputError: for anything else.
    """
    parts = [p.strip() for p in text.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,7}", p) for p in parts):
        raise _wrong(option, f"{shown(text)} is not a list of whole numbers", "write 1,2,4,8")
    found = sorted({int(p) for p in parts})
    if found[0] < least:
        raise _wrong(option, f"{found[0]} is below {least}", "write 1,2,4,8")
    return found


def shown_size(count: int) -> str:
    """A number of bytes as people say it."""
    for exponent, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << exponent:
            value = count / (1 << exponent)
            return f"{value:.0f} {unit}" if value >= 99.5 else f"{value:.2g} {unit}"
    return f"{count} bytes"


def plot_file(text: str) -> Path:
    """A file for a plot, whose folder exists and whose ending says the format.

    Raises:
        InputError: if it is not.
    """
    path = Path(text)
    if path.suffix.lower() not in FORMATS:
        raise _wrong("--plot", f"{shown(text)} has no known format",
                     f"end the name with {', '.join(FORMATS)}")
    return _in_folder(path, "--plot")


def array_file(text: str) -> Path:
    """A ``.npy`` file, whose folder exists.

    Raises:
        InputError: if it is not.
    """
    path = Path(text)
    if path.suffix != ".npy":
        raise _wrong("--save", f"{shown(text)} is not a .npy file", "write --save K.npy")
    return _in_folder(path, "--save")


def _in_folder(path: Path, option: str) -> Path:
    if not path.absolute().parent.is_dir():
        raise _wrong(option, f"there is no folder {shown(str(path.parent))}", "create it first")
    if path.is_dir():
        raise _wrong(option, f"{shown(str(path))} is a folder", "name a file in it")
    return path


def _wrong(option: str, message: str, hint: str) -> InputError:
    return InputError(Problem("bad-option", message, option, hint))
