"""Calling code of plugins so that whatever goes wrong in it stays in it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, Union

from govcheck.bounds.answer import Unknown, Value
from govcheck.bounds.expr import Expr, as_expr

T = TypeVar("T")
MAX_TEXT = 300


class PluginWarning(UserWarning):
    """A plugin misbehaved while it was asked something; the answer is Unknown.

    Args:
        message: what happened, on one line.
        source: the plugin class, where it is known.
    """

    def __init__(self, message: str, source: type | None = None) -> None:
        super().__init__(message)
        self.source = source


@dataclass(frozen=True)
class Returned(Generic[T]):
    """What a call gave."""

    value: T


@dataclass(frozen=True)
class Raised:
    """What a call raised."""

    error: BaseException

    @property
    def text(self) -> str:
        """The error on one line."""
        return describe_error(self.error)


def attempt(action: Callable[[], T]) -> Union[Returned[T], Raised]:
    """Call and catch everything but KeyboardInterrupt: a plugin must not end the program."""
    try:
        return Returned(action())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Raised(error)


def describe_error(error: BaseException) -> str:
    """Type and text of an error on one line of bounded length, without control characters."""
    try:
        text = str(error)
    except Exception as second:
        text = f"(its text cannot be read: {type(second).__name__})"
    name = type(error).__name__
    return one_line(f"{name}: {text}" if text else name)


def one_line(text: str) -> str:
    """Text on one line of bounded length, control characters dropped."""
    line = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 3] + "..."


def ask(owner: object, attribute: str, *args: object) -> Value:
    """Ask a plugin object for a number: ``owner.attribute(*args)``.

    int and Fraction become formulas. An exception, and anything that is not a formula or
    that is a negative number, becomes an Unknown whose reason names class and method; the
    same text goes out as a `PluginWarning`, since a better answer may hide the Unknown.
    KeyboardInterrupt passes.
    """
    outcome = attempt(lambda: getattr(owner, attribute)(*args))
    place = f"{type(owner).__name__}.{attribute}"
    if isinstance(outcome, Raised):
        return _misbehaved(owner, f"{place} raised {outcome.text}")
    value = outcome.value
    if isinstance(value, Unknown):
        return value
    if isinstance(value, bool):
        return _misbehaved(owner, f"{place} returned {value}, which is not a formula")
    converted = attempt(lambda: as_expr(value))
    if isinstance(converted, Raised):
        return _misbehaved(owner, f"{place} returned no formula: {converted.text}")
    expr: Expr = converted.value
    if expr.is_number and expr.number < 0:
        return _misbehaved(owner, f"{place} returned {expr.number}, but no bound is negative")
    return expr


def _misbehaved(owner: object, reason: str) -> Unknown:
    warnings.warn(PluginWarning(reason, type(owner)), stacklevel=3)
    return Unknown.because(reason)
