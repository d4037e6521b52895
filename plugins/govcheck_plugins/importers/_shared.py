"""What several importers look at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from govcheck.plugin import UnclaimedError

if TYPE_CHECKING:
    from torch import Tensor


def same(value: Any, what: str) -> int:
    """The one integer that a number or a tuple of equal numbers holds.

    Raises:
        UnclaimedError: if the numbers differ.
    """
    numbers = list(value) if isinstance(value, tuple | list) else [value]
    if len(set(numbers)) != 1:
        raise UnclaimedError(f"{what} differs along the dimensions: {numbers}")
    return int(numbers[0])


def exact(value: float) -> str | int:
    """A number as architecture files have it, so that it is read as the same float."""
    if float(value).is_integer() and abs(value) < 2**53:
        return int(value)
    short = Fraction(value).limit_denominator(64)
    return str(short) if float(short) == value else repr(float(value))


def outward(value: float, towards: float) -> str | int:
    """A number on the side of `towards` of a float, or the float if its decimals are exact."""
    written = exact(value)
    if Fraction(str(written)) == Fraction(value):
        return written
    # decimals stay within half a step of the float they are read as
    return repr(math.nextafter(value, towards))


def shortest(value: Tensor) -> str | int:
    """A number of a tensor as a file has it; as short as single precision allows if it is one."""
    import numpy as np

    number = float(value.detach())
    single = np.float32(number)
    return exact(float(str(single)) if float(single) == number else number)


def only(call_module: Any, name: str, wanted: Any, why: str) -> None:
    """Refuse a module whose attribute is something else.

    Raises:
        UnclaimedError: with the reason.
    """
    if getattr(call_module, name, wanted) != wanted:
        raise UnclaimedError(f"{name} = {getattr(call_module, name)!r}: {why}")


def with_bias(weights: Mapping[str, Tensor], bias: Tensor | None) -> dict[str, Tensor]:
    """Weights with the bias, if there is one."""
    return dict(weights) if bias is None else {**weights, "bias": bias}
