"""Whether a class that a plugin hands over is one the core can use."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from typing import Final, Literal

from govcheck.bounds.answer import Ref
from govcheck.plugin.cost import Cost
from govcheck.plugin.data import DataSource
from govcheck.plugin.importing import Importer
from govcheck.plugin.layer import API_VERSION, BoundSpec, Layer, bound
from govcheck.reproduce.protocol import Reproduction
from govcheck.suggest.edit import Edit
from govcheck.theorems.protocol import Theorem

Kind = Literal["layers", "costs", "theorems", "data", "reproductions", "edits", "importers"]

BASES: Final[dict[Kind, type]] = {
    "layers": Layer,
    "costs": Cost,
    "theorems": Theorem,
    "data": DataSource,
    "reproductions": Reproduction,
    "edits": Edit,
    "importers": Importer,
}
NOUN: Final[dict[Kind, str]] = {
    "layers": "layer",
    "costs": "cost",
    "theorems": "theorem",
    "data": "data source",
    "reproductions": "reproduction",
    "edits": "edit",
    "importers": "importer",
}
# keys of a step of an architecture file that are not layers
RESERVED: Final = frozenset({"repeat", "residual", "parallel", "sum", "concat", "id", "from"})

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_KEY: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_READINGS: Final = ("as_printed", "as_corrected")


def fault(kind: Kind, candidate: object) -> str | None:
    """Why a plugin's contribution cannot be used, in one phrase; None if it can."""
    if not isinstance(candidate, type):
        return f"{candidate!r} is not a class"
    base = BASES[kind]
    label = candidate.__qualname__
    if not issubclass(candidate, base):
        return f"{label} is not a subclass of {base.__name__}"
    if inspect.isabstract(candidate):
        missing = ", ".join(sorted(getattr(candidate, "__abstractmethods__", ())))
        return f"{label} is abstract: it lacks {missing}"
    api = getattr(candidate, "api", None)
    if api != API_VERSION:
        return (
            f"{label} is written for plugin API {api!r}, and this govcheck speaks "
            f"API {API_VERSION}"
        )
    return _name_fault(kind, candidate) or _kind_fault(kind, candidate)


def _name_fault(kind: Kind, cls: type) -> str | None:
    name = getattr(cls, "name", None)
    if name is None:
        return f"{cls.__qualname__} has no name"
    if kind == "reproductions":
        if isinstance(name, str) and _KEY.fullmatch(name) and name != "all":
            return None
        return (
            f"{cls.__qualname__} has the name {name!r}; a key is lower-case letters, digits and "
            "hyphens, starts with a letter and is not 'all'"
        )
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return (
            f"{cls.__qualname__} has the name {name!r}; a name is lower-case letters, digits "
            "and underscores, and starts with a letter"
        )
    if kind == "layers" and name in RESERVED:
        return f"{cls.__qualname__} has the name {name!r}, which architecture files reserve"
    return None


def _kind_fault(kind: Kind, cls: type) -> str | None:
    if kind in ("layers", "data") and not _is_frozen_dataclass(cls):
        return f"{cls.__qualname__} is not a frozen dataclass; put @dataclass(frozen=True) above it"
    if kind == "layers":
        return _bound_fault(cls)
    if kind == "costs":
        return _reference_fault(cls)
    if kind == "theorems":
        if not isinstance(getattr(cls, "title", None), str):
            return f"{cls.__qualname__} has no title"
        readings = getattr(cls, "readings", ())
        if not readings or any(r not in _READINGS for r in readings):
            return f"{cls.__qualname__}.readings must be some of {', '.join(_READINGS)}"
        return _reference_fault(cls)
    if kind == "reproductions":
        return _reproduction_fault(cls)
    return None


def _reproduction_fault(cls: type) -> str | None:
    if not isinstance(getattr(cls, "title", None), str):
        return f"{cls.__qualname__} has no title"
    for name in ("quick_seconds", "full_seconds"):
        if not isinstance(getattr(cls, name, None), int | float):
            return f"{cls.__qualname__} has no number {name}"
    return _reference_fault(cls)


def _is_frozen_dataclass(cls: type) -> bool:
    # inherited from a dataclass is not enough: new fields would be ignored in silence
    parameters = cls.__dict__.get("__dataclass_params__")
    return dataclasses.is_dataclass(cls) and bool(getattr(parameters, "frozen", False))


def _reference_fault(cls: type) -> str | None:
    if not isinstance(getattr(cls, "reference", None), Ref):
        return f"{cls.__qualname__} has no reference (a govcheck.plugin.Ref)"
    return None


def _bound_fault(cls: type) -> str | None:
    for attribute in dir(cls):
        method = getattr(cls, attribute, None)
        spec = getattr(method, "__govcheck_bound__", None)
        if spec is None:
            continue
        place = f"{cls.__qualname__}.{attribute}"
        if not isinstance(spec, BoundSpec):
            return f"{place}: its mark is not one that @bound makes"
        try:
            bound(spec.quantity, spec.sense, spec.reference)
        except ValueError as error:
            return f"{place}: {error}"
        if not isinstance(spec.reference, Ref):
            return f"{place}: @bound needs a reference (a govcheck.plugin.Ref)"
        if spec.reading not in _READINGS:
            return f"{place}: no reading {spec.reading!r}; there are {', '.join(_READINGS)}"
        if not callable(method) or not _takes_self_and_at(method):
            return f"{place}: a bound is a method with the arguments (self, at)"
    return None


def _takes_self_and_at(method: Callable[..., object]) -> bool:
    try:
        inspect.signature(method).bind(None, None)
    except TypeError:
        return False
    return True
