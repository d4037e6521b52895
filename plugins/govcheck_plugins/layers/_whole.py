"""Dimensions that must come out whole."""

from __future__ import annotations

from typing import Final

from govcheck.bounds.expr import Expr, num
from govcheck.plugin import Shape, ShapeError

UNDECIDED: Final = "cannot be decided without values of its symbols"


def is_whole(e: Expr) -> bool:
    """Whether a formula in whole symbols is seen to be whole from its coefficients."""
    match e.op:
        case "num":
            return e.number.denominator == 1
        case "sym":
            return True
        case "add":
            return all(c == int(c) for c in e.payload) and all(map(is_whole, e.args))
        case "mul":
            return all(k == int(k) for k in e.payload) and all(
                k > 0 and is_whole(a) for k, a in zip(e.payload[1:], e.args, strict=True)
            )
    return False


def divide(dimension: Expr, by: Expr | int, what: str) -> Expr:
    """``dimension / by``.

    Raises:
        ShapeError: if it is not whole, or cannot be seen to be.
    """
    quotient = dimension / by
    if is_whole(quotient):
        return quotient
    reason = "is not whole" if quotient.is_number else UNDECIDED
    raise ShapeError(f"{what}, {dimension!r} / {by!r}, {reason}")


def windows(dimension: Expr, kernel: int, stride: int, padding: int = 0) -> Expr:
    """Number of windows along one dimension, ``floor((n + 2 padding - kernel)/stride) + 1``.

    Raises:
        ShapeError: if there is none, or the number cannot be seen.
    """
    room = dimension + (2 * padding - kernel)
    if room.is_number and room.number < 0:
        raise ShapeError(f"a window of {kernel} does not fit into {dimension!r}")
    # floor(a + b) is a + floor(b) for whole a, the part with symbols
    constant = room if room.is_number else num(room.payload[0] if room.op == "add" else 0)
    symbols = (room - constant) / stride
    if not is_whole(symbols):
        raise ShapeError(f"the number of windows along {dimension!r} {UNDECIDED}")
    return symbols + (constant.number // stride + 1)


def spatial(shape: Shape, what: str) -> Shape:
    """The dimensions after the channels.

    Raises:
        ShapeError: if there are none.
    """
    if len(shape) < 2:
        raise ShapeError(f"{what} takes samples [channels, size, ...]")
    return shape[1:]


def check_window(kernel: int, stride: int) -> None:
    """Refuse windows that are none.

    Raises:
        ValueError: if `kernel` or `stride` is less than 1.
    """
    if kernel < 1 or stride < 1:
        raise ValueError(f"kernel and stride must be at least 1, not {kernel} and {stride}")


def more_channels(channels: Expr, out: Expr) -> None:
    """Refuse to pad to fewer channels.

    Raises:
        ShapeError: if `out` is not seen to be at least `channels`.
    """
    if not (out - channels).nonneg:
        known = (out - channels).is_number
        reason = "there are more" if known else UNDECIDED
        raise ShapeError(f"{channels!r} channels cannot become {out!r} by padding: {reason}")
